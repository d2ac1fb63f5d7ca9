"""Storing scripts, and reading them back."""

from __future__ import annotations

from pydantic import ValidationError

from hybrid_mcp.artifacts import Artifact, Artifacts, Draft
from hybrid_mcp.errors import StorageError
from hybrid_mcp.script.markdown import markdown
from hybrid_mcp.script.model import Script


async def keep(artifacts: Artifacts, script: Script) -> Artifact:
    """Store a script as script.json and script.md; the same script is stored once."""
    async with artifacts.making(script.id) as draft:
        if isinstance(draft, Draft):
            draft.write_text("script.json", script.model_dump_json(indent=2) + "\n")
            draft.write_text("script.md", markdown(script))
            draft.summary["title"] = script.title
    return artifacts.get(script.id, "script")


def kept(artifacts: Artifacts, script_id: str) -> Script:
    """A stored script.

    Raises:
        NotFound: naming the nearest ids.
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
