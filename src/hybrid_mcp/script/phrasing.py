"""From text to utterances: sentences, cut into the phrases a voice reads in one breath."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from hybrid_mcp.languages import Language
from hybrid_mcp.script import breaks, ruby
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
_READ_LATER = "\U000f0000"
"""Stands for a reading with accents while the text around it is made speakable, which would take its marks for
punctuation. A private character of a plane that `speakable` leaves alone."""


def utterances(text: str, language: Language) -> list[Utterance]:
    """Cut `text` into what is spoken in one go.

    All that is shown, joined, is `text` without its readings (see `ruby`) and line breaks. In what is spoken a
    plain reading stands instead of its word, one with accents as 《ハ'シ》: `ruby.plain` and `ruby.runs` read that.
    """
    plain, readings = ruby.annotated(text)
    found: list[Utterance] = []
    place = 0
    for sentence in sentences(plain, language):
        end = place + ruby.count_letters(sentence)
        own = _within(readings, place, end) if readings else []
        if phrases := tuple(_phrases(sentence, own, language)):
            found += _short(phrases)
        place = end
    return found


def reading(text: str, language: Language) -> str:
    """What is read for `text`, as one string with its pauses; Latin words stay, kana for them are the voice's business."""
    pause, stop = ("、", "。") if language == "ja" else (", ", ". ")
    read = ""
    for part in utterances(text, language):
        for phrase in part:
            mark = phrase.shown.rstrip('」』）)]】”’" ')[-1:]
            asks = mark in ("？", "?", "！", "!")
            spoken = ruby.plain(phrase.spoken)
            read += spoken.rstrip(mark) + mark if asks else spoken + pause * phrase.pause_after
        read = read.removesuffix(pause) + (stop if read.endswith(pause) else "")
    return read.strip()


def _within(readings: Iterable[ruby.Reading], start: int, end: int) -> list[ruby.Reading]:
    """Those that reach into the piece from letter `start` to `end`, with their places in it."""
    return [
        replace(reading, start=reading.start - start, end=reading.end - start)
        for reading in readings
        if reading.start < end and reading.end > start
    ]


def _phrases(sentence: str, readings: list[ruby.Reading], language: Language) -> Iterator[Phrase]:
    """The phrases of a sentence; what has no sound of its own is shown with its neighbour."""
    waiting: Phrase | None = None
    silent = ""
    place = 0
    for shown, pause_after in _unbroken(_pieces(sentence, language), readings):
        end = place + ruby.count_letters(shown)
        spoken = _spoken(shown, _within(readings, place, end), language).strip(_EDGES)
        place = end
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


def _unbroken(pieces: Iterable[tuple[str, bool]], readings: list[ruby.Reading]) -> Iterator[tuple[str, bool]]:
    """The pieces, joined where a word that is read as a whole was cut."""
    held, place, pause_after = "", 0, False
    for shown, pause_after in pieces:
        held += shown
        place += ruby.count_letters(shown)
        if not any(reading.start < place < reading.end for reading in readings):
            yield held, pause_after
            held = ""
    if held:
        yield held, pause_after


def _spoken(shown: str, readings: list[ruby.Reading], language: Language) -> str:
    """What is read for `shown`, in which the readings have their places."""
    if not readings:
        return speakable(shown, language)
    letters = [index for index, char in enumerate(shown) if not char.isspace()]
    text = ""
    last = 0
    accented: list[str] = []
    for reading in readings:
        begins = reading.start >= 0  # otherwise it was read where its word began
        before = shown[last : letters[reading.start]] if begins else ""
        text += before.replace(_READ_LATER, "")
        if begins and reading.accented:
            accented.append(reading.spoken)
            text += _READ_LATER
        elif begins:
            text += reading.spoken
        last = letters[min(reading.end, len(letters)) - 1] + 1
    whole = speakable(text + shown[last:].replace(_READ_LATER, ""), language)
    later = iter(accented)
    return re.sub(_READ_LATER, lambda _: next(later), whole)


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
