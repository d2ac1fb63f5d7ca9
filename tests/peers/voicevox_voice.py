"""The mouth of the scripted VOICEVOX engine: Open JTalk, made to say exactly what a query asks for.

Nothing of ours is imported: lengths are counted here a second time, from the rule as it is written down in VOICEVOX's
own engine, in numpy over flat arrays as there.
"""

from __future__ import annotations

import io
import re
import wave
from functools import cache
from typing import Any

import numpy as np
import pyopenjtalk

FRAME_RATE = 93.75
_MORA = re.compile(r"(_?[ァ-ヴー][ァィゥェォャュョヮ]?)(’?)")
_LENGTHS = {"a": 0.0937, "i": 0.0713, "u": 0.0655, "e": 0.0871, "o": 0.0899, "N": 0.0769, "cl": 0.0661}
_VOWELS = dict(zip("aiueoN", "アイウエオン", strict=True))


class KanaError(Exception):
    """Kana with accents that break VOICEVOX's rules, by its name for the mistake."""


def accent_phrases(text: str) -> list[dict[str, Any]]:
    """The accent phrases of a text, without lengths and pitches."""
    found: list[dict[str, Any]] = []
    paused = False
    for feature in pyopenjtalk.run_frontend(text):
        if feature["mora_size"] == 0:
            paused = True
            if found and feature["pron"] == "？":
                found[-1]["is_interrogative"] = True
            continue
        moras = _moras(feature["pron"])
        if found and feature["chain_flag"] == 1 and not paused:
            found[-1]["moras"] += moras
        else:
            if found and paused:
                found[-1]["pause_mora"] = _mora("、", "pau")
            found.append(_phrase(moras, feature["acc"]))
        paused = False
    for phrase in found:
        phrase["accent"] = min(phrase["accent"] or len(phrase["moras"]), len(phrase["moras"]))
    return found


def kana_phrases(kana: str) -> list[dict[str, Any]]:
    """The accent phrases that are written down with their accents."""
    found: list[dict[str, Any]] = []
    for written, delimiter in re.findall(r"([^/、]*)([/、]|$)", kana)[: 1 + len(re.findall("[/、]", kana))]:
        phrase = written.removesuffix("？")
        if not phrase:
            raise KanaError("EMPTY_PHRASE")
        if "？" in phrase:
            raise KanaError("INTERROGATION_MARK_NOT_AT_END")
        if phrase.startswith("'"):
            raise KanaError("ACCENT_TOP")
        if phrase.count("'") != 1:
            raise KanaError("ACCENT_TWICE" if "'" in phrase else "ACCENT_NOTFOUND")
        high, low = phrase.split("'")
        if "ー" in phrase or any(_MORA.sub("", part) for part in (high, low)):
            raise KanaError("UNKNOWN_TEXT")
        moras = _moras(high)
        found.append(_phrase(moras + _moras(low), len(moras)))
        found[-1]["is_interrogative"] = written.endswith("？")
        if delimiter == "、":
            found[-1]["pause_mora"] = _mora("、", "pau")
    return found


def sung(phrases: list[dict[str, Any]], style: int) -> list[dict[str, Any]]:
    """The accent phrases with lengths and pitches, which depend on the style and on the place in the whole."""
    tempo = 1 + (style % 7) / 40
    everything = [mora for phrase in phrases for mora in [*phrase["moras"], phrase["pause_mora"]] if mora]
    for place, mora in enumerate(everything):
        vowel = mora["vowel"]
        last = 1.4 if place == len(everything) - 1 else 1.0
        mora["vowel_length"] = 0.3127 if vowel == "pau" else _LENGTHS.get(vowel, 0.0581) * tempo * last
        mora["consonant_length"] = None if mora["consonant"] is None else 0.0471 * tempo
        mora["pitch"] = 0.0 if vowel in ("pau", "cl", *"AIUEO") else 5.6 - 0.004 * place
    return phrases


def said(query: dict[str, Any]) -> str:
    """What a query says, for people."""
    return "".join(mora["text"] for phrase in query["accent_phrases"] for mora in phrase["moras"])


def wav(query: dict[str, Any], frame_rate: float, *, upspeak: bool, drawl: float) -> bytes:
    """The sound of a query; `drawl` stretches it beyond what the rule says, as other engines do."""
    rate = query["outputSamplingRate"]
    hop = rate / frame_rate * drawl
    pieces = [np.zeros(round(_count([query["prePhonemeLength"]], query, frame_rate).sum() * hop))]
    for phrase in query["accent_phrases"]:
        moras = list(phrase["moras"])
        if upspeak and phrase.get("is_interrogative") and moras[-1]["pitch"] > 0:
            moras.append({"text": _VOWELS[moras[-1]["vowel"]], "vowel": moras[-1]["vowel"], "vowel_length": 0.15})
        lengths = [length for mora in moras for length in (mora.get("consonant_length"), mora["vowel_length"])]
        samples = round(_count([one for one in lengths if one is not None], query, frame_rate).sum() * hop)
        pieces.append(_sound("".join(mora["text"] for mora in phrase["moras"]), samples))
        if phrase.get("pause_mora"):
            given = query.get("pauseLength")
            length = phrase["pause_mora"]["vowel_length"] if given is None else given
            length *= query.get("pauseLengthScale", 1)
            pieces.append(np.zeros(round(_count([length], query, frame_rate).sum() * hop)))
    pieces.append(np.zeros(round(_count([query["postPhonemeLength"]], query, frame_rate).sum() * hop)))
    sound = np.clip(np.concatenate(pieces) * query["volumeScale"], -1, 1)
    return _wav(sound, rate)


def _sound(kana: str, samples: int) -> Any:
    spoken = _spoken(kana)
    return np.interp(np.linspace(0, len(spoken) - 1, samples), np.arange(len(spoken)), spoken)


@cache
def _spoken(kana: str) -> Any:
    """Open JTalk's sound, without silence around it."""
    sound, _ = pyopenjtalk.tts(kana)
    loud = np.flatnonzero(np.abs(sound) > 200)
    return sound[loud[0] : loud[-1] + 1] / 32768 if len(loud) else np.zeros(1)


def _count(seconds: list[float], query: dict[str, Any], frame_rate: float) -> Any:
    return np.round(np.array(seconds, np.float64) / query["speedScale"] * frame_rate)


def _wav(sound: Any, rate: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes((sound * 32767).astype("<i2").tobytes())
    return file.getvalue()


def _moras(pron: str) -> list[dict[str, Any]]:
    moras: list[dict[str, Any]] = []
    for kana, whispered in _MORA.findall(pron):
        if kana == "ー":
            vowel = moras[-1]["vowel"].lower() if moras and moras[-1]["vowel"] != "N" else "a"
            moras.append(_mora(_VOWELS[vowel], vowel))
            continue
        *consonant, vowel = str(pyopenjtalk.g2p(kana.removeprefix("_"))).split()
        whisper = whispered or kana.startswith("_")
        moras.append(_mora(kana.removeprefix("_"), vowel.upper() if whisper else vowel, *consonant))
    return moras


def _mora(text: str, vowel: str, consonant: str | None = None) -> dict[str, Any]:
    length = None if consonant is None else 0.0
    return {
        "text": text,
        "consonant": consonant,
        "consonant_length": length,
        "vowel": vowel,
        "vowel_length": 0.0,
        "pitch": 0.0,
    }


def _phrase(moras: list[dict[str, Any]], accent: int) -> dict[str, Any]:
    return {"moras": moras, "accent": accent, "pause_mora": None, "is_interrogative": False}
