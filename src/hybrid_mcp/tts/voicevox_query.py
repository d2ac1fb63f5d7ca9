"""What VOICEVOX's API exchanges, and how phrases and prosody are said in it. Nothing here asks the engine."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from hybrid_mcp.errors import InvalidInput
from hybrid_mcp.script.model import Phrase
from hybrid_mcp.tts.interface import Prosody

# No number of an engine's is believed that would end in sound of hours, or in a division by zero.
_Seconds: TypeAlias = Annotated[float, Field(ge=0, le=600)]
_Ratio: TypeAlias = Annotated[float, Field(ge=0, le=100)]
_Rate: TypeAlias = Annotated[int, Field(ge=8_000, le=192_000)]
_FRAME_RATE = 93.75
_SEMITONE = math.log(2) / 12
# Behind these the engine pauses by itself.
_PAUSES_ITSELF = "、。，．！？!?…"
# What an engine might pause at: any mark but a decimal point.
_MAY_PAUSE = re.compile(r"(?!(?<=[0-9])[.,](?=[0-9]))\W")


class _Exchanged(BaseModel):
    """Fields of other engines that we do not know come back as they were."""

    model_config = ConfigDict(extra="allow", populate_by_name=True, allow_inf_nan=False, defer_build=True)


class Mora(_Exchanged):
    """A mora; lengths in seconds, pitch as the natural logarithm of Hz, 0 when voiceless."""

    text: str
    consonant: str | None = None
    consonant_length: _Seconds | None = None
    vowel: str
    vowel_length: _Seconds
    pitch: float


class AccentPhrase(_Exchanged):
    """Moras with one fall of pitch."""

    moras: list[Mora]
    accent: int
    pause_mora: Mora | None = None
    is_interrogative: bool = False


class AudioQuery(_Exchanged):
    """What is to be synthesised; lengths in seconds."""

    accent_phrases: list[AccentPhrase]
    speed_scale: float = Field(alias="speedScale")
    pitch_scale: float = Field(alias="pitchScale")
    intonation_scale: float = Field(alias="intonationScale")
    volume_scale: float = Field(alias="volumeScale")
    pre_phoneme_length: _Seconds = Field(alias="prePhonemeLength")
    post_phoneme_length: _Seconds = Field(alias="postPhonemeLength")
    pause_length: _Seconds | None = Field(None, alias="pauseLength")
    pause_length_scale: _Ratio = Field(1.0, alias="pauseLengthScale")
    output_sampling_rate: _Rate = Field(alias="outputSamplingRate")
    output_stereo: bool = Field(alias="outputStereo")

    @property
    def moras(self) -> int:
        """How many there are, pauses not counted."""
        return sum(len(phrase.moras) for phrase in self.accent_phrases)


class Features(_Exchanged):
    """What an engine says it can do."""

    adjust_mora_pitch: bool = False
    adjust_phoneme_length: bool = False
    adjust_speed_scale: bool = False
    adjust_pitch_scale: bool = False
    adjust_intonation_scale: bool = False
    adjust_volume_scale: bool = False
    adjust_pause_length: bool = False
    interrogative_upspeak: bool = False


class Manifest(_Exchanged):
    """What an engine says of itself."""

    name: str
    brand_name: str
    default_sampling_rate: _Rate
    frame_rate: float = Field(_FRAME_RATE, ge=1, le=10_000)
    terms_of_service: str = ""
    supported_features: Features


class Style(_Exchanged):
    """A way in which a speaker speaks or sings."""

    name: str
    id: int
    type: str = "talk"


class Speaker(_Exchanged):
    """Somebody with a voice."""

    name: str
    speaker_uuid: str
    styles: list[Style]
    version: str = ""


def joined(texts: Sequence[str]) -> str:
    """The texts as one, with a pause between them."""
    return "".join(text if text[-1:] in _PAUSES_ITSELF else f"{text}、" for text in texts[:-1]) + "".join(texts[-1:])


def shares(accent_phrases: Sequence[AccentPhrase], phrases: Sequence[Phrase], texts: Sequence[str]) -> list[int] | None:
    """How many accent phrases of the analysis of `joined(texts)` belong to each phrase; None where that is not certain.

    Certain is a single phrase; and phrases that all end in a pause and have no mark inside that could be one: then
    the engine's pauses, if it has as many as we set, are ours.
    """
    if len(phrases) == 1:
        return [len(accent_phrases)]
    if not all(phrase.pause_after for phrase in phrases[:-1]):
        return None
    if any(_MAY_PAUSE.search(text.rstrip(_PAUSES_ITSELF)) for text in texts):
        return None
    counts = [0]
    for number, accent_phrase in enumerate(accent_phrases, 1):
        counts[-1] += 1
        if accent_phrase.pause_mora is not None and number < len(accent_phrases):
            counts.append(0)
    return counts if len(counts) == len(phrases) and all(counts) else None


def chained(analyses: Iterable[list[AccentPhrase]], phrases: Sequence[Phrase]) -> list[AccentPhrase]:
    """Accent phrases of phrases that were analysed one by one, with a pause wherever a phrase ends in one."""
    chain: list[AccentPhrase] = []
    paused = False
    for analysis, phrase in zip(analyses, phrases, strict=True):
        if not analysis:
            continue
        if chain:
            pause = Mora(text="、", vowel="pau", vowel_length=0, pitch=0) if paused else None
            chain[-1] = chain[-1].model_copy(update={"pause_mora": pause})
        chain += analysis
        paused = phrase.pause_after
    if chain:
        chain[-1] = chain[-1].model_copy(update={"pause_mora": None})
    return chain


def with_prosody(query: AudioQuery, prosody: Prosody, semitones: float, rate: int, manifest: Manifest) -> AudioQuery:
    """`query` read with `prosody`, `semitones` higher than the voice's own, as mono sound at `rate` Hz.

    The engine divides silences by the tempo; those asked for in seconds are multiplied first, to last as long
    as asked. Melody an engine cannot change is left, as `Prosody` says; everything else is refused.

    Raises:
        InvalidInput: the engine cannot change what is to be changed.
    """
    features = manifest.supported_features
    accent_phrases, pitch_scale = _raised(query, semitones, manifest)
    changed: dict[str, object] = {
        "speed_scale": prosody.speed,
        "pitch_scale": pitch_scale,
        "volume_scale": prosody.volume,
        "output_sampling_rate": rate,
        "output_stereo": False,
    }
    if prosody.speed != 1 and not features.adjust_speed_scale:
        raise _unable(manifest, "速さ", "speed", "speed=1")
    if prosody.volume != 1 and not features.adjust_volume_scale:
        raise _unable(manifest, "音量", "volume", "volume=1")
    if features.adjust_intonation_scale:
        changed["intonation_scale"] = prosody.intonation
    if prosody.lead_in is not None:
        changed["pre_phoneme_length"] = prosody.lead_in * prosody.speed
    if prosody.lead_out is not None:
        changed["post_phoneme_length"] = prosody.lead_out * prosody.speed
    pause = None if prosody.pause is None else prosody.pause * prosody.speed
    if features.adjust_pause_length:
        changed |= {"pause_length": pause, "pause_length_scale": prosody.pause_scale}
    elif features.adjust_phoneme_length:  # engines older than pauseLength
        accent_phrases = [_paused(phrase, pause, prosody.pause_scale) for phrase in accent_phrases]
    elif prosody.pause is not None or prosody.pause_scale != 1:
        raise _unable(manifest, "間の長さ", "pauses", "pause_scale=1")
    return query.model_copy(update={**changed, "accent_phrases": accent_phrases})


def _raised(query: AudioQuery, semitones: float, manifest: Manifest) -> tuple[list[AccentPhrase], float]:
    """The accent phrases at their pitch, and what `pitchScale` has to do.

    VOICEVOX multiplies every mora's *logarithm* of frequency by 2**pitchScale, which is another interval for
    every mora; so its moras are raised themselves. AivisSpeech has no pitches of moras and multiplies the
    frequency by 1 + pitchScale.
    """
    if semitones == 0:
        return query.accent_phrases, 0.0
    features = manifest.supported_features
    if features.adjust_mora_pitch:
        return [
            phrase.model_copy(update={"moras": [_higher(mora, semitones * _SEMITONE) for mora in phrase.moras]})
            for phrase in query.accent_phrases
        ], 0.0
    if features.adjust_pitch_scale and manifest.brand_name == "AivisSpeech":
        return query.accent_phrases, math.exp(semitones * _SEMITONE) - 1
    raise _unable(manifest, "高さ", "pitch", "pitch=0")


def _higher(mora: Mora, by: float) -> Mora:
    return mora.model_copy(update={"pitch": mora.pitch + by}) if mora.pitch > 0 else mora


def _paused(phrase: AccentPhrase, pause: float | None, scale: float) -> AccentPhrase:
    if phrase.pause_mora is None:
        return phrase
    length = (phrase.pause_mora.vowel_length if pause is None else pause) * scale
    return phrase.model_copy(update={"pause_mora": phrase.pause_mora.model_copy(update={"vowel_length": length})})


def _unable(manifest: Manifest, ja: str, en: str, neutral: str) -> InvalidInput:
    return InvalidInput(
        ja=f"{manifest.name} は{ja}を変えられません。{neutral} にするか、ほかの声を選んでください。",
        en=f"{manifest.name} cannot change the {en}. Use {neutral}, or choose another voice.",
    )
