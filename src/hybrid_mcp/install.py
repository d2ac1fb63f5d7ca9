"""Telling MCP hosts about this server: `hybrid-mcp install`.

Where a host keeps its configuration is a pure function of platform, environment and home. The file is changed in
one place only (`jsonc.py`), after the command that is written there has started and answered.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import shlex
import stat
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePath
from typing import Any, Generic, Literal, TypeVar

from hybrid_mcp import jsonc
from hybrid_mcp.config import env_files
from hybrid_mcp.errors import HostUnusable
from hybrid_mcp.languages import Bilingual, Language

HostName = Literal["claude-desktop", "claude-code", "cursor", "vscode"]
_BOM = "\ufeff"
_TRIAL_SECONDS = 60.0
_NOTHING = Bilingual(ja="", en="")
P = TypeVar("P", bound=PurePath)


@dataclass(frozen=True, slots=True)
class Host:
    """What a host's configuration looks like."""

    title: str
    key: str
    """Of the object that lists servers by name."""
    typed: bool
    """Whether an entry says that it is for stdio."""
    comments: bool
    """Whether the host reads JSON with comments."""
    restart: Bilingual
    """What makes it read its configuration again."""


HOSTS: Mapping[HostName, Host] = {
    "claude-desktop": Host(
        "Claude Desktop",
        "mcpServers",
        typed=False,
        comments=False,
        restart=Bilingual(
            ja="Claude Desktop を終了して (ウィンドウを閉じるだけでなく、メニューから)、起動し直してください。",
            en="Quit Claude Desktop (from its menu; closing the window is not enough) and start it again.",
        ),
    ),
    "claude-code": Host(
        "Claude Code",
        "mcpServers",
        typed=True,
        comments=False,
        restart=Bilingual(
            ja="Claude Code を起動し直し、/mcp で確かめてください。動いていた Claude Code が書き戻して消すことがあります。",
            en="Start Claude Code again and see /mcp. One that was running may write its old state back.",
        ),
    ),
    "cursor": Host(
        "Cursor",
        "mcpServers",
        typed=True,
        comments=True,
        restart=Bilingual(
            ja="Cursor を起動し直し、設定の MCP で有効になっているか確かめてください。",
            en="Start Cursor again, and see in its settings under MCP that the server is on.",
        ),
    ),
    "vscode": Host(
        "VS Code",
        "servers",
        typed=True,
        comments=True,
        restart=Bilingual(
            ja="VS Code のコマンドパレットで「MCP: List Servers」を選び、サーバーを起動してください。",
            en="In VS Code, run “MCP: List Servers” from the command palette and start the server.",
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Place(Generic[P]):
    """Where a host may keep its configuration."""

    root: P
    folder: str
    """Inside `root`, with `*` where names differ between installations; empty for `root` itself."""
    file: str
    sign: str = ""
    """Inside the folder, what is there if the host is; empty if the folder itself tells."""

    @property
    def path(self) -> P:
        """The file, as far as it is known without looking."""
        return self.root / self.folder / self.file


def places(host: HostName, platform: str, environ: Mapping[str, str], home: P) -> tuple[Place[P], ...]:
    """Where `host` may keep the user's configuration, the likeliest first; the last one is the documented one.

    Args:
        host: which.
        platform: as `sys.platform` names it.
        environ: variables that move folders: APPDATA, LOCALAPPDATA, XDG_CONFIG_HOME, CLAUDE_CONFIG_DIR.
        home: the user's home; its type makes the paths.
    """

    def folder(variable: str, default: P) -> P:
        return type(home)(environ[variable]) if environ.get(variable) else default

    match platform:
        case "win32":
            configs = folder("APPDATA", home / "AppData" / "Roaming")
        case "darwin":
            configs = home / "Library" / "Application Support"
        case _:
            configs = folder("XDG_CONFIG_HOME", home / ".config")
    match host:
        case "claude-desktop":
            documented = Place(configs, "Claude", "claude_desktop_config.json")
            if platform != "win32":
                return (documented,)
            # Installed as a package (MSIX, the default since 2026), Windows shows the app folders of its own instead:
            # anthropics/claude-code#26073; the first of these was reported once, in October 2026.
            local = folder("LOCALAPPDATA", home / "AppData" / "Local")
            return (
                Place(local, "Claude-Data/[Cc]laude*", documented.file),
                Place(local, "Packages/Claude_*/LocalCache/Roaming/Claude", documented.file),
                documented,
            )
        case "claude-code":
            if environ.get("CLAUDE_CONFIG_DIR"):
                return (Place(folder("CLAUDE_CONFIG_DIR", home), "", ".claude.json"),)
            return (Place(home, "", ".claude.json", sign=".claude"),)
        case "cursor":
            return (Place(home, ".cursor", "mcp.json"),)
        case "vscode":
            return (Place(configs, "Code/User", "mcp.json"),)


def find(candidates: tuple[Place[Path], ...]) -> Path | None:
    """The configuration that the host reads: one that exists, else where it would be; None if there is no host.

    An existing file comes first, because a packaged app reads the documented one until it has one of its own.
    """
    files = [file for place in candidates for file in _present(place)]
    return next((file for file in files if file.is_file()), files[0] if files else None)


def _present(place: Place[Path]) -> list[Path]:
    folders = sorted(place.root.glob(place.folder)) if place.folder else [place.root]
    files = [folder / place.file for folder in folders if folder.is_dir()]
    return [file for file in files if not place.sign or file.is_file() or (file.parent / place.sign).exists()]


def server_command() -> tuple[str, ...]:
    """What starts this very installation, from any directory: absolute, and the links of an environment kept."""
    script = Path(sysconfig.get_path("scripts"), "hybrid-mcp.exe" if sys.platform == "win32" else "hybrid-mcp")
    started = (str(script),) if script.is_file() else (sys.executable, "-m", "hybrid_mcp")
    return (*started, "serve")


def entry(host: Host, command: tuple[str, ...], env: Mapping[str, str]) -> dict[str, Any]:
    """What `host` wants to know of a server."""
    said: dict[str, Any] = {"type": "stdio"} if host.typed else {}
    said |= {"command": command[0], "args": list(command[1:])}
    return said | ({"env": dict(env)} if env else {})


def with_server(text: str, host: Host, name: str, said: Mapping[str, Any]) -> str:
    """`text` with the server `name`: what an entry for stdio says beyond `said` is kept, another kind is replaced.

    Raises:
        HostUnusable: `text` is not a configuration of `host`; the errors name a line.
    """
    text = text if text.strip() else "{}\n"
    document = _document(text, host)
    servers = document.get(host.key, {})
    old = servers.get(name)
    meant = _merged(old, said) if isinstance(old, Mapping) and "command" in old else said
    write = jsonc.merged if meant is not said or name not in servers else jsonc.replaced
    return _as_meant(write(text, (host.key, name), said), {**document, host.key: {**servers, name: meant}})


def _merged(old: Any, new: Any) -> Any:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return {**old, **{name: _merged(old.get(name), part) for name, part in new.items()}}
    return new


def without_server(text: str, host: Host, name: str) -> str:
    """`text` without the server `name`.

    Raises:
        HostUnusable: `text` is not a configuration of `host`; the errors name a line.
    """
    document = _document(text if text.strip() else "{}", host)
    servers = document.get(host.key, {})
    if name not in servers:
        return text
    left = {other: said for other, said in servers.items() if other != name}
    return _as_meant(jsonc.removed(text, (host.key, name)), {**document, host.key: left})


def _document(text: str, host: Host) -> dict[str, Any]:
    try:
        document = jsonc.loads(text) if host.comments else json.loads(text)
    except json.JSONDecodeError as error:
        raise HostUnusable(
            ja=f"{error.lineno} 行 {error.colno} 文字目が JSON として読めません ({error.msg})。"
            "そこを直すか、`--print` の内容を手で書き写してください。",
            en=f"Line {error.lineno}, column {error.colno} is not JSON ({error.msg}). Mend it, or paste what `--print` "
            "shows by hand.",
        ) from error
    if not isinstance(document, dict):
        raise HostUnusable(
            ja="全体が JSON のオブジェクト { } ではありません。直してから、もう一度実行してください。",
            en="It is not a JSON object { }. Mend it, then try again.",
        )
    if not isinstance(document.get(host.key, {}), dict):
        raise HostUnusable(
            ja=f"「{host.key}」が JSON のオブジェクト {{ }} ではありません。直してから、もう一度実行してください。",
            en=f"“{host.key}” is not a JSON object {{ }}. Mend it, then try again.",
        )
    return document


def _as_meant(text: str, meant: Mapping[str, Any]) -> str:
    """`text`, read once more before anybody else does."""
    if jsonc.loads(text) != meant:
        raise HostUnusable(
            ja="この書き方のファイルは正しく書き換えられません。`--print` の内容を手で書き写してください。",
            en="A file written like this cannot be changed reliably. Paste what `--print` shows by hand.",
        )
    return text


@dataclass(frozen=True, slots=True)
class Change:
    """A file that was written."""

    backup: Path | None
    """A copy of what was there before, beside it; None if nothing was."""


def change(file: Path, edit: Callable[[str], str]) -> Change | None:
    """Write what `edit` makes of the text of `file`, wholly or not at all; None if that is what was there.

    Links are followed; mode, byte order mark and line ends stay.

    Raises:
        HostUnusable: `edit` raised it, or the file cannot be read or written; names the file.
    """
    try:
        return _change(file, edit)
    except HostUnusable as error:
        raise HostUnusable(ja=f"{file}: {error.message.ja}", en=f"{file}: {error.message.en}") from error
    except UnicodeDecodeError as error:
        raise HostUnusable(
            ja=f"{file} は UTF-8 ではありません。UTF-8 で保存し直してから、もう一度実行してください。",
            en=f"{file} is not UTF-8. Save it again as UTF-8, then try again.",
        ) from error
    except (RecursionError, ValueError) as error:  # a number of more digits than Python reads is a plain ValueError
        raise HostUnusable(
            ja=f"{file} は、入れ子が深すぎるか数値が長すぎて読めません。`--print` の内容を手で書き写してください。",
            en=f"{file} is nested too deeply, or has too long a number, to be read. Paste what `--print` shows by hand.",
        ) from error
    except OSError as error:
        raise HostUnusable(
            ja=f"{file} を読み書きできません ({error.strerror})。権限を確かめるか、`--print` の内容を手で書き写してください。",
            en=f"{file} cannot be read or written ({error.strerror}). Check its permissions, or paste what `--print` "
            "shows by hand.",
        ) from error


def _change(file: Path, edit: Callable[[str], str]) -> Change | None:
    before = _content(file)
    file = file.resolve()
    text = (before or b"").decode()
    bom = _BOM if text.startswith(_BOM) else ""
    after = (bom + edit(text.removeprefix(_BOM))).encode()
    if after == (before or b""):
        return None
    if before is None:
        file.parent.mkdir(parents=True, exist_ok=True)
        _put(file, after, mode=0o600)  # it may come to hold keys
        return Change(None)
    mode = stat.S_IMODE(file.stat().st_mode)
    if not mode & stat.S_IWUSR:
        raise HostUnusable(
            ja="読み取り専用です。書き込めるようにしてから、もう一度実行してください。",
            en="It is read-only. Make it writable, then try again.",
        )
    backup = _backup_name(file)
    _put(backup, before, mode=mode)
    if file.read_bytes() != before:
        backup.unlink()
        raise HostUnusable(
            ja="ちょうど今、ほかのプログラムが書き換えました。そのプログラムを終了してから、もう一度実行してください。",
            en="Another program changed it just now. Quit that program, then try again.",
        )
    _put(file, after, mode=mode)
    return Change(backup)


def _content(file: Path) -> bytes | None:
    """What is in `file`; None if there is none. Links that lead in a circle raise OSError here, `resolve` does not."""
    try:
        mode = file.stat().st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(mode):  # a pipe would be waited for
        raise HostUnusable(
            ja="ふつうのファイルではありません。設定のファイルを指定してください。",
            en="It is not a regular file. Name the configuration file.",
        )
    return file.read_bytes()


def _backup_name(file: Path) -> Path:
    """A name that is free."""
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    backup = file.with_name(f"{file.name}.bak-{stamp}")
    count = 1
    while backup.exists():
        count += 1
        backup = file.with_name(f"{file.name}.bak-{stamp}-{count}")
    return backup


def _put(file: Path, data: bytes, *, mode: int) -> None:
    """The whole of `data`, or nothing."""
    descriptor, made = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        Path(made).chmod(mode)
        Path(made).replace(file)
    except BaseException:
        Path(made).unlink(missing_ok=True)
        raise


async def try_out(command: tuple[str, ...], env: Mapping[str, str]) -> str:
    """Start the server as hosts do, with few variables and in the root directory, and ask for its tools.

    Returns:
        What it had to say nevertheless, on stderr: that a variable is no setting, for example.

    Raises:
        HostUnusable: it does not start or does not answer; tells what it said.
    """
    from mcp import Client, MCPError, StdioServerParameters  # noqa: PLC0415  (`--print` needs none of this)
    from mcp.client.stdio import stdio_client  # noqa: PLC0415

    server = StdioServerParameters(
        command=command[0],
        args=list(command[1:]),
        # A trial must not take the port from the server that is going to stay.
        env={"HYBRID_MCP_SERVE__SIDECAR": "false", **env},
        cwd=Path.home().anchor,
    )
    failure: BaseException | None = None
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        try:
            async with asyncio.timeout(_TRIAL_SECONDS), Client(stdio_client(server, errlog=said)) as client:
                await client.list_tools()
        except* (OSError, MCPError) as errors:  # the client raises them in groups, or alone
            failure = errors
        said.seek(0)
        why = said.read().strip()[-2000:]
    if failure is not None:
        raise HostUnusable(
            ja=f"サーバーが動かないので、何も書き込みませんでした。端末で試してください: {shlex.join(command)}\n{why}",
            en=f"The server does not work, so nothing was written. Try it in a terminal: {shlex.join(command)}\n{why}",
        ) from failure
    return why


@dataclass(frozen=True, slots=True)
class Installation:
    """One server in one host's configuration."""

    host: HostName
    name: str
    env: Mapping[str, str]
    file: Path | None = None
    """Another file than the user's configuration, for example a project's."""

    @property
    def _places(self) -> tuple[Place[Path], ...]:
        return places(self.host, sys.platform, os.environ, Path.home())

    def _file(self, otherwise: Bilingual = _NOTHING) -> Path:
        """The file to change; without one, `otherwise` ends what is told.

        Raises:
            HostUnusable: the host is not on this machine.
        """
        found = self.file or find(self._places)
        if found is not None:
            return found
        title, documented = HOSTS[self.host].title, self._places[-1]
        folder = documented.path.parent
        signs = (documented.path, folder / documented.sign) if documented.sign else (folder,)
        raise HostUnusable(
            ja=f"{title} が見つかりません ({' も '.join(map(str, signs))} {'も' if documented.sign else 'が'}ありません)。"
            "一度起動してから、もう一度実行してください。別の場所にあるときは `--file` でファイルを指定するか、`--print` の"
            f"内容を手で書き写してください。{otherwise.ja}",
            en=f"{title} was not found ({' and '.join(map(str, signs))} {'do' if documented.sign else 'does'} not exist). "
            "Start it once, then try again. If it keeps its configuration elsewhere, name the file with `--file`, or "
            f"paste what `--print` shows by hand.{otherwise.en}",
        )

    def show(self, language: Language) -> None:
        """Print where the configuration is and what belongs there; write nothing."""
        host, command = HOSTS[self.host], server_command()
        file = self.file or find(self._places) or self._places[-1].path
        snippet = {host.key: {self.name: entry(host, command, self.env)}}
        _print(f"{file}\n{json.dumps(snippet, ensure_ascii=False, indent=2)}\n")
        if own := self._own_command_hint().in_(language):
            sys.stderr.write(f"{own.removeprefix(chr(10))}\n")

    def _own_command_hint(self) -> Bilingual:
        """What registers the server through Claude Code itself, on lines of its own; empty for other hosts."""
        if self.host != "claude-code":
            return _NOTHING
        # `--env` takes all that follows up to an option.
        env = [part for name, value in self.env.items() for part in ("--env", f"{name}={value}")]
        words = ["claude", "mcp", "add", *env, "--scope", "user", self.name, "--", *server_command()]
        line = subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)
        return Bilingual(
            ja=f"\nまたは、このコマンドでも登録できます:\n{line}", en=f"\nOr let its own command do it:\n{line}"
        )

    async def write(self, language: Language) -> None:
        """Try the command out, put it into the configuration, and print what was done and what to do next.

        Raises:
            HostUnusable: the host is not there, the server does not start, or the file cannot be changed.
        """
        host, command, file = HOSTS[self.host], server_command(), self._file(self._own_command_hint())
        if warnings := await try_out(command, self.env):
            sys.stderr.write(f"{warnings}\n")
        said = entry(host, command, self.env)
        done = change(file, lambda text: with_server(text, host, self.name, said))
        if done is None:
            nothing = Bilingual(
                ja=f"{file} には、もう登録されています。何も変えていません。",
                en=f"{file} has it already; nothing was changed.",
            )
            _say(language, nothing)
            return
        keys = env_files()[-1]
        _say(
            language,
            Bilingual(ja=f"登録しました: {file}", en=f"Written: {file}"),
            _kept(done),
            host.restart,
            Bilingual(
                ja=f"API の鍵などの設定は、このファイルではなく {keys} に書いてください。",
                en=f"Keys and other settings belong into {keys} rather than into that file.",
            ),
        )

    def remove(self, language: Language) -> None:
        """Take the server out of the configuration, and print what was done.

        Raises:
            HostUnusable: the host is not there, or the file cannot be changed.
        """
        host, file = HOSTS[self.host], self._file()
        done = change(file, lambda text: without_server(text, host, self.name))
        if done is None:
            nothing = Bilingual(
                ja=f"{file} に「{self.name}」はありません。何も変えていません。",
                en=f"{file} has no “{self.name}”; nothing was changed.",
            )
            _say(language, nothing)
            return
        _say(language, Bilingual(ja=f"取り除きました: {file}", en=f"Removed: {file}"), _kept(done), host.restart)


def _kept(done: Change) -> Bilingual | None:
    backup = done.backup
    return Bilingual(ja=f"元の内容: {backup}", en=f"What was there before: {backup}") if backup else None


def _say(language: Language, *sentences: Bilingual | None) -> None:
    _print("".join(f"{sentence.in_(language)}\n" for sentence in sentences if sentence))


def _print(text: str) -> None:
    """Tell it on stdout as far as that can be told: one that is closed, full or ASCII undoes nothing that was done."""
    out = sys.stdout
    if not isinstance(out, io.TextIOWrapper):  # None, when it was closed before the start
        return
    out.reconfigure(errors="backslashreplace")
    try:
        out.write(text)
        out.flush()
    except OSError:
        # What it still holds is written once more at the end, where it must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
