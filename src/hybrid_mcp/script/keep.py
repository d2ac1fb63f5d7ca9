"""Storing scripts and numbered sources, and reading them back."""

from __future__ import annotations

import json

from pydantic import ValidationError

from hybrid_mcp.artifacts import Artifact, Artifacts, Draft
from hybrid_mcp.errors import StorageError
from hybrid_mcp.script.markdown import markdown
from hybrid_mcp.script.model import Paper, Script, SourceSentence
from hybrid_mcp.script.source import Source
from hybrid_mcp.threads import in_thread


async def keep(artifacts: Artifacts, script: Script) -> Artifact:
    """Store a script as script.json and script.md; the same script is stored once."""
    async with artifacts.making(script.id) as draft:
        if isinstance(draft, Draft):
            await in_thread(lambda: _write(draft, script))  # a long one takes a second
            draft.summary["title"] = script.title
    return artifacts.get(script.id, "script")


def _write(draft: Draft, script: Script) -> None:
    draft.write_text("script.json", script.model_dump_json(indent=2) + "\n")
    draft.write_text("script.md", markdown(script))


def kept(artifacts: Artifacts, script_id: str) -> Script:
    """A stored script.

    Raises:
        NotFound: naming the newest ids.
        StorageError: its file is damaged.
    """
    artifact = artifacts.get(script_id, "script")
    try:
        return Script.model_validate_json(artifact.read_text("script.json"))
    except ValidationError as error:
        raise StorageError(
            ja=f"{artifact.path('script.json')} が壊れています。generate_script をもう一度実行してください。",
            en=f"{artifact.path('script.json')} is damaged. Run generate_script again.",
        ) from error


async def keep_source(artifacts: Artifacts, source: Source) -> None:
    """Store a numbered source, so that a later call can name it."""
    async with artifacts.making(source.id) as draft:
        if isinstance(draft, Draft):
            await in_thread(lambda: _write_source(draft, source))
            draft.summary["title"] = source.title


def _write_source(draft: Draft, source: Source) -> None:
    stored = {
        "title": source.title,
        "paper": source.paper.model_dump(mode="json") if source.paper else None,
        "language": source.language,
        "sentences": [sentence.model_dump(mode="json") for sentence in source.sentences],
    }
    draft.write_text("source.json", json.dumps(stored, ensure_ascii=False, indent=2) + "\n")


def kept_source(artifacts: Artifacts, source_id: str) -> Source:
    """A stored source.

    Raises:
        NotFound: naming the newest ids.
        StorageError: its file is damaged.
    """
    artifact = artifacts.get(source_id, "source")
    try:
        stored = json.loads(artifact.read_text("source.json"))
        paper = Paper.model_validate(stored["paper"]) if stored["paper"] else None
        numbered = tuple(SourceSentence.model_validate(sentence) for sentence in stored["sentences"])
        return Source(source_id, stored["title"], paper, stored["language"], numbered)
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(
            ja=f"{artifact.path('source.json')} が壊れています。paper をもう一度渡してください。",
            en=f"{artifact.path('source.json')} is damaged. Send the paper again.",
        ) from error
