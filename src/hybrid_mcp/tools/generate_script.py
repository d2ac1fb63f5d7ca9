"""The tool `generate_script`, and the answer it shares with `save_script`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from mcp.server.mcpserver import Context, Elicit, ElicitationResult, Resolve
from pydantic import BaseModel, Field

from hybrid_mcp.app import App
from hybrid_mcp.artifacts import Artifact
from hybrid_mcp.errors import NotFound, UnsupportedLanguage
from hybrid_mcp.languages import Bilingual
from hybrid_mcp.llm.interface import Quote
from hybrid_mcp.script.model import Complaint, Script
from hybrid_mcp.threads import in_thread
from hybrid_mcp.tools.arguments import (
    CastArgument,
    ContentArgument,
    DetailArgument,
    LanguageArgument,
    MinutesArgument,
    PaperArgument,
    StyleArgument,
    TitleArgument,
    source_of,
)
from hybrid_mcp.tools.asking import can_ask, chosen, consent
from hybrid_mcp.tools.context import LentApp, Progress

if TYPE_CHECKING:
    from hybrid_mcp.script.authors import Asked, Work, Writer
    from hybrid_mcp.script.source import Source


_WRITTEN = Bilingual(ja="{total} 節のうち {done} 節を書きました", en="{done} of {total} sections written")


class ScriptUsage(BaseModel):
    """What writing cost when it was written, tokens over all requests."""

    counted_tokens: int
    """Of the whole task, counted before anything was asked."""
    input_tokens: int
    cached_tokens: int
    """Of the input, read from the engine's cache."""
    output_tokens: int
    cost_usd: float | None
    """None where no price is configured."""
    reused: bool
    """Written before; nothing was spent now."""


class ScriptAnswer(BaseModel):
    """A stored script."""

    script_id: str
    path: str
    """script.json"""
    markdown_path: str
    source_id: str
    title: str
    hook: str
    language: str
    style: str
    engine: str
    """Who wrote it: engine and model."""
    passed_over: list[str] = []
    """Writers that would have come first, and why they did not write."""
    usage: ScriptUsage | None = None
    lines: int
    planned_minutes: float
    grounded_share: float
    """Share of the text, 0-1, that cites the source."""
    note: str
    complaints: list[str]
    script: dict[str, Any] | None = None
    """Only with detail=full."""


@dataclass(frozen=True, slots=True)
class _Order:
    """What is to be written."""

    source: Source
    asked: Asked


async def _order(
    paper: PaperArgument,
    title: TitleArgument,
    content: ContentArgument,
    style: StyleArgument,
    language: LanguageArgument,
    target_minutes: MinutesArgument,
    cast: CastArgument,
) -> _Order:
    from hybrid_mcp.script.authors import Asked

    source = await in_thread(lambda: source_of(paper, title, content))
    return _Order(source, Asked(style, language, target_minutes, cast))


_GivenOrder = Annotated[_Order, Resolve(_order)]


async def _unasked(ctx: Context[App], app: LentApp, max_cost_usd: float | None) -> float:
    """US dollars that may be spent without asking.

    Where the person can be asked, only they raise it; elsewhere they can only be asked by who calls the tool.
    """
    usual = app.settings.llm.ask_above_usd
    if max_cost_usd is None:
        return usual
    return min(usual, max_cost_usd) if can_ask(ctx) else max_cost_usd


_Unasked = Annotated[float, Resolve(_unasked)]


async def _too_dear(
    ctx: Context[App], app: LentApp, order: _GivenOrder, unasked: _Unasked, engine: str, take: int
) -> Quote | None:
    """What it may cost, where that has to be asked about and can be."""
    from hybrid_mcp.script.authors import EXTRACTIVE, quote

    if engine == EXTRACTIVE or not can_ask(ctx):
        return None
    price = await quote(_writers(app, engine), order.source, order.asked, take)
    return price if price is not None and price.most > unasked else None


_Price = Annotated[Quote | None, Resolve(_too_dear)]


async def _whether(app: LentApp, price: _Price) -> Elicit[BaseModel] | None:
    if price is None:
        return None
    question = Bilingual(
        ja=f"{price.writer} で台本を書くと、約 {price.about:.2f} ドル、多ければ {price.most:.2f} ドルかかります。書きますか。",
        en=f"Writing this script with {price.writer} costs about ${price.about:.2f}, and up to ${price.most:.2f}. "
        "Shall it be written?",
    )
    agree = Bilingual(ja=f"{price.most:.2f} ドルまで使う", en=f"Spend up to ${price.most:.2f}")
    speaking = app.settings.language
    return consent(question.in_(speaking), agree.in_(speaking))


async def _limit(
    unasked: _Unasked, price: _Price, answer: Annotated[ElicitationResult[BaseModel], Resolve(_whether)]
) -> float:
    """US dollars that may be spent."""
    refused = Bilingual(
        ja="費用に同意がなかったので、何も頼まず、何も使っていません。短い target_minutes なら安く、engine=extractive なら無料です。",
        en="The cost was not agreed to, so nothing was asked for and nothing was spent. A shorter target_minutes costs "
        "less; engine=extractive is free.",
    )
    chosen(answer, refused)
    return unasked if price is None else price.most


async def generate_script(
    ctx: Context[App],
    app: LentApp,
    order: _GivenOrder,
    limit: Annotated[float, Resolve(_limit)],
    paper: PaperArgument = None,
    title: TitleArgument = "",
    content: ContentArgument = "",
    style: StyleArgument = "popular",
    language: LanguageArgument = None,
    target_minutes: MinutesArgument = None,
    cast: CastArgument = (),
    engine: Annotated[
        Literal["auto", "claude", "openai", "groq", "ollama", "extractive"],
        Field(description="`auto`: the first that works; `extractive` quotes the source, no model, no cost."),
    ] = "auto",
    take: Annotated[int, Field(ge=1, le=99, description="2, 3 …: another version of the same request.")] = 1,
    max_cost_usd: Annotated[
        float | None, Field(ge=0, le=1000, description="US dollars it may cost at most, as your user agreed.")
    ] = None,
    detail: DetailArgument = "summary",
) -> ScriptAnswer:
    """Turn a paper (or a title with some text) into a narration script whose every line cites its source sentences.

    Use it first; then give the returned script_id to synthesize_voice. Language models cost money; the answer says who
    wrote and why not the first choice. extractive selects and shortens the source's own sentences; it neither translates
    nor pads. To write the script yourself, use the prompt write_script (or source_id from detail=full) and save_script.
    """
    from hybrid_mcp.script.authors import author
    from hybrid_mcp.script.keep import keep_source

    del paper, title, content, style, language, target_minutes, cast, max_cost_usd  # in `order` and `limit`
    await keep_source(app.artifacts, order.source)
    made = await author(
        _writers(app, engine, limit),
        app.artifacts,
        order.source,
        order.asked,
        take=take,
        on_progress=Progress(ctx, _WRITTEN),
    )
    speaking = app.settings.language
    given = await answer(app, made.work.script, made.artifact, detail)
    given.passed_over = [passed.text(speaking) for passed in made.passed]
    given.usage = _usage(made.work)
    given.note = " ".join([given.note, *(note.in_(speaking) for note in made.work.notes)])
    return given


def _usage(work: Work) -> ScriptUsage | None:
    if work.usage is None:
        return None
    return ScriptUsage(
        counted_tokens=work.counted_tokens,
        input_tokens=work.usage.prompt_tokens,
        cached_tokens=work.usage.cached_tokens,
        output_tokens=work.usage.completion_tokens,
        cost_usd=work.usage.cost,
        reused=work.reused,
    )


def _writers(app: App, engine: str, limit: float = math.inf) -> list[Writer]:
    """The writers to be asked, in the configured order, none of which spends more than `limit` US dollars.

    Raises:
        NotFound: the one that was asked for is not configured.
    """
    from hybrid_mcp.script.authors import EXTRACTIVE, Composer, ModelWriter

    order = app.settings.llm.writers
    models = {model.name: model for model in app.writers}
    if engine not in ("auto", EXTRACTIVE) and engine not in models:
        remedy = Bilingual(
            ja="HYBRID_MCP_LLM__WRITERS に加えると使えます。", en="Add it to HYBRID_MCP_LLM__WRITERS to use it."
        )
        raise NotFound.named(Bilingual(ja="書き手", en="writer"), engine, order, remedy=remedy)
    wanted = order if engine == "auto" else (engine,)
    return [
        Composer() if name == EXTRACTIVE else ModelWriter(models[name], app.artifacts, app.settings.language, limit)
        for name in wanted
    ]


async def answer(app: App, script: Script, artifact: Artifact, detail: str) -> ScriptAnswer:
    """What both script tools return."""
    language = app.settings.language
    places = {line.id: number for number, line in enumerate(script.lines, 1)}
    return ScriptAnswer(
        script_id=script.id,
        path=str(artifact.path("script.json")),
        markdown_path=str(artifact.path("script.md")),
        source_id=script.source_id,
        title=script.title,
        hook=script.hook,
        language=script.language,
        style=script.style,
        engine=script.engine,
        lines=len(places),
        planned_minutes=round(script.planned_seconds / 60, 2),
        grounded_share=script.grounded_share,
        note=(await _note(app, script)).in_(language),
        complaints=[_complaint(complaint, places).in_(language) for complaint in script.complaints],
        script=script.model_dump(mode="json") if detail == "full" else None,
    )


async def _note(app: App, script: Script) -> Bilingual:
    note = Bilingual(
        ja="根拠の文は出どころを示すもので、行の正しさを証明するものではありません。",
        en="Evidence shows where a line comes from, not that it follows from it.",
    )
    try:
        await app.studio.usual(script.language)
    except UnsupportedLanguage as nobody:
        note = Bilingual(ja=note.ja + nobody.message.ja, en=f"{note.en} {nobody.message.en}")
    for role in script.cast:
        try:
            if role.voice:
                await app.studio.named(role.voice)
        except NotFound as missing:
            remedy = Bilingual(
                ja=f"「{role.name}」の声: {missing.message.ja}synthesize_voice の cast でほかの声を選べます。",
                en=f"The voice of {role.name}: {missing.message.en} Choose another in the cast of synthesize_voice.",
            )
            note = Bilingual(ja=note.ja + remedy.ja, en=f"{note.en} {remedy.en}")
    return note


def _complaint(complaint: Complaint, places: Mapping[str, int]) -> Bilingual:
    if complaint.line is None:
        return Bilingual(ja=complaint.ja, en=complaint.en)
    place = places[complaint.line]
    return Bilingual(
        ja=f"{place} 行目 ({complaint.line}): {complaint.ja}", en=f"line {place} ({complaint.line}): {complaint.en}"
    )
