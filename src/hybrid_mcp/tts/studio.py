"""Several speech engines as one: their voices by name, and each sentence to the engine of its voice."""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from hybrid_mcp.choosing import Passed
from hybrid_mcp.errors import EngineError, InvalidInput, NotFound, UnsupportedLanguage
from hybrid_mcp.languages import Bilingual, Language
from hybrid_mcp.script.model import Phrase
from hybrid_mcp.tts.interface import Prosody, Speech, SpeechEngine, Voice

T = TypeVar("T")
Voices: TypeAlias = tuple[Voice, ...] | Passed
"""An engine's, or why it cannot be asked."""
_TO_HIRAGANA = {code: code - 0x60 for code in range(ord("ァ"), ord("ヶ") + 1)}
_MARKS = re.compile(r"[\s/:・()\[\]_-]+")


@dataclass(frozen=True, slots=True)
class Roll:
    """Who can speak now, and which engines cannot be asked."""

    voices: tuple[Voice, ...]
    passed: tuple[Passed, ...]

    @classmethod
    def of(cls, answers: Iterable[Voices]) -> Roll:
        """What the engines answered, in their order."""
        answers = tuple(answers)
        return cls(
            tuple(voice for answer in answers if not isinstance(answer, Passed) for voice in answer),
            tuple(answer for answer in answers if isinstance(answer, Passed)),
        )


@dataclass(frozen=True, slots=True)
class Reader:
    """A voice that was chosen, and which engines would have come first."""

    voice: Voice
    passed: tuple[Passed, ...] = ()


class Studio:
    """The speech engines of an App, first choice first."""

    def __init__(self, engines: Sequence[SpeechEngine], usual: str = "") -> None:
        """Nothing is asked yet.

        Args:
            engines: in the order in which they are chosen.
            usual: name of the voice that reads when none is asked for; empty: the first engine's own.
        """
        self.engines = tuple(engines)
        self._usual = usual

    async def roll(self) -> Roll:
        """Every voice there is now, in the order of the engines."""
        return Roll.of(await asyncio.gather(*(voices_of(engine) for engine in self.engines)))

    async def named(self, asked: str) -> Voice:
        """The voice of that name: an id, a speaker (in the usual style), a speaker and a style, or the engine's number.

        Raises:
            NotFound: naming the nearest voices, and the engines that do not answer.
        """
        return _named(await self.roll(), asked)

    async def meant(self, asked: str) -> tuple[Voice, ...]:
        """The voices a name may mean: several where engines share it, or where it is but the beginning of names.

        `named` takes the first of those that share it, and no beginnings.
        """
        return _meant(await self.roll(), asked)

    async def usual(self, language: Language, *, without: Collection[str] = ()) -> Reader:
        """Who reads `language` when nobody is asked for, and the engines `without` are out of the question.

        Raises:
            UnsupportedLanguage: nobody can, and what would help.
        """
        return self.reader(await self.roll(), language, without=without)

    def reader(self, roll: Roll, language: Language, *, without: Collection[str] = ()) -> Reader:
        """As `usual`, of those who are on the roll.

        Raises:
            UnsupportedLanguage: nobody can, and what would help.
        """
        passed = list(roll.passed)
        if self._usual:
            try:
                voice = _named(roll, self._usual)
            except NotFound as error:
                passed.append(Passed("HYBRID_MCP_TTS__VOICE", error.message))
            else:
                if voice.language == language and voice.engine not in without:
                    return Reader(voice)
        for voice in roll.voices:
            if voice.language == language and voice.engine not in without:
                before = [engine.name for engine in self.engines].index(voice.engine)
                first = {engine.name for engine in self.engines[:before]} | {"HYBRID_MCP_TTS__VOICE"}
                return Reader(voice, tuple(one for one in passed if one.engine in first))
        raise _nobody(language, roll)

    async def by_usual(self, language: Language, attempt: Callable[[Voice], Awaitable[T]]) -> tuple[T, Reader]:
        """Do it with who usually reads `language`; with the next engine's voice when an engine fails at it.

        Raises:
            UnsupportedLanguage: nobody speaks it.
            EngineError: the last engine failed too.
        """
        failed: dict[str, Passed] = {}
        last: EngineError | None = None
        while True:
            try:
                reader = await self.usual(language, without=failed)
            except UnsupportedLanguage:
                if last is None:
                    raise
                raise last from None
            try:
                done = await attempt(reader.voice)
            except EngineError as error:
                last = error
                failed[reader.voice.engine] = Passed(reader.voice.engine, error.message)
            else:
                others = (one for one in reader.passed if one.engine not in failed)
                return done, Reader(reader.voice, (*failed.values(), *others))

    async def casting(self, voice: Voice) -> tuple[Voice, ...]:
        """Voices of the same engine and language that further speakers can have: other speakers first, then its other styles."""
        same = [
            one
            for one in await self._engine(voice).voices()
            if one.language == voice.language and one.speaker != voice.speaker
        ]
        return tuple(_first_of_each(same))

    def parallel(self, voices: Iterable[Voice]) -> int:
        """Sentences that the engines of these voices speak at the same time."""
        return sum(self._engine_named(name).parallel for name in {voice.engine for voice in voices})

    async def prepare(self, voices: Sequence[Voice]) -> None:
        """Let every engine load what its voices need.

        Raises:
            EngineError: an engine failed.
        """
        names = {voice.engine for voice in voices}
        await asyncio.gather(
            *(self._engine_named(name).prepare([voice for voice in voices if voice.engine == name]) for name in names)
        )

    async def identity(self, voices: Iterable[Voice]) -> dict[str, str]:
        """What the sound of these voices depends on beside text and voice, by engine.

        Raises:
            EngineError: an engine cannot be asked.
        """
        return {name: await self._engine_named(name).identity() for name in sorted({voice.engine for voice in voices})}

    async def terms(self, voice: Voice) -> str:
        """See `SpeechEngine.terms`."""
        return await self._engine(voice).terms(voice)

    async def speak(self, phrases: tuple[Phrase, ...], voice: Voice, prosody: Prosody) -> Speech:
        """See `SpeechEngine.speak`."""
        return await self._engine(voice).speak(phrases, voice, prosody)

    def _engine(self, voice: Voice) -> SpeechEngine:
        return self._engine_named(voice.engine)

    def _engine_named(self, name: str) -> SpeechEngine:
        return next(engine for engine in self.engines if engine.name == name)


async def voices_of(engine: SpeechEngine) -> Voices:
    """What it can speak with now."""
    try:
        await engine.check()
        return await engine.voices()
    except (EngineError, InvalidInput) as error:  # of a server that refuses what every engine of its kind answers
        return Passed(engine.name, error.message)


def _named(roll: Roll, asked: str) -> Voice:
    if found := _called(roll.voices, folded(asked)):
        return found
    away = [one for one in roll.passed if one.engine != "speech" or asked.startswith("speech")]
    remedy = Bilingual(
        ja="".join(f"{one.engine} の声は今使えません: {one.why.ja}" for one in away),
        en=" ".join(f"The voices of {one.engine} cannot be used now: {one.why.en}" for one in away),
    )
    raise NotFound.named(Bilingual(ja="声", en="voice"), asked, _names(roll.voices), remedy=remedy if away else None)


def _called(voices: Sequence[Voice], wanted: str) -> Voice | None:
    """The voice of exactly this folded name."""
    known: dict[str, Voice] = {}
    speakers: dict[str, Voice] = {}
    for voice in voices:
        for name in (*_full_names(voice), f"{voice.engine} {voice.key}"):
            known.setdefault(folded(name), voice)
        # A speaker without a style is the speaker in the style the engine lists first.
        for name in (voice.speaker, f"{voice.engine} {voice.speaker}"):
            speakers.setdefault(folded(name), voice)
    return known.get(wanted) or speakers.get(wanted)


def _full_names(voice: Voice) -> tuple[str, ...]:
    return (voice.id, voice.name_ja, voice.name_en, f"{voice.speaker} {voice.style}")


def _meant(roll: Roll, asked: str) -> tuple[Voice, ...]:
    wanted = folded(asked)
    if not wanted:
        return ()
    for voice in roll.voices:
        if folded(voice.id) == wanted:
            return (voice,)
    engines = dict.fromkeys(voice.engine for voice in roll.voices)
    of_each = ([voice for voice in roll.voices if voice.engine == engine] for engine in engines)
    if called := [found for voices in of_each if (found := _called(voices, wanted)) is not None]:
        return tuple(called)
    begun = [
        voice
        for voice in roll.voices
        if any(folded(name).startswith(wanted) for name in (*_full_names(voice), voice.style))
    ]
    speakers = {(voice.engine, voice.speaker or voice.id): voice for voice in reversed(begun)}
    # Of several speakers, who; of one, in which style.
    return tuple(voice for voice in begun if len(speakers) == 1 or voice in speakers.values())


def _names(voices: Sequence[Voice]) -> Iterator[str]:
    """What voices may be asked for by, as people would write it: nearest-name help compares with these."""
    for voice in voices:
        yield voice.id
        if voice.speaker:
            yield voice.speaker
        if voice.style:
            yield f"{voice.speaker}/{voice.style}"


def folded(name: str) -> str:
    """A name as it is compared: width, case, marks and hiragana or katakana make no difference."""
    return _MARKS.sub(" ", unicodedata.normalize("NFKC", name).casefold().translate(_TO_HIRAGANA)).strip()


def _first_of_each(voices: Sequence[Voice]) -> Iterator[Voice]:
    """The first style of every speaker, then the others."""
    seen: set[str] = set()
    later: list[Voice] = []
    for voice in voices:
        if voice.speaker in seen:
            later.append(voice)
            continue
        seen.add(voice.speaker)
        yield voice
    yield from later


def _nobody(language: str, roll: Roll) -> UnsupportedLanguage:
    spoken = sorted({voice.language for voice in roll.voices})
    away = Bilingual(ja="".join(one.why.ja for one in roll.passed), en=" ".join(one.why.en for one in roll.passed))
    if language == "en":
        return UnsupportedLanguage(
            ja="英語を話す声がありません。/v1/audio/speech を持つサーバーの番地を HYBRID_MCP_SPEECH__URL に設定するか、"
            f"日本語の文章を渡してください。今ある声の言語: {', '.join(spoken) or 'なし'}。{away.ja}",
            en="No voice speaks English. Set HYBRID_MCP_SPEECH__URL to a server with /v1/audio/speech, or send Japanese "
            f"text. Voices speak: {', '.join(spoken) or 'nothing'}. {away.en}".rstrip(),
        )
    return UnsupportedLanguage(
        ja=f"この文章の言語 ({language}) を話せる声がありません。今ある声の言語: {', '.join(spoken) or 'なし'}。"
        f'日本語の文章を渡してください。ローマ字だけの日本語なら language="ja" を指定してください。{away.ja}',
        en=f"No voice speaks the language of this text ({language}). Voices speak: {', '.join(spoken) or 'nothing'}. "
        f'Send Japanese text; if it is Japanese written in Latin letters, say so with language="ja". {away.en}',
    )
