"""Telling MCP hosts about the server."""

from __future__ import annotations

import json
import os
import shlex
import stat
import subprocess
import sys
from itertools import pairwise
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any, get_args

import pytest
from mcp import Client, StdioServerParameters

from hybrid_mcp.__main__ import main
from hybrid_mcp.errors import HostUnusable
from hybrid_mcp.install import (
    HOSTS,
    HostName,
    Installation,
    change,
    entry,
    find,
    places,
    server_command,
    try_out,
    with_server,
    without_server,
)

MAC, LINUX, WINDOWS = PurePosixPath("/Users/me"), PurePosixPath("/home/me"), PureWindowsPath(r"C:\Users\me")
COMMAND = ("/opt/hybrid/bin/hybrid-mcp", "serve")
DESKTOP = HOSTS["claude-desktop"]
OTHERS = '{\n    "theme": "dark",\n    "mcpServers": {\n        "files": {"command": "npx", "args": ["-y", "files"]}\n    }\n}\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A configuration with another server in it."""
    (tmp_path / "host").mkdir()
    path = tmp_path / "host" / "config.json"
    path.write_bytes(OTHERS.encode())
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, for this process and those it starts."""
    folder = tmp_path / "home"
    folder.mkdir()
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "CLAUDE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(folder))
    return folder


def install(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hybrid_mcp", "install", *arguments],
        cwd=cwd,
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )


def registered(text: str) -> str:
    return with_server(text, DESKTOP, "hybrid-mcp", entry(DESKTOP, COMMAND, {}))


@pytest.mark.parametrize(
    ("host", "platform", "environ", "home", "expected"),
    [
        (
            "claude-desktop",
            "darwin",
            {},
            MAC,
            "/Users/me/Library/Application Support/Claude/claude_desktop_config.json",
        ),
        ("claude-desktop", "linux", {}, LINUX, "/home/me/.config/Claude/claude_desktop_config.json"),
        ("claude-desktop", "linux", {"XDG_CONFIG_HOME": "/x"}, LINUX, "/x/Claude/claude_desktop_config.json"),
        ("claude-desktop", "win32", {}, WINDOWS, r"C:\Users\me\AppData\Roaming\Claude\claude_desktop_config.json"),
        ("claude-desktop", "win32", {"APPDATA": r"D:\r"}, WINDOWS, r"D:\r\Claude\claude_desktop_config.json"),
        ("claude-code", "darwin", {}, MAC, "/Users/me/.claude.json"),
        ("claude-code", "linux", {"CLAUDE_CONFIG_DIR": "/elsewhere/claude"}, LINUX, "/elsewhere/claude/.claude.json"),
        ("claude-code", "win32", {}, WINDOWS, r"C:\Users\me\.claude.json"),
        ("cursor", "darwin", {}, MAC, "/Users/me/.cursor/mcp.json"),
        ("cursor", "win32", {}, WINDOWS, r"C:\Users\me\.cursor\mcp.json"),
        ("vscode", "darwin", {}, MAC, "/Users/me/Library/Application Support/Code/User/mcp.json"),
        ("vscode", "linux", {}, LINUX, "/home/me/.config/Code/User/mcp.json"),
        ("vscode", "win32", {}, WINDOWS, r"C:\Users\me\AppData\Roaming\Code\User\mcp.json"),
    ],
)
def test_each_host_keeps_its_configuration_where_it_says(
    host: HostName, platform: str, environ: dict[str, str], home: PurePath, expected: str
) -> None:
    assert str(places(host, platform, environ, home)[-1].path) == expected


def test_a_packaged_claude_desktop_is_found_on_windows_where_it_really_looks(tmp_path: Path) -> None:
    candidates = places("claude-desktop", "win32", {}, tmp_path)
    assert find(candidates) is None
    documented = tmp_path / "AppData/Roaming/Claude/claude_desktop_config.json"
    documented.parent.mkdir(parents=True)
    assert find(candidates) == documented
    packaged = tmp_path / "AppData/Local/Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming/Claude" / documented.name
    packaged.parent.mkdir(parents=True)
    assert find(candidates) == packaged
    # Until the package has a file of its own, it is shown this one: a new file would hide what is in it.
    documented.write_text(OTHERS)
    assert find(candidates) == documented
    packaged.write_text(OTHERS)
    assert find(candidates) == packaged


def test_claude_code_is_known_by_its_folder_because_its_file_lies_in_the_home(tmp_path: Path) -> None:
    candidates = places("claude-code", "linux", {}, tmp_path)
    assert find(candidates) is None
    (tmp_path / ".claude").mkdir()
    assert find(candidates) == tmp_path / ".claude.json"


@pytest.mark.parametrize("name", get_args(HostName))
def test_an_entry_is_what_the_host_asks_for(name: HostName) -> None:
    host = HOSTS[name]
    document = json.loads(with_server("", host, "papers", entry(host, COMMAND, {"HYBRID_MCP_LANGUAGE": "en"})))
    expected: dict[str, Any] = {"command": COMMAND[0], "args": ["serve"], "env": {"HYBRID_MCP_LANGUAGE": "en"}}
    if name != "claude-desktop":
        expected["type"] = "stdio"
    assert document == {"servers" if name == "vscode" else "mcpServers": {"papers": expected}}


def test_nothing_else_in_the_file_changes_and_a_copy_of_it_is_kept(file: Path) -> None:
    file.chmod(0o640)
    done = change(file, registered)
    assert done is not None
    assert done.backup is not None
    assert done.backup.parent == file.parent
    assert done.backup.read_bytes() == OTHERS.encode()
    head = OTHERS[: OTHERS.index("\n    }\n}")]
    assert file.read_text().startswith(head + ',\n        "hybrid-mcp": {\n            "command":')
    assert list(json.loads(file.read_text())) == ["theme", "mcpServers"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in (file, done.backup)} == {0o640}
    assert set(file.parent.iterdir()) == {file, done.backup}


def test_what_is_there_already_is_left_alone(file: Path) -> None:
    change(file, registered)
    before = set(file.parent.iterdir())
    assert change(file, registered) is None
    assert set(file.parent.iterdir()) == before


def test_every_copy_is_kept_also_within_one_second(file: Path) -> None:
    themes = ("dark", "light", "blue", "red")
    done = [
        change(file, lambda text, old=old, new=new: text.replace(old, new))  # type: ignore[misc]  # mypy knows no such lambda
        for old, new in pairwise(themes)
    ]
    kept = [one.backup.read_text() for one in done if one and one.backup]
    assert kept == [OTHERS.replace("dark", theme) for theme in themes[:3]]


def test_an_entry_that_differs_gets_the_new_command_and_keeps_what_people_added() -> None:
    old = {"command": "/old/hybrid-mcp", "args": ["serve"], "env": {"A": "1", "B": "2"}, "timeout": 600}
    said = entry(DESKTOP, COMMAND, {"B": "3"})
    document = json.loads(with_server(json.dumps({"mcpServers": {"x": old}}), DESKTOP, "x", said))
    assert document == {
        "mcpServers": {"x": {"command": COMMAND[0], "args": ["serve"], "env": {"A": "1", "B": "3"}, "timeout": 600}}
    }


@pytest.mark.parametrize("old", [{"type": "http", "url": "http://127.0.0.1:8001/mcp"}, {}, None, "x", []])
def test_an_entry_of_another_kind_is_replaced(old: Any) -> None:
    said = entry(DESKTOP, COMMAND, {})
    assert json.loads(with_server(json.dumps({"mcpServers": {"x": old}}), DESKTOP, "x", said)) == {
        "mcpServers": {"x": said}
    }


def test_a_variable_list_that_is_none_does_no_harm() -> None:
    text = json.dumps({"mcpServers": {"x": {"command": "a", "env": None}}})
    assert json.loads(with_server(text, DESKTOP, "x", entry(DESKTOP, COMMAND, {})))["mcpServers"]["x"]["env"] is None
    said = entry(DESKTOP, COMMAND, {"A": "1"})
    assert json.loads(with_server(text, DESKTOP, "x", said))["mcpServers"]["x"]["env"] == {"A": "1"}


def test_byte_order_mark_and_line_ends_stay(file: Path) -> None:
    before = b"\xef\xbb\xbf" + OTHERS.replace("\n", "\r\n").encode()
    file.write_bytes(before)
    change(file, registered)
    after = file.read_bytes()
    assert after.startswith(b"\xef\xbb\xbf{\r\n")
    assert after.count(b"\n") == after.count(b"\r\n")
    change(file, lambda text: without_server(text, DESKTOP, "hybrid-mcp"))
    assert file.read_bytes() == before


def test_a_link_stays_a_link(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(file)
    change(link, registered)
    assert link.is_symlink()
    assert "hybrid-mcp" in json.loads(file.read_text())["mcpServers"]


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "project" / ".cursor" / "mcp.json"
    done = change(file, registered)
    assert done is not None
    assert done.backup is None
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]


def test_comments_stay_where_the_host_reads_them_and_are_told_where_it_does_not() -> None:
    text = '{\n\t// my servers\n\t"servers": {},\n}\n'
    vscode = HOSTS["vscode"]
    assert with_server(text, vscode, "x", entry(vscode, COMMAND, {})).startswith(text[:-5])
    with pytest.raises(HostUnusable, match="Line 2, column 2"):
        with_server(text, DESKTOP, "x", entry(DESKTOP, COMMAND, {}))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{\n  "mcpServers": {\n    "a": 1,\n  }\n}', "Line 4, column 3 is not JSON"),
        (b'{"mcpServers": {"a": ', "Line 1, column 22 is not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"mcpServers": []}', "“mcpServers” is not a JSON object"),
        (b'{"mcpServers": null}', "“mcpServers” is not a JSON object"),
        ('{"mcpServers": {}}'.encode("utf-16"), "not UTF-8"),
        (b'{"a": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"a": ' + b"1" * 5_000 + b"}", "too long a number"),
    ],
)
@pytest.mark.parametrize("edit", [registered, lambda text: without_server(text, DESKTOP, "hybrid-mcp")])
def test_a_file_that_is_no_configuration_is_named_and_not_touched(
    file: Path, content: bytes, told: str, edit: Any
) -> None:
    file.write_bytes(content)
    with pytest.raises(HostUnusable, match=told) as caught:
        change(file, edit)
    assert str(file) in caught.value.text("en")
    assert str(file) in caught.value.text("ja")
    assert file.read_bytes() == content
    assert list(file.parent.iterdir()) == [file]


def test_a_file_that_is_read_only_stays_as_it_is(file: Path) -> None:
    file.chmod(0o400)
    with pytest.raises(HostUnusable, match="read-only"):
        change(file, registered)
    assert list(file.parent.iterdir()) == [file]
    assert file.read_bytes() == OTHERS.encode()


def test_a_file_that_cannot_be_written_is_named(file: Path) -> None:
    with pytest.raises(HostUnusable, match=r"/x cannot be read or written \(Not a directory\)"):
        change(file / "x", registered)


def test_what_is_no_regular_file_is_told_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path(os.devnull)):
        with pytest.raises(HostUnusable, match=f"{path}: It is not a regular file"):
            change(path, registered)


def test_links_that_lead_in_a_circle_are_told_and_stay(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(HostUnusable, match="/a cannot be read or written"):
        change(tmp_path / "a", registered)
    assert (tmp_path / "a").is_symlink()


def test_what_another_program_writes_in_the_meantime_is_not_lost(file: Path) -> None:
    def edit(text: str) -> str:
        file.write_text("{}")
        return registered(text)

    with pytest.raises(HostUnusable, match="Another program"):
        change(file, edit)
    assert file.read_text() == "{}"
    assert list(file.parent.iterdir()) == [file]


def test_a_full_disk_leaves_the_file_as_it_was(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(HostUnusable, match="No space left"):
        change(file, registered)
    assert file.read_bytes() == OTHERS.encode()
    assert list(file.parent.iterdir()) == [file]


def test_removing_gives_back_what_was_there(file: Path) -> None:
    change(file, registered)
    change(file, lambda text: without_server(text, DESKTOP, "hybrid-mcp"))
    assert file.read_bytes() == OTHERS.encode()
    assert change(file, lambda text: without_server(text, DESKTOP, "hybrid-mcp")) is None


def test_the_command_is_absolute_and_this_installation() -> None:
    command = server_command()
    assert Path(command[0]).is_absolute()
    assert Path(command[0]).parent == Path(sys.executable).parent
    assert os.access(command[0], os.X_OK)


@pytest.mark.parametrize("name", get_args(HostName))
def test_print_shows_path_and_entry_and_writes_nothing(
    name: HostName, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Installation(name, "papers", {"A": "b=c"}).show("en")
    shown = capsys.readouterr()
    path, _, snippet = shown.out.partition("\n")
    assert path == str(places(name, sys.platform, {}, home)[-1].path)
    host = HOSTS[name]
    assert json.loads(snippet) == {host.key: {"papers": entry(host, server_command(), {"A": "b=c"})}}
    assert list(home.iterdir()) == []
    assert ("claude mcp add --env A=b=c --scope user papers -- " in shown.err) == (name == "claude-code")


def test_the_command_line_knows_every_host_and_print(home: Path, tmp_path: Path) -> None:
    assert set(HOSTS) == set(get_args(HostName))
    assert "{" + ",".join(get_args(HostName)) + "}" in install("--help", cwd=tmp_path).stdout
    shown = install("vscode", "--print", "--env", "A=b", "--env", "C=", "--file", "x.json", cwd=tmp_path).stdout
    path, _, snippet = shown.partition("\n")
    assert path == "x.json"
    assert json.loads(snippet)["servers"]["hybrid-mcp"]["env"] == {"A": "b", "C": ""}
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [("--name", "two words"), ("--env", "novalue"), ("--env", "1=x"), ("--env", "A=\udcff"), ("--print", "--remove")],
)
def test_what_no_host_could_use_is_refused(arguments: tuple[str, ...], home: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["install", "cursor", *arguments])
    assert caught.value.code == 2
    assert list(home.iterdir()) == []


def test_a_host_that_is_not_there_is_told_with_the_way_out(home: Path, tmp_path: Path) -> None:
    done = install("cursor", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert f"{home}/.cursor" in done.stderr
    assert "--print" in done.stderr
    assert list(home.iterdir()) == []


def test_claude_code_that_is_not_there_is_told_with_what_was_looked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    monkeypatch.setenv("HYBRID_MCP_LANGUAGE", "en")
    assert main(["install", "claude-code"]) == 1
    told = capsys.readouterr().err
    assert f"({home}/.claude.json and {home}/.claude do not exist)" in told
    assert "claude mcp add --scope user hybrid-mcp -- " in told
    assert main(["install", "claude-code", "--remove"]) == 1
    assert "claude mcp add" not in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full device")
@pytest.mark.parametrize("where", [">/dev/full", ">&-", "| true"])
def test_nobody_listening_does_not_make_a_change_fail(where: str, file: Path) -> None:
    file.write_text(registered(OTHERS))
    command = shlex.join([sys.executable, "-m", "hybrid_mcp", "install", "cursor", "--remove", "--file", str(file)])
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{command} {where}"],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert file.read_text() == OTHERS


def test_what_was_done_is_told_on_an_ascii_terminal_too(file: Path) -> None:
    file.write_text(registered(OTHERS))
    done = subprocess.run(
        [sys.executable, "-m", "hybrid_mcp", "install", "cursor", "--remove", "--file", str(file)],
        env={**os.environ, "PYTHONIOENCODING": "ascii", "HYBRID_MCP_LANGUAGE": "ja"},
        capture_output=True,
        encoding="ascii",
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert str(file) in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "env", "why"),
    [
        (
            server_command(),
            {"HYBRID_MCP_TTS__WORKERS": "many"},
            "HYBRID_MCP_TTS__WORKERS: Input should be a valid integer",
        ),
        (("/nowhere/hybrid-mcp", "serve"), {}, "/nowhere/hybrid-mcp serve"),
        ((sys.executable, "-c", "print('no protocol')"), {}, "does not work"),
    ],
)
async def test_a_server_that_does_not_work_is_told_with_its_own_words(
    command: tuple[str, ...], env: dict[str, str], why: str, home: Path
) -> None:
    with pytest.raises(HostUnusable, match=why):
        await try_out(command, env)


@pytest.mark.slow
async def test_what_was_written_starts_the_server_from_anywhere(home: Path, tmp_path: Path) -> None:
    file = home / ".config/Claude/claude_desktop_config.json"
    file.parent.mkdir(parents=True)
    file.write_text(OTHERS)
    done = install("claude-desktop", "--env", "HYBRID_MCP_LANGUAGE=en", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert str(file) in done.stdout
    assert f"{home}/.config/hybrid-mcp/.env.hybrid" in done.stdout

    written = json.loads(file.read_text())["mcpServers"]["hybrid-mcp"]
    assert written["env"] == {"HYBRID_MCP_LANGUAGE": "en"}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    # As the file says, but for the port, for which tests do not compete.
    env = written["env"] | {"HYBRID_MCP_SERVE__SIDECAR": "false"}
    async with Client(
        StdioServerParameters(command=written["command"], args=written["args"], env=env, cwd=elsewhere)
    ) as client:
        tools = await client.list_tools()
        assert "synthesize_voice" in {tool.name for tool in tools.tools}
        voices = await client.call_tool("list_voices", {})
        assert not voices.is_error

    again = install("claude-desktop", cwd=tmp_path)
    assert again.returncode == 0
    assert len(list(file.parent.iterdir())) == 2
    removed = install("claude-desktop", "--remove", cwd=elsewhere)
    assert removed.returncode == 0
    assert file.read_text() == OTHERS


@pytest.mark.slow
def test_a_server_that_would_not_start_is_not_written(home: Path, tmp_path: Path) -> None:
    (home / ".cursor").mkdir()
    done = install("cursor", "--env", "HYBRID_MCP_LANGUAGE=latin", cwd=tmp_path)
    assert done.returncode == 1
    assert "HYBRID_MCP_LANGUAGE" in done.stderr
    assert list((home / ".cursor").iterdir()) == []
