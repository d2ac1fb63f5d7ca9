"""Cutting text into sentences."""

from __future__ import annotations

import re

_RUNS = re.compile(r"[ \t\r\n\u3000]+")
_LINE_BREAK = re.compile(r"\n\s*\n|\n(?=[-*•・●■◆▶\d])")
# Japanese is often pasted with a break in the middle of a sentence; joining it must add no space.
_BROKEN_JA = re.compile(r"(?<=[^\x00-\x7f])[ \t]*\n[ \t]*(?=[^\x00-\x7f])")
# Abbreviations the segmenter takes for sentence ends, seen in abstracts.
_NOT_AN_END = re.compile(
    r"(?:\b(?:approx|resp|ca|cf|viz|et al|Figs?|Eqs?|Refs?|Tab|Sec|spp?|vs|i\.e|e\.g)\.)\s*$", re.IGNORECASE
)


def sentences(text: str, language: str) -> list[str]:
    """The sentences of `text`, in order, white space folded; nothing else is changed or lost.

    Blank lines and list items end a sentence too.
    """
    from sentencex import segment  # noqa: PLC0415  (a compiled module; only needed once there is text)

    found: list[str] = []
    for block in _LINE_BREAK.split(_BROKEN_JA.sub("", text)):
        open_end = False
        for piece in segment("ja" if language == "ja" else "en", _RUNS.sub(" ", block).strip()):
            sentence = piece.strip()
            if not sentence:
                continue
            if open_end:
                found[-1] += f" {sentence}"
            else:
                found.append(sentence)
            open_end = language != "ja" and _NOT_AN_END.search(sentence) is not None
    return found
