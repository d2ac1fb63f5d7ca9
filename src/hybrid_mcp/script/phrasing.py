"""From text to utterances: sentences, cut into the phrases a voice reads in one breath."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hybrid_mcp.languages import Language
from hybrid_mcp.script import breaks
from hybrid_mcp.script.model import Phrase
from hybrid_mcp.script.sentences import sentences
from hybrid_mcp.script.speakable import speakable

Utterance = tuple[Phrase, ...]
"""What is spoken in one go, at most a sentence."""

LONGEST = 160
"""Characters spoken in one go. Longer sentences are cut at a pause: engines' memory grows with length."""

# A pause mark ends a phrase, unless it stands inside a number (3.5, 1,234); brackets stand alone, but what
# hiragana follows stays with it: a phrase that starts with the particle は would be read ハ.
_PAUSE = re.compile(
    r".*?(?:[、。！？!?；;…]+[」』）)\]】”’\"]*|[,.，．：](?!\d)[」』）)\"]*|[）)](?=[^ぁ-ん])|.(?=[（(])|$)", re.DOTALL
)
_SOUND = re.compile(r"\w")
_EDGES = "、。，．・,. \t\n"


def utterances(text: str, language: Language) -> list[Utterance]:
    """Cut `text` into what is spoken in one go. All that is shown, joined, is `text` without its line breaks."""
    return [
        part
        for sentence in sentences(text, language)
        if (phrases := tuple(_phrases(sentence, language)))
        for part in _short(phrases)
    ]


def reading(text: str, language: Language) -> str:
    """What is read for `text`, as one string with its pauses; Latin words stay, kana for them are the voice's business."""
    pause, stop = ("、", "。") if language == "ja" else (", ", ". ")
    read = ""
    for part in utterances(text, language):
        for phrase in part:
            mark = phrase.shown.rstrip('」』）)]】”’" ')[-1:]
            asks = mark in ("？", "?", "！", "!")
            read += phrase.spoken.rstrip(mark) + mark if asks else phrase.spoken + pause * phrase.pause_after
        read = read.removesuffix(pause) + (stop if read.endswith(pause) else "")
    return read.strip()


def _phrases(sentence: str, language: Language) -> Iterator[Phrase]:
    """The phrases of a sentence; what has no sound of its own is shown with its neighbour."""
    waiting: Phrase | None = None
    silent = ""
    for shown, pause_after in _pieces(sentence, language):
        spoken = speakable(shown, language).strip(_EDGES)
        if not _SOUND.search(spoken):
            if waiting is None:
                silent += shown
            else:
                waiting = Phrase(waiting.shown + shown, waiting.spoken, waiting.pause_after or pause_after)
            continue
        if waiting is not None:
            yield waiting
        waiting = Phrase(silent + shown, spoken, pause_after)
        silent = ""
    if waiting is not None:
        yield waiting


def _pieces(sentence: str, language: Language) -> Iterator[tuple[str, bool]]:
    for match in _PAUSE.finditer(sentence):
        piece = match.group()
        if not piece.strip():
            continue
        # What is wider than a line is cut where a line may end, so that subtitles break at times the engine gave.
        *cut, last = _lines(piece, language)
        yield from ((line, False) for line in cut)
        yield last, True


def _lines(piece: str, language: Language) -> list[str]:
    lines = [""]
    for phrase in breaks.phrases(piece, language):
        # A word without end is cut like one that does not fit the screen: engines' time grows with length.
        for part in breaks.fit(phrase, breaks.LINE_WIDTH):
            if lines[-1] and breaks.width(lines[-1] + part) > breaks.LINE_WIDTH:
                lines.append("")
            lines[-1] += part
    return lines


def _short(phrases: Utterance) -> Iterator[Utterance]:
    part: list[Phrase] = []
    length = 0
    for phrase in phrases:
        if part and length + len(phrase.spoken) > LONGEST:
            yield tuple(part)
            part, length = [], 0
        part.append(phrase)
        length += len(phrase.spoken)
    if part:
        yield tuple(part)
