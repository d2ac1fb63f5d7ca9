"""Cutting text into sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator

_RUNS = re.compile(r"[ \t\r\n\u3000]+")
_ITEM = re.compile(
    r"[ \t\u3000]*(?:[•・●■◆▶◇□○◎※①-⑳【]|[-*–][ \t]|[(（][\da-zA-Z０-９]{1,3}[)）]|[\d０-９]{1,2}(?:[)）]|[.．](?![\d０-９])))"
)
_HEADING = re.compile(
    r"[ \t\u3000]*(?:[\d０-９]+[.．]?[ \t\u3000]*)?(?:はじめに|おわりに|まとめ|要旨|概要|序論|緒言|背景|目的|対象|方法|対象と方法|結果|考察|結論|謝辞"
    r"|Abstract|Summary|Introduction|Background|Objectives?|Aims?|Methods?|Materials and methods|Results|Findings"
    r"|Discussion|Conclusions?|Acknowledge?ments?)[ \t\u3000]*[:：]?[ \t\r]*",
    re.IGNORECASE,
)
# Behind these an item of a list goes on in the next line.
_GOES_ON = re.compile(r"(?:[、，,・—-]|(?<!はじめ)(?<!おわり)[はがをにのとでへやも])[ \t\r]*$")
# Abbreviations the segmenter takes for sentence ends, seen in abstracts.
_NOT_AN_END = re.compile(
    r"(?:\b(?:approx|resp|ca|cf|viz|et al|Figs?|Eqs?|Refs?|Tab|Sec|spp?|vs|i\.e|e\.g)\.)\s*$", re.IGNORECASE
)
_PAIRS = {pair[0]: pair[1] for pair in ("「」", "『』", "（）", "()", "［］", "[]", "【】", "〈〉", "《》", "“”")}
_FURTHEST = 300
"""Characters within which a bracket must close; one that never does would swallow the rest of the text."""
_STOP = re.compile(
    # ？と and ！と are mostly speech inside a sentence (本当？と問う); ASCII marks stand in names and formulas (n!).
    r"(?:。+|[！？]+(?!と(?!ころ))|(?<=[^\x00-\x7f])[!?]+(?!と(?!ころ))|[!?]+(?=\s|$)"
    # Full stops of texts written with ，．; not in 3．5, T．Tanaka, 図1．
    r"|(?<![A-Za-z0-9Ａ-Ｚａ-ｚ０-９．])．(?!．)"
    r"|(?<=[ぁ-んァ-ヶー一-鿿々）)」])\.(?=\s|$|[ぁ-んァ-ヶ一-鿿])|(?<=[a-z]{4})\.(?=\s+[A-Z]))"
    r"[」』）)］\]】”]*"
)


def sentences(text: str, language: str) -> list[str]:
    """The sentences of `text`, in order, white space folded; nothing else is changed or lost.

    Blank lines, headings and list items end a sentence too.
    """
    from sentencex import segment  # noqa: PLC0415  (a compiled module; only needed once there is text)

    found: list[str] = []
    for block in _blocks(text, language):
        open_end = False
        whole = _RUNS.sub(" ", _joined(block, language)).strip()
        for piece in _japanese(whole) if language == "ja" else segment("en", whole):
            sentence = piece.strip()
            if not sentence:
                continue
            if open_end:
                found[-1] += f" {sentence}"
            else:
                found.append(sentence)
            open_end = language != "ja" and _NOT_AN_END.search(sentence) is not None
    return found


def _blocks(text: str, language: str) -> Iterator[list[str]]:
    """Lines that belong together: a paragraph, a heading, an item of a list."""
    block: list[str] = []
    for line in text.split("\n"):
        if block and _begins(line, block, language):
            yield block
            block = []
        block.append(line)
    yield block


def _joined(lines: list[str], language: str) -> str:
    """Japanese is often pasted with a break in the middle of a sentence; joining it must add no space."""
    joined = ""
    parts: list[str] = []
    for line in lines:
        words = line.strip()
        if words and joined:
            glued = language == "ja" and not (joined[-1].isascii() and words[0].isascii())
            parts.append("" if glued else " ")
        parts.append(words)
        joined = words or joined
    return "".join(parts)


def _begins(line: str, block: list[str], language: str) -> bool:
    """Whether `line` cannot belong to the lines of `block` before it."""
    last = block[-1]
    if not line.strip() or _ITEM.match(line) or _HEADING.fullmatch(line) or _HEADING.fullmatch(last):
        return True
    if not _ITEM.match(block[0]) or block[0].lstrip().startswith("【"):
        return not last.strip()
    indented = line[:1] in " \t\u3000"
    return not (indented or _GOES_ON.search(last) or (language != "ja" and line[:1].islower()))


def _japanese(text: str) -> Iterator[str]:
    """Cut behind 。！？．, but not inside brackets and quotations that close.

    sentencex knows neither a 。 before a digit or a Latin letter nor quotations, and cuts at any full stop.
    """
    start = position = 0
    while position < len(text):
        close = _PAIRS.get(text[position])
        end = text.find(close, position + 1, position + _FURTHEST) if close else -1
        if end > 0:
            position = end + 1
        elif stop := _STOP.match(text, position):
            yield text[start : stop.end()]
            start = position = stop.end()
        else:
            position += 1
    yield text[start:]
