"""A script that a language model writes: asked for, checked, corrected once.

A model never sees more than our rules, the task and the numbered source, and gives back a draft in a fixed form. What
the checks find is put to it once more; the better of both drafts is kept, with what is still wrong as complaints.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from hybrid_mcp.errors import InvalidInput, NotAgreed, UnsupportedLanguage
from hybrid_mcp.languages import Bilingual
from hybrid_mcp.llm.interface import ChatRequest, LanguageModel, Quote, Watch, guessed_tokens
from hybrid_mcp.script import untrusted
from hybrid_mcp.script.asking import Asking, CutOff, Usage
from hybrid_mcp.script.compose import LONGEST_MINUTES, Outline, Planned
from hybrid_mcp.script.draft import DraftSection, ScriptDraft, accept, scripted, wire_schema
from hybrid_mcp.script.model import Script
from hybrid_mcp.script.prompting import (
    Wishes,
    material,
    plan,
    size,
    task,
    task_of_opening,
    task_of_section,
)
from hybrid_mcp.script.rules import RULES
from hybrid_mcp.script.source import Source
from hybrid_mcp.threads import in_thread

Progress = Callable[[int, int], Awaitable[None]]
"""Told how many sections are done, and how many are planned."""

_OPENING_MINUTES = 0.4
_SPARE_TOKENS = 400
"""Of an answer: its braces, titles and tags."""
_LEAST_TOKENS = 300
"""Shortest answer that can hold a section."""


@dataclass(frozen=True, slots=True)
class Authored:
    """What a model wrote, and what it took."""

    script: Script
    usage: Usage
    """Of all requests together."""
    counted_tokens: int
    """Tokens of the whole task as they were counted before anything was asked."""
    rounds: int
    """How often the model was asked."""
    notes: tuple[Bilingual, ...]
    """What its reader should know beside the script's complaints."""


async def _ignore(done: int, planned: int, /) -> None:
    del done, planned


async def write(
    model: LanguageModel,
    source: Source,
    wishes: Wishes,
    watch: Watch = Watch(),
    on_progress: Progress = _ignore,
    *,
    limit: float = math.inf,
) -> Authored:
    """Let `model` write a script about `source`, in one answer or, where that does not fit, section by section.

    Nothing is asked for that may cost more than `limit` US dollars, where it is known what the model costs.

    Raises:
        NotAgreed: it may cost more.
        UnsupportedLanguage: the model does not know the language of the source or of the script.
        InvalidInput: the model's context is too small for even one sentence of the source.
        AnswerUnusable: what it wrote is no script, also after asking again.
        EngineError: the model failed.
    """
    writer = await _writer(model, source, wishes, watch, on_progress)
    request, counted = await writer.whole()
    if (quote := await in_thread(lambda: writer.quote(request, counted))) is not None and quote.most > limit:
        raise _too_dear(quote, limit)
    try:
        script = await writer.at_once(request, counted)
    except CutOff:
        await in_thread(lambda: writer.require_sections_within(limit, request, counted))
        writer.asking.note(
            Bilingual(
                ja="一度に書ききれない長さなので、節ごとに書かせました。",
                en="It is too long for one answer, so it was written section by section.",
            )
        )
        script = await writer.by_section()
    await writer.asking.progress.done()
    return Authored(script, writer.asking.usage, counted, writer.asking.rounds, tuple(writer.asking.notes))


async def quoted(model: LanguageModel, source: Source, wishes: Wishes) -> Quote | None:
    """What `write` would cost, with its tokens counted; None where that is not known.

    Raises:
        UnsupportedLanguage: the model does not know the language of the source or of the script.
        EngineError: the model cannot be asked.
    """
    if not model.prices.known:
        return None
    writer = await _writer(model, source, wishes, Watch(), _ignore)
    request, counted = await writer.whole()
    return await in_thread(lambda: writer.quote(request, counted))


async def _writer(model: LanguageModel, source: Source, wishes: Wishes, watch: Watch, on_progress: Progress) -> _Writer:
    _knows(model, source, wishes)
    suspects, outlined = await in_thread(lambda: (untrusted.suspects(source), plan(source, wishes)))
    asking = Asking(model, watch, on_progress, len(outlined.sections) + 1)
    return _Writer(model, source, suspects, wishes, outlined, asking)


class _Writer:
    """The writing of one script."""

    def __init__(
        self,
        model: LanguageModel,
        source: Source,
        suspects: tuple[int, ...],
        wishes: Wishes,
        outlined: Outline,
        asking: Asking,
    ) -> None:
        self._model = model
        self._source = source
        self._suspects = suspects
        self._wishes = wishes
        self._outline = outlined
        self._minutes = wishes.target_minutes or _usual_minutes(source, outlined, wishes)
        self.asking = asking

    async def whole(self) -> tuple[ChatRequest, int]:
        """The request for the whole script, and its tokens."""
        request = self._request(
            await in_thread(partial(material, self._source, self._suspects)),  # a long source takes a second
            task(self._wishes, self._outline, self._minutes),
            wire_schema(ScriptDraft, self._wishes.speakers, without={"description"}),
        )
        return request, await self._model.count(request)

    def quote(self, request: ChatRequest, counted: int) -> Quote | None:
        """What the script will cost, the whole `request` being of so many tokens; None where that is not known."""
        needed, room = self._tokens(self._minutes), self._room(counted)
        if needed > room:
            return self.quote_by_section(request, counted)
        return self._quote([_Draft(counted, needed, min(room, _generous(needed)))])

    def quote_by_section(self, request: ChatRequest, counted: int) -> Quote | None:
        """As `quote`, of an answer for each section."""
        if not self._model.prices.known:
            return None
        per_guessed = counted / _guessed(request)
        most = self._model.max_output_tokens
        parts = self._outline.sections
        drafts: list[_Draft] = []
        # The opening reads no more than a section.
        opening = [(part, self._opening_minutes) for part in parts[:1]]
        for part, minutes in (*opening, *((part, self._share(part)) for part in parts)):
            pieces = 1
            while pieces < len(part.sentences) and self._tokens(minutes / pieces) > most:  # as `_fitting` does it
                pieces *= 2
            read = int(_guessed(self._section_request(part, [], last=True)) * per_guessed)
            needed = self._tokens(minutes / pieces)
            drafts += [_Draft(read, needed, min(most, _generous(needed)))] * pieces
        return self._quote(drafts)

    def require_sections_within(self, limit: float, request: ChatRequest, counted: int) -> None:
        """After an answer that was cut off and paid for.

        Raises:
            NotAgreed: what is spent and what sections may cost is more than `limit` US dollars.
        """
        spent = self.asking.usage.cost
        quote = self.quote_by_section(request, counted) if spent else None
        if spent and quote is not None and spent + quote.most > limit:
            raise NotAgreed(
                ja=f"{quote.writer} の答えが途中で切れました ({spent:.2f} ドル)。節ごとに書かせるとさらに多ければ "
                f"{quote.most:.2f} ドルかかり、使ってよい {limit:.2f} ドルを超えるので、やめました。"
                "target_minutes を短くするか、engine=extractive を使ってください。",
                en=f"The answer of {quote.writer} was cut off (${spent:.2f}). Written section by section it may cost "
                f"${quote.most:.2f} more, beyond the ${limit:.2f} that may be spent, so this ended here. Choose a "
                "shorter target_minutes, or engine=extractive.",
            )

    def _quote(self, drafts: Sequence[_Draft]) -> Quote | None:
        prices = self._model.prices
        dear = replace(prices, input=max(prices.input, prices.cache_write))
        about = most = 0.0
        for draft in drafts:
            once = prices.cost(draft.read, draft.written)
            # A corrected draft is asked for with the first one, and with what is wrong with it.
            twice = dear.cost(2 * draft.read + 2 * draft.limit, 2 * draft.limit)
            if once is None or twice is None:
                return None
            about, most = about + once, most + twice
        return Quote(f"{self._model.name}/{self._model.model}", _cents(about), _cents(most))

    async def at_once(self, request: ChatRequest, counted: int) -> Script:
        """The script out of one answer.

        Raises:
            CutOff: it does not fit.
        """
        needed = self._tokens(self._minutes)
        room = self._room(counted)
        if needed > room:
            raise CutOff
        best = await self.asking.best(
            replace(request, max_tokens=min(room, _generous(needed))),
            ScriptDraft,
            lambda draft, by: self._script(draft, by, self._wishes.target_minutes),
            give_up=True,
        )
        return best.script

    async def by_section(self) -> Script:
        """The script out of an answer for each section."""
        parts = [part for planned in self._outline.sections for part in await self._fitting(planned)]
        await self.asking.progress.replan(len(parts) + 1)
        opening = await self._opening()
        sections = [*opening.sections]
        for number, part in enumerate(parts, 1):
            section = await self._section(part, sections, last=number == len(parts))
            if number > 1 and parts[number - 2].title == part.title:
                before = sections.pop()
                section = before.model_copy(update={"lines": [*before.lines, *section.lines]})
            sections.append(section)
            await self.asking.progress.reached(number + 1)
        draft = opening.model_copy(update={"sections": sections})
        return await in_thread(partial(self._script, draft, self.asking.written_by, self._wishes.target_minutes))

    async def _opening(self) -> ScriptDraft:
        facts = [
            number for origin in ("title", "authors", "publication_year") for number in self._source.numbers(origin)
        ]
        first = [number for part in self._outline.sections for number in part.sentences][:2]
        minutes = self._opening_minutes
        request = self._request(
            material(self._source, self._suspects, {*facts, *first}),
            task_of_opening(self._wishes, self._outline, minutes),
            wire_schema(ScriptDraft, self._wishes.speakers, without={"description"}),
        )
        request = await self._limited(request, minutes)
        best = await self.asking.best(request, ScriptDraft, partial(self._script, target=None, part=True))
        await self.asking.progress.reached(1)
        return best.draft

    async def _section(self, part: Planned, before: list[DraftSection], *, last: bool) -> DraftSection:
        request = await self._limited(self._section_request(part, before, last=last), self._share(part))

        def script(draft: DraftSection, by: str) -> Script:
            return self._script(ScriptDraft(title=part.title, hook=part.title, sections=[draft]), by, None)

        best = await self.asking.best(request, DraftSection, script)
        return best.draft.model_copy(update={"title": part.title})

    def _section_request(self, part: Planned, before: list[DraftSection], *, last: bool) -> ChatRequest:
        near = {number + step for number in part.sentences for step in (-1, 0, 1)}
        body = {sentence.number for sentence in self._source.body}.difference(self._suspects)
        numbers = {*(near & body), *part.sentences, *self._source.numbers("title")}
        said = [line.text for section in before[-1:] for line in section.lines[-2:]]
        return self._request(
            material(self._source, self._suspects, numbers, before=[*(section.title for section in before), *said]),
            task_of_section(self._wishes, part, self._share(part), last=last),
            wire_schema(DraftSection, self._wishes.speakers),
        )

    async def _fitting(self, part: Planned) -> list[Planned]:
        """The section, in as many pieces as it takes for each to fit."""
        counted = await self._model.count(self._section_request(part, [], last=True))
        # What was said before comes on top, and is short.
        room = self._room(counted + _SPARE_TOKENS)
        if len(part.sentences) == 1 or self._tokens(self._share(part)) <= room:
            return [part]
        half = len(part.sentences) // 2
        share = half / len(part.sentences)
        head = replace(part, sentences=part.sentences[:half], share=part.share * share)
        tail = replace(part, sentences=part.sentences[half:], share=part.share * (1 - share))
        return [*await self._fitting(head), *await self._fitting(tail)]

    def _request(self, of: str, prompt: str, schema: dict[str, object]) -> ChatRequest:
        return ChatRequest(prompt=prompt, system=RULES, material=of, json_schema=schema, temperature=None)

    async def _limited(self, request: ChatRequest, minutes: float) -> ChatRequest:
        room = self._room(await self._model.count(request))
        if room < _LEAST_TOKENS:
            name = f"{self._model.name}/{self._model.model}"
            raise InvalidInput(
                ja=f"{name} の文脈 ({self._model.context_tokens} トークン) には、出典の一部分も入りません。"
                "文脈の広いモデルを選ぶか、その設定を増やしてください。",
                en=f"Not even a part of the source fits the context of {name} ({self._model.context_tokens} tokens). "
                "Choose a model with a larger one, or raise its setting.",
            )
        return replace(request, max_tokens=min(room, _generous(self._tokens(minutes))))

    def _script(self, draft: ScriptDraft, by: str, target: float | None, *, part: bool = False) -> Script:
        take = scripted if part else accept
        return take(
            draft,
            self._source,
            language=self._wishes.language,
            style=self._wishes.style,
            target_minutes=target,
            written_by=by,
            cast=self._wishes.cast,
        )

    @property
    def _opening_minutes(self) -> float:
        return min(_OPENING_MINUTES, self._minutes / 4)

    def _share(self, part: Planned) -> float:
        return part.share * max(self._minutes - _OPENING_MINUTES, self._minutes / 2)

    def _tokens(self, minutes: float) -> int:
        """Tokens of an answer that takes so many minutes to say, with the numbers and braces around it."""
        return size(self._wishes.language, minutes) * (2 if self._wishes.language == "ja" else 4) + _SPARE_TOKENS

    def _room(self, counted: int) -> int:
        return min(self._model.max_output_tokens, self._model.context_tokens - counted)


@dataclass(frozen=True, slots=True)
class _Draft:
    """Tokens of one answer."""

    read: int
    written: int
    limit: int
    """`written` at most."""


def _guessed(request: ChatRequest) -> int:
    texts = (request.system, *(turn.text for turn in request.conversation()))
    return sum(guessed_tokens(text) for text in texts)


def _cents(dollars: float) -> float:
    """Rounded up, so that what is agreed to is never less than what was meant."""
    return math.ceil(round(dollars * 100, 6)) / 100


def _too_dear(quote: Quote, limit: float) -> NotAgreed:
    return NotAgreed(
        ja=f"{quote.writer} に頼むと、約 {quote.about:.2f} ドル、多ければ {quote.most:.2f} ドルかかります。"
        f"確かめずに使えるのは {limit:.2f} ドルまでなので、何も頼まず、何も使っていません。利用者に金額を伝えて、よければ "
        f"max_cost_usd={quote.most:.2f} を付けてもう一度呼んでください。engine=extractive なら無料です。",
        en=f"{quote.writer} would cost about ${quote.about:.2f}, and up to ${quote.most:.2f}. No more than ${limit:.2f} "
        "may be spent without asking, so nothing was asked for and nothing was spent. Tell your user the price; if they "
        f"agree, call again with max_cost_usd={quote.most:.2f}. engine=extractive is free.",
    )


def _generous(tokens: int) -> int:
    """A limit no honest answer reaches; a model that thinks first spends it on that too."""
    return 3 * tokens + 1024


def _usual_minutes(source: Source, outlined: Outline, wishes: Wishes) -> float:
    """As long as it takes to say what the outline covers, rounded up to halves."""
    texts = {sentence.number: sentence.text for sentence in source.sentences}
    told = sum(len(texts[number]) for part in outlined.sections for number in part.sentences)
    # An English text is about six letters a word, and about twice as many letters as its Japanese.
    letters = told / (2 if source.language != "ja" and wishes.language == "ja" else 1)
    letters *= 2 if source.language == "ja" and wishes.language == "en" else 1
    units = letters if wishes.language == "ja" else letters / 6
    minutes = units / size(wishes.language, 1.0) + _OPENING_MINUTES
    return min(LONGEST_MINUTES, -(-minutes * 2 // 1) / 2)


def _knows(model: LanguageModel, source: Source, wishes: Wishes) -> None:
    for language in (source.language, wishes.language):
        if model.languages and language not in model.languages:
            known = ", ".join(model.languages)
            raise UnsupportedLanguage(
                ja=f"{model.name} のモデル {model.model} にわかる言語は {known} だけで、{language} の台本や出典は扱えません。"
                "別のモデルを選ぶか、engine=extractive を使ってください。",
                en=f"{model.name}'s model {model.model} only knows {known}; it cannot handle a script or source in "
                f"{language}. Choose another model, or engine=extractive.",
            )
