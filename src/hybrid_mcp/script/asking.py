"""Asking a model for a draft, checking it, and asking once more with what is wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from hybrid_mcp.errors import AnswerUnusable, EngineError, InvalidInput
from hybrid_mcp.languages import Bilingual
from hybrid_mcp.llm.interface import ChatAnswer, ChatRequest, LanguageModel, Turn, Watch
from hybrid_mcp.script.model import Complaint, Script
from hybrid_mcp.script.prompting import correction
from hybrid_mcp.threads import in_thread

D = TypeVar("D", bound=BaseModel)

_NOT_ITS_FAULT = frozenset({"instruction-in-source"})
"""Rules whose complaints no other wording removes."""
_MINOR = frozenset({"shorter-than-asked", "longer-than-asked", "little-evidence"})
_NAMED_ERRORS = 10


class CutOff(Exception):
    """The answer does not fit, or ended before it was complete."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What requests took."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    """Of `prompt_tokens`, those read from a cache."""
    cost: float | None = 0.0
    """US dollars; None where a price is not known."""

    def plus(self, answer: ChatAnswer) -> Usage:
        """With one more answer."""
        return Usage(
            self.prompt_tokens + answer.prompt_tokens,
            self.completion_tokens + answer.completion_tokens,
            self.cached_tokens + answer.cached_tokens,
            None if self.cost is None or answer.cost is None else self.cost + answer.cost,
        )


@dataclass(frozen=True, slots=True)
class Candidate(Generic[D]):
    """A draft that can be read, and the script it makes."""

    draft: D
    script: Script

    @property
    def faults(self) -> tuple[Complaint, ...]:
        """What its writer can mend."""
        return tuple(complaint for complaint in self.script.complaints if complaint.rule not in _NOT_ITS_FAULT)

    @property
    def weight(self) -> tuple[int, int]:
        """How bad it is: grave faults first, then all."""
        return sum(fault.rule not in _MINOR for fault in self.faults), len(self.faults)

    @property
    def usable(self) -> bool:
        """Whether at least half of it is in the language asked for."""
        wrong = sum(fault.rule == "wrong-language" for fault in self.faults)
        return 2 * wrong <= len(self.script.lines)


class Progress:
    """Counts the sections of a draft while its JSON is being written; never goes back."""

    def __init__(self, tell: Callable[[int, int], Awaitable[None]], planned: int) -> None:
        self._tell = tell
        self._planned = planned
        self._reached = 0
        self._depth = self._sections = 0
        self._in_string = self._escaped = False

    def again(self) -> None:
        """Another answer begins."""
        self._depth = self._sections = 0
        self._in_string = self._escaped = False

    async def replan(self, planned: int) -> None:
        """There are so many sections after all."""
        self._planned = max(planned, self._reached + 1)

    async def feed(self, text: str) -> None:
        """More of a whole script's JSON."""
        for char in text:
            if self._in_string:
                self._in_string = self._escaped or char != '"'
                self._escaped = char == "\\" and not self._escaped
            elif char == '"':
                self._in_string = True
            elif char in "{[":
                self._depth += 1
            elif char in "}]":
                self._depth -= 1
                # The script is one deep, the list of sections two, so a section ends at two.
                self._sections += char == "}" and self._depth == 2
        await self.reached(min(self._sections, self._planned - 1))

    async def reached(self, sections: int) -> None:
        """So many are done."""
        if sections > self._reached:
            self._reached = sections
            await self._tell(sections, self._planned)

    async def done(self) -> None:
        """All are."""
        await self.reached(self._planned)


class Asking:
    """The requests for one script: what they were told, and what they took."""

    def __init__(
        self, model: LanguageModel, watch: Watch, tell: Callable[[int, int], Awaitable[None]], planned: int
    ) -> None:
        self._model = model
        self._watch = watch
        self.progress = Progress(tell, planned)
        self.usage = Usage()
        self.rounds = 0
        self.notes: list[Bilingual] = []
        self.written_by = ""

    def note(self, note: Bilingual) -> None:
        """Something the reader should know; once is enough."""
        if note not in self.notes:
            self.notes.append(note)

    async def best(
        self, request: ChatRequest, form: type[D], script: Callable[[D, str], Script], *, give_up: bool = False
    ) -> Candidate[D]:
        """The better of two drafts; the first, if nothing is wrong with it.

        With `give_up`, an answer that is cut off is not asked for again.

        Raises:
            CutOff: the answer was cut off, and `give_up`.
            AnswerUnusable: neither is a script.
            EngineError: the model failed before there was a draft.
        """
        answer = await self._ask(request, whole=give_up)
        if answer.truncated and give_up:
            raise CutOff
        first = await self._judged(answer, form, script)
        if isinstance(first, Candidate) and not first.faults:
            return first
        try:
            again = await self._again(request, answer, first)
            second = await self._judged(await self._ask(again, whole=give_up), form, script) if again else first
        except EngineError as error:
            if not isinstance(first, Candidate) or not first.usable:
                raise
            self.note(error.message)  # what is there was paid for
            second = first
        drafts = [draft for draft in (first, second) if isinstance(draft, Candidate) and draft.usable]
        if not drafts:
            raise self._unusable()
        return min(drafts, key=lambda draft: draft.weight)

    async def _ask(self, request: ChatRequest, *, whole: bool) -> ChatAnswer:
        self.progress.again()

        async def text(piece: str) -> None:
            if whole:
                await self.progress.feed(piece)
            await self._watch.text(piece)

        answer = await self._model.chat(request, replace(self._watch, text=text))
        self.rounds += 1
        self.usage = self.usage.plus(answer)
        self.written_by = f"{answer.engine or self._model.name}/{answer.model}"
        for note in answer.notes:
            self.note(note)
        return answer

    async def _judged(
        self, answer: ChatAnswer, form: type[D], script: Callable[[D, str], Script]
    ) -> Candidate[D] | str:
        """The draft, or what is wrong with the answer, told to its writer."""
        if answer.truncated:
            return "- Your answer was cut off. Write about half as much."
        try:
            draft = form.model_validate_json(_json(answer.text))
            return Candidate(draft, await in_thread(partial(script, draft, self.written_by)))
        except ValidationError as error:
            return "\n".join(
                f"- {'.'.join(map(str, found['loc'])) or 'the answer'}: {found['msg']}"
                for found in error.errors(include_input=False, include_url=False)[:_NAMED_ERRORS]
            )
        except InvalidInput as error:
            return f"- {error.message.en}"

    async def _again(self, request: ChatRequest, answer: ChatAnswer, first: Candidate[D] | str) -> ChatRequest | None:
        """The request for a corrected draft; None where the context has no room for it."""
        if isinstance(first, Candidate):
            told = correction(first.script, first.faults)
        else:
            told = f"Your answer cannot be used. Give all of it again, as JSON of the form asked for:\n{first}"
        if answer.truncated or not answer.text.strip():
            return replace(request, prompt=f"{request.prompt}\n\n{told}")
        turns = (Turn("user", request.prompt), Turn("assistant", answer.text))
        again = replace(request, turns=turns, prompt=told)
        room = self._model.context_tokens - await self._model.count(again)
        # The corrected draft is about as long as the first.
        if room < answer.completion_tokens:
            return None
        return replace(again, max_tokens=min(request.max_tokens, room))

    def _unusable(self) -> AnswerUnusable:
        tokens = self.usage.prompt_tokens + self.usage.completion_tokens
        return AnswerUnusable(
            ja=f"{self.written_by} は、{self.rounds} 回たずねても台本として使える答えを返しませんでした ({tokens} トークン)。"
            "モデルの力不足か、出典に惑わされた可能性があります。別のモデルを選ぶか、engine=extractive を使ってください。",
            en=f"{self.written_by} gave no answer that can be used as a script, asked {self.rounds} times ({tokens} "
            "tokens). The model may be too weak, or was misled by the source. Choose another model, or engine=extractive.",
        )


def _json(text: str) -> str:
    """The JSON of an answer; models that are not held to a schema put words or a fence around it."""
    start, end = text.find("{"), text.rfind("}")
    return text[start : end + 1] if 0 <= start < end else text
