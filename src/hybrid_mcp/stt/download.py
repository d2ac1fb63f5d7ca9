"""Opening a recording that somebody wants heard by its https URL."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import BinaryIO, cast

from hybrid_mcp.artifacts import storage_errors
from hybrid_mcp.egress import Egress, Fetched
from hybrid_mcp.errors import MediaRefused
from hybrid_mcp.stt.recording import Recording
from hybrid_mcp.threads import in_thread

_PAGES = ("text/html", "application/xhtml+xml")


async def open_url(url: str, egress: Egress, folder: Path, max_bytes: int, closing: contextlib.ExitStack) -> Recording:
    """Fetch a recording into a file without a name in `folder`, which is gone when `closing` is closed.

    Raises:
        UrlRefused, EngineUnavailable, DeadlineExceeded: see `Egress.fetch`.
        MediaRefused: it is a web page, empty, or more than `max_bytes`.
        StorageError: there is no room for it.
    """

    def scratch() -> BinaryIO:
        # Nothing to remove, also when this process is killed.
        return closing.enter_context(cast("BinaryIO", tempfile.TemporaryFile(dir=folder)))

    with storage_errors():
        file = await in_thread(scratch)
        fetched = await egress.fetch(url, file, max_bytes, _refuse_pages)
        await in_thread(file.flush)
    if fetched.size == 0:
        raise MediaRefused(
            ja=f"その URL の {fetched.name} は空のファイルです。", en=f"{fetched.name} at this URL is an empty file."
        )
    return Recording(file, fetched.name)


def _refuse_pages(fetched: Fetched) -> None:
    if fetched.content_type in _PAGES:
        raise MediaRefused(
            ja=f"{fetched.name} は録音ではなくウェブページです (YouTube などの視聴ページも同じです)。録音ファイルそのものの "
            "URL にするか、保存してそのパスを指定してください。",
            en=f"{fetched.name} is a web page, not a recording (and so is the page on which YouTube and the like show "
            "a video). Give the URL of the recording itself, or save it and give its path.",
        )
