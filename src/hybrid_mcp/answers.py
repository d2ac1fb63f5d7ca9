"""What stands beside the text of an answer: links to what was made, and its sound while that is small.

The text always says everything, with absolute paths; the rest is for hosts that can do more with it.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from mcp.types import Annotations, AudioContent, ContentBlock, Resource, ResourceLink

from hybrid_mcp.app import App
from hybrid_mcp.artifacts import Artifact, Kind, storage_errors
from hybrid_mcp.errors import StorageError
from hybrid_mcp.languages import Language
from hybrid_mcp.resources import listed, sound

_LINKED: tuple[Kind, ...] = ("script", "audio", "transcript")
_TEXT_ONLY = frozenset({"claude-ai"})
"""Clients, as they name themselves, that are given nothing but text: Claude Desktop refused a whole answer for a
link beside its text (modelcontextprotocol/modelcontextprotocol issue 1638)."""

_log = logging.getLogger(__name__)


def beside(app: App, answer: Mapping[str, Any], client: str) -> list[ContentBlock]:
    """Blocks to follow the text of `answer`, which names what was made as `script_id`, `audio_id` or `transcript_id`.

    `client` is the name of the program that reads it; empty where it has not said.
    """
    if client in _TEXT_ONLY:
        return []
    ids = [answer[name] for kind in _LINKED if (name := f"{kind}_id") in answer]
    most = app.settings.serve.inline_audio_bytes
    try:
        # Not in a thread: it takes less than a millisecond, and waiting for a thread up to five.
        found = [artifact for one in ids if (artifact := app.artifacts.find(one)) is not None]
        return [block for artifact in found for block in _blocks(artifact, app.settings.language, most)]
    except StorageError as error:  # the answer itself is whole
        _log.warning("nothing can stand beside an answer", extra={"reason": error.text("en")})
        return []


def _blocks(artifact: Artifact, language: Language, most: int) -> Iterator[ContentBlock]:
    with storage_errors():
        made = listed(artifact, artifact.folder.stat().st_mtime, language)
        if not artifact.id.startswith("audio-"):
            yield _link(made)
            return
        name, mime_type = sound(artifact)
        size = artifact.path(name).lstat().st_size
    if mime_type != made.mime_type:
        made = made.model_copy(update={"uri": f"{made.uri}/file", "mime_type": mime_type, "size": size})
    yield _link(made)
    if size <= most:
        yield AudioContent(
            data=base64.b64encode(artifact.read_bytes(name)).decode(),
            mime_type=mime_type,
            annotations=Annotations(audience=["user"]),  # to be heard; models mostly have no use for it
        )


def _link(made: Resource) -> ResourceLink:
    return ResourceLink.model_validate(made.model_dump(by_alias=True))
