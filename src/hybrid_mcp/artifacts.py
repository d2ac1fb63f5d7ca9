"""Made files: each set lives in one folder, named by the hash of what it was made from.

A folder is written under a temporary name and renamed when its manifest is complete, so whatever
stands under an id is whole, and doing the same work again finds it. Manifests hold no clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import itertools
import json
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from weakref import WeakValueDictionary

from hybrid_mcp.errors import NotFound, StorageError
from hybrid_mcp.languages import Bilingual
from hybrid_mcp.threads import in_thread

Kind = Literal["source", "script", "writing", "audio", "transcript"]

_ID = re.compile(r"(?P<kind>source|script|writing|audio|transcript)-[0-9a-f]{16}")
_MANIFEST = "manifest.json"
_UNFINISHED = ".making-"
_NAMED = 5
"""Ids that are named to who asks for one that is not there."""
_ABANDONED_AFTER = 24 * 3600.0
"""Seconds after which an unfinished folder is taken for the leftover of a killed process."""


_DAMAGE = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EINVAL, errno.ENAMETOOLONG, errno.ENXIO}
)
"""What the operating system says when something else stands where a file should."""
_CAREFULLY: int = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""Not through a link, which may lead out of the data directory, and without waiting for who writes into a pipe."""


def artifact_id(kind: Kind, made_from: Mapping[str, Any]) -> str:
    """The id of what is made from `made_from` (JSON values only): same inputs, same id."""
    canonical = json.dumps(made_from, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return f"{kind}-{hashlib.sha256(canonical.encode()).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A finished folder."""

    id: str
    folder: Path
    summary: Mapping[str, Any]
    """What its maker wanted to remember (JSON), so that a repeated request needs no other file."""
    files: tuple[str, ...]

    def path(self, name: str) -> Path:
        """The absolute path of one of its files."""
        return self.folder / name

    def read_text(self, name: str) -> str:
        """The text of one of its files.

        Raises:
            StorageError: it cannot be read, or is no text.
        """
        try:
            return self.read_bytes(name).decode()
        except UnicodeDecodeError as error:
            raise damaged(self.path(name)) from error

    def read_bytes(self, name: str) -> bytes:
        """What is in one of its files.

        Raises:
            StorageError: it cannot be read, or is no file.
        """
        with storage_errors():
            try:
                return _read(self.path(name))
            except OSError as error:
                if error.errno in _DAMAGE:
                    raise damaged(self.path(name)) from error
                raise


@dataclass(slots=True)
class Draft:
    """A folder being made. Files put into `folder` and `summary` become the artifact."""

    folder: Path
    summary: dict[str, Any] = field(default_factory=dict)

    def write_text(self, name: str, text: str) -> Path:
        """Write one UTF-8 file with line feeds on every platform."""
        path = self.folder / name
        with storage_errors():
            path.write_text(text, encoding="utf-8", newline="\n")
        return path


class Artifacts:
    """The folders under one data directory. Several processes may share it."""

    def __init__(self, data_dir: Path) -> None:
        self.root = data_dir / "artifacts"
        # Weak: a lock lives as long as somebody makes, or waits for, its artifact.
        self._making: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._watching: list[Callable[[str], None]] = []

    def watch(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with the id of whatever this process makes from now on. It must not block, nor raise."""
        self._watching.append(listener)

    def open(self) -> None:
        """Make the folder and remove what killed processes left behind."""
        with storage_errors():
            self.root.mkdir(parents=True, exist_ok=True)
            for left in self.root.glob(f"{_UNFINISHED}*"):
                with contextlib.suppress(FileNotFoundError):  # another process may be sweeping too
                    if time.time() - left.stat().st_mtime > _ABANDONED_AFTER:
                        shutil.rmtree(left, ignore_errors=True)

    def find(self, artifact: str) -> Artifact | None:
        """The artifact with this id, or None: also when it is damaged, so that it is made anew."""
        if _ID.fullmatch(artifact) is None:
            return None
        folder = self.root / artifact
        try:
            manifest = json.loads(_read(folder / _MANIFEST))
            files, summary = manifest["files"], manifest["summary"]
            whole = isinstance(summary, dict) and all(_is_whole(folder, name, kept) for name, kept in files.items())
            return Artifact(artifact, folder, summary, tuple(files)) if whole else None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None  # not a manifest of ours
        except OSError as error:
            if error.errno in _DAMAGE:
                return None
            raise StorageError(
                ja=f"{folder} が読めません ({error.strerror})。フォルダの権限を確かめてください。",
                en=f"Cannot read {folder} ({error.strerror}). Check the permissions of the folder.",
            ) from error

    def get(self, artifact: str, kind: Kind) -> Artifact:
        """The artifact of this kind with this id.

        Raises:
            NotFound: naming the newest ids of that kind: hashes that look alike have nothing in common.
            StorageError: it is damaged.
        """
        ours = artifact.startswith(f"{kind}-") and _ID.fullmatch(artifact) is not None
        if ours and (found := self.find(artifact)) is not None:
            return found
        if ours and os.path.lexists(self.root / artifact):
            raise damaged(self.root / artifact)
        newest = ", ".join(self.ids(kind)[:_NAMED])
        remedy = Bilingual(ja=f"新しいもの: {newest}。", en=f"The newest: {newest}.") if newest else None
        raise NotFound.named(Bilingual(ja=f"{kind} の id", en=f"{kind} id"), artifact, (), remedy=remedy)

    def ids(self, kind: Kind) -> list[str]:
        """The ids of a kind, newest first."""
        return [artifact for _, artifact in self._newest((kind,))]

    def recent(self, kinds: Collection[Kind], most: int) -> list[tuple[Artifact, float]]:
        """The last `most` artifacts of these kinds, and when each was made (seconds since the epoch), newest first.

        Of thousands only those are opened; what is damaged is left out.
        """
        whole = ((found, made) for made, artifact in self._newest(kinds) if (found := self.find(artifact)) is not None)
        return list(itertools.islice(whole, most))

    def _newest(self, kinds: Collection[Kind]) -> list[tuple[float, str]]:
        """When they were made, and their ids."""
        found: list[tuple[float, str]] = []
        if not self.root.is_dir():
            return found
        with storage_errors(), os.scandir(self.root) as entries:
            for entry in entries:
                if (match := _ID.fullmatch(entry.name)) is not None and match["kind"] in kinds:
                    with contextlib.suppress(FileNotFoundError):  # another process may be removing it
                        found.append((entry.stat(follow_symlinks=False).st_mtime, entry.name))
        return sorted(found, reverse=True)

    @asynccontextmanager
    async def making(self, artifact: str) -> AsyncIterator[Draft | Artifact]:
        """Make an artifact, or find it made: `match` on what is lent.

        Two callers in this process that ask for the same id do the work once. When the block ends
        without an error the draft is given its manifest and its name; otherwise it is removed.
        """
        lock = self._making.setdefault(artifact, asyncio.Lock())
        async with lock:
            if (found := self.find(artifact)) is not None:
                yield found
                return
            draft = self._begin()
            try:
                yield draft
                await in_thread(lambda: self._finish(artifact, draft))  # hashes an hour of sound in 0.4 s
            finally:
                shutil.rmtree(draft.folder, ignore_errors=True)
            for listener in self._watching:
                listener(artifact)

    def _begin(self) -> Draft:
        folder = self.root / f"{_UNFINISHED}{os.getpid()}-{secrets.token_hex(4)}"
        with storage_errors():
            folder.mkdir(parents=True)
        return Draft(folder)

    def _finish(self, artifact: str, draft: Draft) -> None:
        files = {path.name: _fingerprint(path) for path in sorted(draft.folder.iterdir())}
        manifest = {"id": artifact, "summary": draft.summary, "files": files}
        draft.write_text(_MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=2) + "\n")
        with storage_errors():
            try:
                draft.folder.rename(self.root / artifact)
            except OSError:
                if self.find(artifact) is not None:
                    return  # another process finished the same work first: theirs is as good as ours
                # What stands there is damaged, or no folder: out of its way, and swept with the leftovers.
                (self.root / artifact).rename(draft.folder.with_name(f"{draft.folder.name}-damaged"))
                draft.folder.rename(self.root / artifact)


def _fingerprint(path: Path) -> dict[str, Any]:
    with storage_errors(), path.open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "bytes": path.stat().st_size}


def _is_whole(folder: Path, name: str, kept: Mapping[str, Any]) -> bool:
    """Whether a file is there, in the folder itself, and as long as its manifest says."""
    told = (folder / name).lstat()
    return Path(name).name == name and stat.S_ISREG(told.st_mode) and told.st_size == kept["bytes"]


def _read(path: Path) -> bytes:
    """What is in a file that is no link, no pipe and no device.

    Raises:
        OSError: with one of `_DAMAGE` when it is something else.
    """
    with open(path, "rb", opener=_opened) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(path))
        return file.read()


def _opened(path: str, flags: int) -> int:
    return os.open(path, flags | _CAREFULLY)


def damaged(path: Path) -> StorageError:
    """The error that a file or folder is not what was put there."""
    return StorageError(
        ja=f"{path} が壊れています。フォルダを消して、もう一度作ってください。",
        en=f"{path} is damaged. Delete the folder and make it again.",
    )


@contextlib.contextmanager
def storage_errors() -> Iterator[None]:
    """Turn what the operating system says about the data directory into our words."""
    try:
        yield
    except OSError as error:
        where = error.filename or "HYBRID_MCP_DATA_DIR"
        match error.errno:
            case errno.ENOSPC | errno.EDQUOT:
                raise StorageError(
                    ja=f"ディスクがいっぱいで {where} に書けません。空きを作って、もう一度実行してください。",
                    en=f"The disk is full: cannot write {where}. Free some space and try again.",
                ) from error
            case errno.EROFS | errno.EACCES | errno.EPERM:
                raise StorageError(
                    ja=f"{where} に書き込めません。HYBRID_MCP_DATA_DIR を書き込める場所にしてください。",
                    en=f"{where} is not writable. Point HYBRID_MCP_DATA_DIR at a folder that is.",
                ) from error
            case _:
                raise StorageError(
                    ja=f"{where} の読み書きに失敗しました: {error.strerror}。",
                    en=f"Reading or writing {where} failed: {error.strerror}.",
                ) from error
