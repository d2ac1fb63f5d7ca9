"""VOICEVOX, and engines that speak its API, such as AivisSpeech and SHAREVOX."""

from __future__ import annotations

import hashlib
import io
import time
import wave
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import TypeVar

import stamina

from hybrid_mcp.backend import Backend, Health
from hybrid_mcp.config import TextToSpeech
from hybrid_mcp.egress import Egress
from hybrid_mcp.errors import EngineError, EngineUnavailable
from hybrid_mcp.script.model import Phrase
from hybrid_mcp.threads import in_thread
from hybrid_mcp.tts.interface import Prosody, Samples, Speech, Voice
from hybrid_mcp.tts.voicevox_client import VoicevoxClient
from hybrid_mcp.tts.voicevox_frames import frames, placed
from hybrid_mcp.tts.voicevox_query import AudioQuery, Manifest, Speaker, chained, joined, shares, with_prosody

T = TypeVar("T")
Runs = list[tuple[str, bool]]
"""A phrase as text, and kana with accents (True)."""

_LICENCE = "利用規約 / terms of use"
_BELIEVED = 60.0
"""Seconds for which an engine has the voices it had: people install others while it runs."""
_TERMS = 1500
"""Characters that are shown of terms of use, of the speaker's and of the engine's each."""


@dataclass(frozen=True, slots=True)
class _Catalogue:
    """What one version of the engine offers."""

    version: str
    manifest: Manifest
    voices: tuple[Voice, ...]
    speakers: dict[str, str]
    """Id of a voice: uuid of its speaker."""
    asked: float
    """When it was asked, by the adapter's clock."""


class Voicevox:
    """A `SpeechEngine` over HTTP.

    `/multi_synthesis` is not used, since it speaks one sentence after the other and answers when all are done; nor
    is `/cancellable_synthesis`, an experiment that engines have switched off. Cancelling drops the connection.
    """

    def __init__(
        self,
        name: str,
        url: str,
        settings: TextToSpeech,
        egress: Egress,
        backend: Backend,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is opened.

        Args:
            name: the engine, as people configure it; its voices' ids begin with it.
            url: where it listens.
            settings: how long it is waited for when it stops in the middle of work.
            egress: where its HTTP client comes from.
            backend: its guard.
            clock: seconds, rising.
        """
        self._name = name
        self._patience = settings.patience
        self._client = VoicevoxClient(name, url, egress)
        self._backend = backend
        self._clock = clock
        self._known: _Catalogue | None = None
        self._was_away = False

    @property
    def name(self) -> str:
        """See `SpeechEngine.name`."""
        return self._name

    @property
    def parallel(self) -> int:
        """See `SpeechEngine.parallel`."""
        return self._backend.parallel

    async def check(self) -> Health:
        """See `SpeechEngine.check`."""
        return await self._backend.health(self._health)

    async def voices(self) -> tuple[Voice, ...]:
        """See `SpeechEngine.voices`."""
        return (await self._catalogue()).voices

    async def prepare(self, voices: Sequence[Voice]) -> None:
        """See `SpeechEngine.prepare`."""
        for style in dict.fromkeys(voice.key for voice in voices):
            await self._patiently("initialize_speaker", partial(self._client.initialize, style))

    async def identity(self) -> str:
        """See `SpeechEngine.identity`."""
        catalogue = await self._catalogue()
        async with self._backend.call("user_dict"):
            # What its user taught it to read changes the sound of the same version.
            taught = hashlib.sha256(await self._client.dictionary()).hexdigest()[:12]
        readings = await in_thread(_readings)
        return f"{self._name} {catalogue.manifest.name} {catalogue.version} dictionary {taught} {readings}"

    async def terms(self, voice: Voice) -> str:
        """See `SpeechEngine.terms`."""
        catalogue = await self._catalogue()
        policy = ""
        if uuid := catalogue.speakers.get(voice.id):
            async with self._backend.call("speaker_info"):
                policy = await self._client.policy(uuid)
        texts = [_shortened(text) for text in (policy, catalogue.manifest.terms_of_service)]
        return "\n\n".join(text for text in dict.fromkeys(texts) if text)

    async def speak(self, phrases: tuple[Phrase, ...], voice: Voice, prosody: Prosody) -> Speech:
        """See `SpeechEngine.speak`.

        Raises:
            InvalidInput: the engine cannot change what `prosody` changes, or read a reading with accents.
        """
        # What it can do is remembered while it is away, or a sentence begun then would not be waited for.
        manifest = (self._known or await self._catalogue()).manifest
        texts = await in_thread(lambda: [_runs(phrase.spoken) for phrase in phrases])
        return await self._patiently("speak", lambda: self._speak(phrases, texts, voice, prosody, manifest))

    async def close(self) -> None:
        """See `SpeechEngine.close`."""
        await self._client.close()

    async def _speak(
        self, phrases: tuple[Phrase, ...], texts: list[Runs], voice: Voice, prosody: Prosody, manifest: Manifest
    ) -> Speech:
        query, counts = await self._analysed(phrases, texts, voice.key)
        rate = voice.sample_rate
        if query.moras == 0:
            return Speech(await in_thread(lambda: _samples(b"")), rate, ((0, 0),) * len(phrases))
        query = with_prosody(query, prosody, voice.semitones + prosody.pitch, rate, manifest)
        upspeak = manifest.supported_features.interrogative_upspeak
        sound = await self._client.synthesis(query, voice.key, upspeak=upspeak)
        samples = await in_thread(lambda: _decoded(sound, rate, self._name))
        counted = frames(query, frame_rate=manifest.frame_rate, upspeak=upspeak)
        bounds, estimated = placed(counted, counts, len(samples), rate / manifest.frame_rate)
        return Speech(samples, rate, bounds, estimated)

    async def _analysed(
        self, phrases: tuple[Phrase, ...], texts: list[Runs], style: str
    ) -> tuple[AudioQuery, list[int]]:
        """The query for a sentence, and how many of its accent phrases belong to each phrase."""
        from hybrid_mcp.script import ruby  # noqa: PLC0415  (tables: not at start-up)

        accented = any(has_accents for runs in texts for _, has_accents in runs)
        plain = ["".join(ruby.plain(f"《{text}》") if marked else text for text, marked in runs) for runs in texts]
        query = await self._client.audio_query(joined(plain), style)
        counts = None if accented else shares(query.accent_phrases, phrases, plain)
        if counts is not None:
            return query, counts
        analyses = [
            [one for text, marked in runs for one in await self._client.accent_phrases(text, style, is_kana=marked)]
            for runs in texts
        ]
        chain = chained(analyses, phrases)
        if chain:  # lengths and melody anew, over the whole sentence
            chain = await self._client.mora_data(chain, style)
        return query.model_copy(update={"accent_phrases": chain}), [len(analysis) for analysis in analyses]

    async def _health(self) -> Health:
        return Health(version=await self._client.version())

    async def _catalogue(self) -> _Catalogue:
        """What the engine offers; asked again when its version changed, it was away, or a minute has passed."""
        health = await self.check()
        now = self._clock()
        known = None if self._was_away else self._known
        if known is None or known.version != health.version or now - known.asked >= _BELIEVED:
            async with self._backend.call("speakers"):
                manifest, speakers = await self._client.manifest(), await self._client.speakers()
            self._known = known = _catalogue(self._name, health.version, manifest, speakers, now)
            self._was_away = False
        return known

    async def _patiently(self, operation: str, work: Callable[[], Awaitable[T]]) -> T:
        """`work` under the guard, and again for as long as people wait for an engine that went away.

        The waiting counts from the failure, not from the beginning of a long sentence. It is around the guard:
        while the guard lets the engine rest, its refusals are waited for as well, and cost the engine nothing.
        """

        async def attempt() -> T:
            async with self._backend.call(operation):
                return await work()

        async def once_more() -> T:
            try:
                return await attempt()
            except EngineUnavailable:
                # Perhaps only the guard lets it rest still: it stops as soon as the engine says that it is back.
                await self.check()
                return await attempt()

        try:
            return await attempt()
        except EngineUnavailable as error:
            self._was_away = True
            if self._patience == 0:
                raise
            away = error
        try:
            async for again in stamina.retry_context(
                EngineUnavailable, attempts=None, timeout=self._patience, wait_initial=0.1, wait_max=1, wait_jitter=0.1
            ):
                with again:
                    return await once_more()
        except EngineUnavailable as error:  # which may be only that the guard lets it rest
            raise away from error
        raise AssertionError  # the last attempt raised


def _catalogue(
    name: str, engine_version: str, manifest: Manifest, speakers: Sequence[Speaker], asked: float
) -> _Catalogue:
    voices: dict[str, Voice] = {}
    uuids: dict[str, str] = {}
    for speaker in speakers:
        for style in speaker.styles:
            if style.type != "talk":
                continue
            voice_id = f"{name}:{speaker.name}/{style.name}"
            if voice_id in voices:
                voice_id += f"#{style.id}"
            uuids[voice_id] = speaker.speaker_uuid
            voices[voice_id] = Voice(
                id=voice_id,
                name_ja=f"{speaker.name}（{style.name}）",
                name_en=f"{speaker.name} ({style.name})",
                language="ja",
                engine=name,
                version=f"{manifest.name} {engine_version}, {speaker.name} {speaker.version}".strip(),
                credit=f"{manifest.brand_name}:{speaker.name}",
                licence=_LICENCE,
                sample_rate=manifest.default_sampling_rate,
                speaker=speaker.name,
                style=style.name,
                key=str(style.id),
            )
    return _Catalogue(engine_version, manifest, tuple(voices.values()), uuids, asked)


def _runs(spoken: str) -> Runs:
    """`spoken` as an engine reads it: Latin words in kana, accents apart."""
    from hybrid_mcp.lexicon.english import kana  # noqa: PLC0415  (tables: not at start-up)
    from hybrid_mcp.script import ruby  # noqa: PLC0415

    return [(text if accented else kana(text), accented) for text, accented in ruby.runs(spoken)]


def _readings() -> str:
    from hybrid_mcp.lexicon.version import readings_version  # noqa: PLC0415  (65 ms of tables)

    return f"e2k {version('e2k')} readings {readings_version()}"


def _shortened(text: str) -> str:
    """The beginning of a long text, up to the end of a line."""
    text = text.strip()
    if len(text) <= _TERMS:
        return text
    whole_lines = text[:_TERMS].rpartition("\n")[0] or text[:_TERMS]
    return f"{whole_lines.rstrip()}\n…"


def _decoded(sound: bytes, rate: int, name: str) -> Samples:
    """The samples of a WAV file.

    Raises:
        EngineError: it is not mono PCM of 16 bits at `rate` Hz.
    """
    try:
        with wave.open(io.BytesIO(sound)) as file:
            form = (file.getnchannels(), 8 * file.getsampwidth(), file.getframerate())
            data = file.readframes(file.getnframes())
        if form == (1, 16, rate):
            return _samples(data)
    except (wave.Error, EOFError, ValueError, RuntimeError) as error:  # not PCM, cut off, half a sample, a wild chunk
        raise _unwanted(name, str(error), rate) from error
    raise _unwanted(name, "{} ch, {} bit, {} Hz".format(*form), rate)


def _samples(data: bytes) -> Samples:
    import numpy as np  # noqa: PLC0415  (80 ms)

    return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768)


def _unwanted(name: str, what: str, rate: int) -> EngineError:
    return EngineError(
        ja=f"{name} の音声は 16 bit PCM、{rate} Hz、モノラルの WAV ではありません ({what})。エンジンの設定を確かめてください。",
        en=f"The sound of {name} is no WAV of 16-bit PCM, {rate} Hz, mono ({what}). Check the engine's settings.",
    )
