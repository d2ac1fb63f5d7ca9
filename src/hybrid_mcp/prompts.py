"""What we offer so that the client's own model can write, review and explain."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.prompts import Prompt
from mcp.server.mcpserver.prompts.base import Message, PromptArgument, UserMessage
from mcp.shared.exceptions import MCPError
from mcp.types import INTERNAL_ERROR, INVALID_PARAMS
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticKnownError

from hybrid_mcp.app import App
from hybrid_mcp.errors import HybridError, InvalidInput
from hybrid_mcp.languages import Bilingual, Language
from hybrid_mcp.script.model import Cast, CleanText, OneLine, Paper, Style
from hybrid_mcp.threads import in_thread
from hybrid_mcp.tools import schemas
from hybrid_mcp.tools.arguments import source_of
from hybrid_mcp.tools.explaining import explained, refuse_crowds

if TYPE_CHECKING:
    from hybrid_mcp.script.source import Source


class _Asked(BaseModel):
    """The arguments of a prompt, which arrive as text; each is described by its Bilingual."""

    # Built when somebody asks: until then only the names and descriptions are needed.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


A = TypeVar("A", bound=_Asked)


_LONGEST_CAST = 1500
_LONGEST_AUTHORS = 25_000
"""Characters, with room for as many as there may be: a text is looked at before it is taken apart."""


def _roles(asked: object) -> object:
    """The cast as people type it: `name: how they talk`, separated by semicolons."""
    if not isinstance(asked, str):
        return asked
    _not_longer(asked, _LONGEST_CAST)
    pairs = [re.split(r"[:：]", role, maxsplit=1) for role in re.split(r"[;；\n]", asked) if role.strip()]
    return [dict(zip(("name", "notes"), pair, strict=False)) for pair in pairs]


def _names(asked: object) -> object:
    if not isinstance(asked, str):
        return asked
    _not_longer(asked, _LONGEST_AUTHORS)
    return [name.strip() for name in re.split(r"[,、]", asked) if name.strip()]


def _not_longer(asked: str, most: int) -> None:
    if len(asked) > most:
        raise PydanticKnownError("string_too_long", {"max_length": most})


_Id = Annotated[OneLine, Field(max_length=64)]
_Title = Annotated[OneLine, Field(max_length=500), Bilingual(ja="論文や話題の題名", en="Title of the paper or topic.")]
_Abstract = Annotated[
    CleanText, Field(max_length=50_000), Bilingual(ja="要旨か本文。そのまま", en="The abstract or text, verbatim.")
]
_SourceId = Annotated[
    _Id,
    Bilingual(
        ja="title と abstract の代わりに: generate_script などが返した出典の id",
        en="Instead of title and abstract: the id of a source, as generate_script returns it.",
    ),
]


class _WriteScript(_Asked):
    title: _Title = ""
    abstract: _Abstract = ""
    authors: Annotated[
        list[Annotated[OneLine, Field(max_length=200)]],
        Field(max_length=100),
        BeforeValidator(_names),
        Bilingual(ja="著者。読点かコンマで区切る", en="Authors, separated by commas."),
    ] = []
    publication_year: Annotated[
        Annotated[int, Field(ge=1500, le=2200)] | None, Bilingual(ja="発表年", en="Year of publication.")
    ] = None
    source_id: _SourceId = ""
    style: Annotated[
        Style,
        Bilingual(
            ja="popular (一般)、educational (学習)、academic (学術)、news (ニュース)、dialogue (対話)、kids (子ども)。"
            "既定は popular",
            en="popular, educational, academic, news, dialogue or kids; default: popular.",
        ),
    ] = "popular"
    language: Annotated[
        Language | None,
        Bilingual(ja="台本の言語 ja か en。既定は出典の言語", en="ja or en; default: that of the source."),
    ] = None
    target_minutes: Annotated[
        float, Field(gt=0, le=180), Bilingual(ja="長さ (分)。既定は 5", en="Length in minutes; default: 5.")
    ] = 5.0
    cast: Annotated[
        Cast,
        BeforeValidator(_roles),
        Bilingual(
            ja="話者。4 人まで。「名前: 話し方」をセミコロンで区切る",
            en="Speakers, up to four, separated by semicolons; `name: how they talk`.",
        ),
    ] = ()


class _ReviewScript(_Asked):
    script_id: Annotated[
        _Id,
        Bilingual(
            ja="台本の id (generate_script か save_script が返したもの)",
            en="Id of the script, as generate_script or save_script returned it.",
        ),
    ]
    focus: Annotated[
        OneLine,
        Field(max_length=500),
        Bilingual(ja="特に見てほしいこと。例: 数字、専門用語", en="What to look at most, e.g. figures, jargon."),
    ] = ""


class _ExplainLike(_Asked):
    audience: Annotated[
        OneLine,
        Field(max_length=200),
        Bilingual(ja="だれに説明するか。例: 10歳の子ども", en="Whom to explain it to, e.g. a child of ten."),
    ]
    title: _Title = ""
    abstract: _Abstract = ""
    source_id: _SourceId = ""
    script_id: Annotated[
        _Id,
        Bilingual(
            ja="title と abstract の代わりに: 台本の id。その出典を説明する",
            en="Instead of title and abstract: the id of a script, whose source is explained.",
        ),
    ] = ""
    language: Annotated[
        Language | None,
        Bilingual(ja="説明の言語 ja か en。既定は出典の言語", en="ja or en; default: that of the source."),
    ] = None


def add_prompts(server: MCPServer[App], app: App) -> None:
    """Offer the prompts of the App."""

    async def write_script(asked: _WriteScript) -> str:
        from hybrid_mcp.script.prompting import source_language, writing_prompt

        if asked.source_id and (asked.title or asked.abstract or asked.authors or asked.publication_year):
            raise _one_source(_BY_SOURCE)
        source = await _source(
            app, asked.title, asked.abstract, asked.source_id, _BY_SOURCE, asked.authors, asked.publication_year
        )
        write = partial(
            writing_prompt,
            source,
            language=asked.language or source_language(source),
            style=asked.style,
            target_minutes=asked.target_minutes,
            cast=asked.cast,
        )
        return await in_thread(write)

    async def review_script(asked: _ReviewScript) -> str:
        from hybrid_mcp.script.keep import kept
        from hybrid_mcp.script.reviewing import review_prompt

        return await in_thread(lambda: review_prompt(kept(app.artifacts, asked.script_id), asked.focus))

    async def explain_like(asked: _ExplainLike) -> str:
        from hybrid_mcp.script.audiences import explaining_prompt
        from hybrid_mcp.script.keep import kept
        from hybrid_mcp.script.prompting import source_language

        if sum(map(bool, (asked.source_id, asked.script_id, asked.title or asked.abstract))) > 1:
            raise _one_source(_BY_EITHER)
        named = asked.source_id
        if asked.script_id:
            named = (await in_thread(lambda: kept(app.artifacts, asked.script_id))).source_id
        source = await _source(app, asked.title, asked.abstract, named, _BY_EITHER)
        language = asked.language or source_language(source)
        return await in_thread(lambda: explaining_prompt(source, asked.audience, language))

    ui = app.settings.language
    for prompt in (
        _offered(
            write_script,
            _WriteScript,
            Bilingual(ja="台本を書く", en="Write a script"),
            Bilingual(
                ja="手元のモデルが番号付きの出典から台本を書き、save_script で検査・保存します。",
                en="Your own model writes a script from a numbered source; save_script checks and stores it.",
            ),
            ui,
        ),
        _offered(
            review_script,
            _ReviewScript,
            Bilingual(ja="台本を査読する", en="Review a script"),
            Bilingual(
                ja="手元のモデルが保存済みの台本を 1 行ずつ根拠の文と読み比べ、望まれれば直して保存します。",
                en="Your own model compares a stored script with its evidence line by line, and corrects it if you agree.",
            ),
            ui,
        ),
        _offered(
            explain_like,
            _ExplainLike,
            Bilingual(ja="相手に合わせて説明する", en="Explain it to somebody"),
            Bilingual(
                ja="手元のモデルが論文を、子どもや隣の分野の専門家などに合わせて、出典にあることだけで説明します。",
                en="Your own model explains a paper to a child, an expert of another field or anybody, from the source alone.",
            ),
            ui,
        ),
    ):
        server.add_prompt(prompt)


class _Offered(Prompt):
    """A prompt that says in the interface's language what is wrong with its arguments; the SDK's own cannot.

    What it tells is always text: some hosts show no embedded resources.
    """

    form: type[_Asked] = Field(exclude=True)
    tells: Callable[[Any], Awaitable[str]] = Field(exclude=True)
    language: Language = Field(exclude=True)

    async def render(
        self,
        arguments: dict[str, Any] | None,
        context: Context[Any, Any],  # noqa: ARG002  (the SDK gives it)
    ) -> list[Message]:
        """See `Prompt.render`. What is left empty, as forms send it, counts as left out."""
        try:
            refuse_crowds(arguments or {})
            given = {name: value.strip() for name, value in (arguments or {}).items() if value.strip()}
            return [UserMessage(await self.tells(self.form.model_validate(given)))]
        except ValidationError as error:
            said = explained(error, schemas.for_arguments(self.form.model_json_schema()), self.language)
            raise MCPError(code=INVALID_PARAMS, message=said) from error
        except HybridError as error:
            code = INVALID_PARAMS if isinstance(error, InvalidInput) else INTERNAL_ERROR
            raise MCPError(code=code, message=error.text(self.language)) from error


def _offered(
    tells: Callable[[A], Awaitable[str]], form: type[A], title: Bilingual, description: Bilingual, ui: Language
) -> _Offered:
    return _Offered(
        name=tells.__name__,
        title=title.in_(ui),
        description=description.in_(ui),
        arguments=[
            PromptArgument(
                name=name,
                description=" ".join(text.in_(ui) for text in field.metadata if isinstance(text, Bilingual)),
                required=field.is_required(),
            )
            for name, field in form.model_fields.items()
        ],
        fn=tells,
        form=form,
        tells=tells,
        language=ui,
    )


_BY_SOURCE = Bilingual(ja="source_id", en="source_id")
_BY_EITHER = Bilingual(ja="source_id か script_id", en="source_id or script_id")


async def _source(
    app: App,
    title: str,
    abstract: str,
    source_id: str,
    ids: Bilingual,
    authors: list[str] | None = None,
    publication_year: int | None = None,
) -> Source:
    """The source that the arguments describe, stored so that save_script can be told its id.

    `ids` are the arguments of the prompt that can name one.
    """
    from hybrid_mcp.script.keep import keep_source, kept_source

    if source_id:
        return await in_thread(lambda: kept_source(app.artifacts, source_id))
    if not (title and abstract):
        raise InvalidInput(
            ja=f"出典がありません。title と abstract の両方か、{ids.ja} を渡してください。",
            en=f"There is no source. Give both title and abstract, or {ids.en}.",
        )
    paper = Paper(title=title, abstract=abstract, authors=authors or [], publication_year=publication_year)
    source = await in_thread(lambda: source_of(paper, "", ""))
    await keep_source(app.artifacts, source)
    return source


def _one_source(ids: Bilingual) -> InvalidInput:
    return InvalidInput(
        ja=f"出典の渡し方が 2 通りあります。{ids.ja} か、title と abstract か、どれか一つにしてください。",
        en=f"The source is given in two ways. Give {ids.en}, or title and abstract: one of them.",
    )
