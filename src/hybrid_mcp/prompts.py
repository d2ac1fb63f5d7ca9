"""What we offer so that the client's own model can write."""

from __future__ import annotations

import difflib
import re
from functools import partial
from typing import Annotated, Any, get_args

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.prompts import Prompt
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS
from pydantic import Field, TypeAdapter, ValidationError

from hybrid_mcp.app import App
from hybrid_mcp.errors import HybridError, InvalidInput, NotFound
from hybrid_mcp.languages import Bilingual, Language
from hybrid_mcp.script.model import Cast, Paper, Style
from hybrid_mcp.threads import in_thread
from hybrid_mcp.tools.arguments import source_of
from hybrid_mcp.tools.explaining import explained

_MINUTES = 5.0
_CAST: TypeAdapter[Cast] = TypeAdapter(Cast)


def add_prompts(server: MCPServer[App], app: App) -> None:
    """Offer the prompts of the App."""
    ui = app.settings.language

    async def write_script(
        title: Annotated[str, Field(description="Title of the paper or topic.")] = "",
        abstract: Annotated[str, Field(description="The abstract or text, verbatim.")] = "",
        authors: Annotated[str, Field(description="Authors, separated by commas.")] = "",
        publication_year: Annotated[str, Field(description="Year of publication.")] = "",
        source_id: Annotated[str, Field(description="Instead of all that: a source generate_script named.")] = "",
        style: Annotated[str, Field(description="popular, educational, academic, news, dialogue or kids.")] = "popular",
        language: Annotated[str, Field(description="ja or en; default: that of the source.")] = "",
        target_minutes: Annotated[str, Field(description="Length in minutes.")] = "5",
        cast: Annotated[
            str, Field(description="Speakers, up to four, separated by semicolons; `name: how they talk`.")
        ] = "",
    ) -> str:
        from hybrid_mcp.script.keep import keep_source, kept_source
        from hybrid_mcp.script.prompting import source_language, writing_prompt

        try:
            if source_id:
                source = kept_source(app.artifacts, source_id)
            elif title.strip() and abstract.strip():
                paper = Paper.model_validate(
                    {
                        "title": title,
                        "abstract": abstract,
                        "authors": [name.strip() for name in authors.replace("、", ",").split(",") if name.strip()],
                        "publication_year": publication_year or None,
                    }
                )
                source = source_of(paper, "", "")
            else:
                source = source_of(None, title, abstract)
            await keep_source(app.artifacts, source)
            write = partial(
                writing_prompt,
                source,
                language=_language(language) or source_language(source),
                style=_style(style),
                target_minutes=_minutes(target_minutes),
                cast=_CAST.validate_python(_roles(cast)),
            )
            return await in_thread(write)
        except HybridError as error:
            raise MCPError(code=INVALID_PARAMS, message=error.text(ui)) from error
        except ValidationError as error:
            raise MCPError(code=INVALID_PARAMS, message=explained(error, {}, ui)) from error

    offered = _StrictPrompt.from_function(
        write_script,
        title=Bilingual(ja="台本を書く", en="Write a script").in_(ui),
        description=Bilingual(
            ja="手元のモデルが番号付きの出典から台本を書き、save_script で検査・保存します。",
            en="Your own model writes a script from a numbered source; save_script checks and stores it.",
        ).in_(ui),
    )
    server.add_prompt(offered)


class _StrictPrompt(Prompt):
    """A prompt that names an argument it does not know; the SDK's own only says that rendering failed."""

    async def render(self, arguments: dict[str, Any] | None, context: Context[Any, Any]) -> Any:
        known = [argument.name for argument in self.arguments or ()]
        for name in arguments or ():
            if name not in known:
                near = ", ".join(difflib.get_close_matches(name, known, n=2) or known)
                raise MCPError(
                    code=INVALID_PARAMS,
                    message=f"There is no argument {name}. Known: {near}. / 引数 {name} はありません。使えるのは: {near}。",
                )
        return await super().render(arguments, context)


def _roles(asked: str) -> list[dict[str, str]]:
    pairs = [re.split(r"[:：]", role, maxsplit=1) for role in re.split(r"[;；\n]", asked) if role.strip()]
    return [dict(zip(("name", "notes"), pair, strict=False)) for pair in pairs]


def _style(asked: str) -> Style:
    for style in get_args(Style):
        if style == asked:
            found: Style = style
            return found
    raise NotFound.named(Bilingual(ja="スタイル", en="style"), asked, get_args(Style))


def _language(asked: str) -> Language | None:
    if not asked:
        return None
    for language in get_args(Language):
        if language == asked:
            found: Language = language
            return found
    raise NotFound.named(Bilingual(ja="言語", en="language"), asked, get_args(Language))


def _minutes(asked: str) -> float:
    try:
        minutes = float(asked or _MINUTES)
    except ValueError:
        minutes = -1.0
    if not 0 < minutes <= 180:
        raise InvalidInput(
            ja="target_minutes は 0 より大きく 180 以下の数にしてください。",
            en="target_minutes must be a number above 0, at most 180.",
        )
    return minutes
