"""Opening what somebody wants heard: a path, a `data:` URI or audio made here, and a private copy of it.

What lies behind an https URL is opened in `download.py`.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import errno
import hashlib
import io
import os
import re
import stat
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NoReturn, Self

from hybrid_mcp.artifacts import Artifact, Artifacts
from hybrid_mcp.errors import InvalidInput, MediaRefused, NotFound, PathRefused, StorageError, UrlRefused
from hybrid_mcp.threads import in_thread

_CHUNK = 1 << 20
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")  # two letters at least: C:\ is a path
_MADE_HERE = re.compile(r"audio-[0-9a-f]+", re.IGNORECASE)
"""An id as synthesize_voice returns it. No path may begin so: paths are absolute."""
_DATA = re.compile(r"data:(?P<type>[^;,\s]*)(?P<parameters>(?:;[^;,]*)*),", re.IGNORECASE)
_HEARD_TYPES = re.compile(r"(audio|video)/[\w.+-]+|application/octet-stream", re.IGNORECASE)
_QUOTES = {'"': '"', "'": "'", "`": "`", "“": "”", "‘": "’", "「": "」"}
"""Pasted around paths by shells, file managers and people. No absolute path begins with one."""


@dataclass(frozen=True, slots=True)
class Recording:
    """An open source of bytes; leaving its `with` block closes it."""

    file: BinaryIO
    name: str
    """The file's own name, for messages and for the copy."""
    of: Artifact | None = None
    """The audio made here that was named by its id."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()

    def digest(self, max_bytes: int, copy_to: Path | None = None) -> str:
        """The SHA-256 of the whole file, which is copied to `copy_to` on the way. Blocks.

        Raises:
            MediaRefused: more than `max_bytes`.
            PathRefused: reading failed half-way.
            StorageError: the copy cannot be written.
        """
        digest, size = hashlib.sha256(), 0
        self.file.seek(0)
        with contextlib.ExitStack() as stack:
            copy: BinaryIO | None = None
            if copy_to is not None:
                with _writing(copy_to):
                    copy = stack.enter_context(copy_to.open("xb"))
            while chunk := self._read():
                size += len(chunk)
                if size > max_bytes:  # it grew
                    raise _too_large(self.name, max_bytes)
                digest.update(chunk)
                if copy is not None:
                    with _writing(Path(copy.name)):
                        copy.write(chunk)
            if copy is not None:
                with _writing(Path(copy.name)):
                    copy.flush()
        return digest.hexdigest()

    def _read(self) -> bytes:
        try:
            return self.file.read(_CHUNK)
        except OSError as error:
            raise PathRefused(
                ja=f"{self.name} を読んでいる途中で失敗しました ({error.strerror})。",
                en=f"Reading {self.name} failed half-way ({error.strerror}).",
            ) from error


@contextlib.asynccontextmanager
async def private_copy(recording: Recording, folder: Path, sha256: str, max_bytes: int) -> AsyncIterator[Path]:
    """A copy under the recording's own name in `folder`, which is made and removed again.

    Raises:
        MediaRefused: the recording no longer has the digest `sha256`, or more than `max_bytes`.
        StorageError: there is no room for the copy.
    """
    copy = folder / recording.name

    def write() -> str:
        with _writing(folder):
            folder.mkdir()
        return recording.digest(max_bytes, copy)

    def remove() -> None:
        with _writing(folder), contextlib.suppress(FileNotFoundError):
            copy.unlink(missing_ok=True)
            folder.rmdir()

    try:
        if await in_thread(write) != sha256:
            raise MediaRefused(
                ja=f"{recording.name} は読んでいる間に書き換えられました。録音が終わってから、もう一度実行してください。",
                en=f"{recording.name} changed while it was read. Try again when the recording is finished.",
            )
        yield copy
    finally:
        await in_thread(remove)


def open_recording(source: str, artifacts: Artifacts, allowed_roots: Sequence[Path], max_bytes: int) -> Recording:
    """Open an absolute path (`~` and `file://` too), a base64 `data:` URI, or audio made here, `audio://<id>` or `<id>`. Blocks.

    White space and quotes around it are left out. A path must really lie, links followed, under one
    of `allowed_roots` or among the artifacts.

    Raises:
        PathRefused: the path is outside the roots, or is not a file that can be read.
        InvalidInput: the URI is malformed or of another kind (`UrlRefused`: it starts with http://).
        NotFound: no such audio artifact.
        MediaRefused: more than `max_bytes`.
    """
    source = bare(source)
    if _MADE_HERE.fullmatch(source):
        source = f"audio://{source}"
    of: Artifact | None = None
    match scheme := scheme_of(source):
        case "data":
            return Recording(io.BytesIO(_data(source, max_bytes)), "recording")
        case "audio":
            of = artifacts.get(source.partition(":")[2].strip("/ ").lower(), "audio")
            path = _narration(of)
        case "file":
            path = _file_uri(source)
        case "":
            path = _plain(source)
        case "http":
            raise UrlRefused(
                ja="http:// の録音は取得しません。途中で書き換えられないよう、https:// で始まる URL にしてください。",
                en="Recordings are not fetched from http:// addresses. Give one that starts with https://, which "
                "nobody on the way can change.",
            )
        case _:
            raise InvalidInput(
                ja=f"{scheme}: の録音は読めません。https:// の URL にするか、ファイルを保存してその絶対パスを指定してください。",
                en=f"Recordings cannot be read from {scheme}: addresses. Give an https:// URL, or save the file and give "
                "its absolute path.",
            )
    roots = [(root, _real(root)) for root in (*allowed_roots, artifacts.root)]
    file, name = _open_path(path, roots, max_bytes)
    return Recording(file, name, of)


def bare(source: str) -> str:
    """`source` without the white space and quotes around it."""
    source = source.strip()
    while len(source) > 1 and _QUOTES.get(source[0]) == source[-1]:
        source = source[1:-1].strip()
    return source


def scheme_of(source: str) -> str:
    """The scheme of an address in lower case; empty for a path."""
    return match[1].lower() if (match := _SCHEME.match(source)) else ""


def _plain(source: str) -> Path:
    if not source or "\0" in source:
        raise PathRefused(
            ja="録音のパスが空か、使えない文字を含んでいます。絶対パスを指定してください。",
            en="The path of the recording is empty or holds a character no path may. Give an absolute path.",
        )
    try:
        path = Path(source).expanduser()
    except RuntimeError as error:
        raise PathRefused(
            ja=f"{source} の ~ が誰のホームフォルダかわかりません。絶対パスを指定してください。",
            en=f"Nobody knows whose home folder the ~ in {source} is. Give an absolute path.",
        ) from error
    if not path.is_absolute():
        raise PathRefused(
            ja=f"{source[:200]} は絶対パスではありません。/ (Windows では C:\\ など) から始まるパスか、"
            "audio://id か、data: URI を指定してください。",
            en=f"{source[:200]} is not an absolute path. Give one that starts at / (on Windows C:\\ or so), "
            "audio://id, or a data: URI.",
        )
    return path


def _file_uri(source: str) -> Path:
    try:
        parts = urllib.parse.urlsplit(source)
        host = parts.netloc.lower()
    except ValueError as error:
        raise InvalidInput(
            ja=f"{source[:200]} は正しい file: URI ではありません ({error})。",
            en=f"{source[:200]} is not a well-formed file: URI ({error}).",
        ) from error
    if host not in ("", "localhost"):
        raise InvalidInput(
            ja=f"file: URI は他のコンピュータ ({host}) を指せません。file:///… の形にしてください。",
            en=f"A file: URI may not name another computer ({host}). Write file:///….",
        )
    return _plain(urllib.request.url2pathname(parts.path))


def _narration(artifact: Artifact) -> Path:
    names = sorted(artifact.files, key=lambda name: (name != "narration.wav", name))
    for name in names:
        if name.startswith("narration."):
            return artifact.path(name)
    raise NotFound(
        ja=f"{artifact.id} に音声ファイル (narration.*) がありません。",
        en=f"There is no audio file (narration.*) in {artifact.id}.",
    )


def _data(source: str, max_bytes: int) -> bytes:
    """The bytes of a `data:` URI (RFC 2397)."""
    match = _DATA.match(source)
    if match is None:
        _malformed("コンマがありません", "it has no comma before its data")
    kind = match["type"]
    if _HEARD_TYPES.fullmatch(kind) is None:
        shown = kind[:80] or "text/plain"
        _malformed(
            f"種類が {shown} です (audio/*、video/*、application/octet-stream のどれかにします)",
            f"its type is {shown}, not audio/*, video/* or application/octet-stream",
        )
    if match["parameters"].lower().rpartition(";")[2].strip() != "base64":
        _malformed(";base64 がありません", "it is not marked ;base64")
    if (len(source) - match.end()) // 4 * 3 > 3 * max_bytes:  # every character may be percent-encoded
        raise _too_large("data: URI", max_bytes)
    encoded = "".join(urllib.parse.unquote(source[match.end() :]).split())
    if not encoded:
        _malformed("中身が空です", "it holds no data")
    if len(encoded) // 4 * 3 > max_bytes + 2:
        raise _too_large("data: URI", max_bytes)
    if len(encoded) % 4:
        _malformed(
            f"base64 が {len(encoded)} 文字で 4 の倍数ではありません (途中で切れています)",
            f"its base64 has {len(encoded)} characters, not a multiple of four: it was cut off",
        )
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        _malformed(f"base64 ではない文字があります ({error})", f"it holds characters that are not base64 ({error})")


def _malformed(ja: str, en: str) -> NoReturn:
    raise InvalidInput(
        ja=f"data: URI を読めません: {ja}。data:audio/wav;base64,… の形にしてください。",
        en=f"The data: URI cannot be read: {en}. Write data:audio/wav;base64,….",
    ) from None


def _open_path(path: Path, roots: Sequence[tuple[Path, Path]], max_bytes: int) -> tuple[BinaryIO, str]:
    """Open the regular file that `path` really is, if that lies under a root; also its name.

    From the root down every folder is opened without following links, so nobody can put a link there
    between the check and the opening.
    """
    real = _real(path)
    # Outside the roots nothing is said about what exists there.
    root = next((there for _, there in roots if real.is_relative_to(there)), None)
    allowed = ", ".join(str(named) for named, _ in roots[:-1]) or "-"
    if root is None:
        inside = any(Path(os.path.abspath(path)).is_relative_to(where) for pair in roots for where in pair)  # noqa: PTH100  (resolve follows links)
        ja = "許可されたフォルダの外を指すリンクです" if inside else "許可されたフォルダの外にあります"
        en = "is a link that leads out of the allowed folders" if inside else "is outside the allowed folders"
        raise PathRefused(
            ja=f"{path} は{ja} ({allowed})。ファイルをその中に移すか、HYBRID_MCP_ALLOWED_ROOTS に"
            "フォルダを加えてください。",
            en=f"{path} {en} ({allowed}). Move the file into one of them, or add its folder to "
            "HYBRID_MCP_ALLOWED_ROOTS.",
        )
    refused = _Refusals(path, allowed)
    with refused.translated():
        before = os.lstat(real)
        refused.unless_regular(before)
        descriptor = _open_below(root, real)
    file = os.fdopen(descriptor, "rb")
    with contextlib.ExitStack() as closing:
        closing.callback(file.close)
        now = os.fstat(descriptor)
        refused.unless_regular(now)
        if now.st_size == 0:
            raise refused.because("空のファイルです", "is an empty file")
        if now.st_size > max_bytes:
            raise _too_large(path.name, max_bytes)
        closing.pop_all()
    return file, real.name


def _real(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, before Python 3.13
        raise PathRefused(
            ja=f"{path} をたどれません。名前が長すぎないか、リンクが輪になっていないか確かめてください。",
            en=f"{path} cannot be followed. Is its name too long, or do its links go round in a circle?",
        ) from error


def _open_below(root: Path, real: Path) -> int:
    # NONBLOCK: opening a pipe somebody just put there must not wait for its writer.
    flags = os.O_RDONLY
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, name, 0)
    if os.open not in os.supports_dir_fd:  # Windows
        return os.open(real, flags)
    # O_PATH (Linux) asks only for permission to pass through a folder, as any path does.
    through = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
    at = os.open(root, through)
    try:
        for part in real.relative_to(root).parts[:-1]:
            below = os.open(part, through | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = below
        return os.open(real.name, flags, dir_fd=at)
    finally:
        os.close(at)


@dataclass(frozen=True, slots=True)
class _Refusals:
    """Why a path under the roots is refused all the same."""

    path: Path
    allowed: str

    def because(self, ja: str, en: str) -> PathRefused:
        return PathRefused(
            ja=f"{self.path} は{ja}。読める録音は、許可されたフォルダ ({self.allowed}) か "
            "HYBRID_MCP_ALLOWED_ROOTS に加えたフォルダの中のファイルです。",
            en=f"{self.path} {en}. What can be read are recordings in the allowed folders ({self.allowed}), or in "
            "one added to HYBRID_MCP_ALLOWED_ROOTS.",
        )

    def unless_regular(self, found: os.stat_result) -> None:
        if stat.S_ISDIR(found.st_mode):
            raise self.because("フォルダです", "is a folder, not a file")
        if not stat.S_ISREG(found.st_mode):
            raise self.because(
                "普通のファイルではありません (パイプやデバイスなど)",
                "is not a regular file but a pipe, device or the like",
            )

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Turn what the operating system says about the path into our words."""
        try:
            yield
        except OSError as error:
            match error.errno:
                case errno.ENOENT | errno.ENOTDIR:
                    raise self.because("存在しません", "does not exist") from error
                case errno.EACCES | errno.EPERM:
                    raise self.because("読む権限がありません", "may not be read by this user") from error
                case errno.ELOOP:
                    raise self.because(
                        "開く間に別のものに置き換えられました", "was replaced by something else while it was opened"
                    ) from error
                case _:
                    raise self.because(
                        f"開けません ({error.strerror})", f"cannot be opened ({error.strerror})"
                    ) from error


def _too_large(name: str, max_bytes: int) -> MediaRefused:
    return MediaRefused(
        ja=f"{name} は上限の {max_bytes} バイトを超えています。圧縮するか、HYBRID_MCP_STT__MAX_BYTES を増やしてください。",
        en=f"{name} has more than the limit of {max_bytes} bytes. Compress it, or raise HYBRID_MCP_STT__MAX_BYTES.",
    )


@contextlib.contextmanager
def _writing(where: Path) -> Iterator[None]:
    """Turn what the operating system says about the copy into our words."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            ja=f"録音の写しを {where.parent} に置けません ({error.strerror})。空き容量と権限を確かめてください。",
            en=f"A copy of the recording cannot be kept in {where.parent} ({error.strerror}). Check free space and "
            "permissions.",
        ) from error
