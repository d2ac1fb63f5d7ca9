"""Checking words that are a writer's own rather than the source's: their language, and what they have to do with it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from hybrid_mcp.languages import Bilingual, Language, detect
from hybrid_mcp.script import untrusted
from hybrid_mcp.script.keywords import content_words
from hybrid_mcp.script.model import Complaint, Line
from hybrid_mcp.script.rules import RULES
from hybrid_mcp.script.source import Source

# Oct3/4, c-Myc, iPS: names stay what they are in any language.
_NAME = re.compile(r"[A-Za-z-]*[A-Z0-9][A-Za-z0-9-]*")
_LEAST_GROUNDED = 0.4
"""Share of a script that must cite the source; what says less is talk."""
_ENOUGH_LINES = 8
_ENOUGH_WORDS = 4
"""Words with a meaning of their own below which a line may share none with its evidence."""


def check(line: Line, language: Language, source: Source) -> Iterator[Complaint]:
    """What is wrong with the words of one line."""
    yield from recited(line.text, Bilingual(ja="この行", en="This line"), line.id)
    told = _language(line.text, language, source)
    if told not in (language, "und"):
        name = {"ja": "Japanese", "en": "English"}[language]
        yield Complaint(
            line=line.id,
            rule="wrong-language",
            ja=f"この行は{'日本語' if language == 'ja' else '英語'}ではないようです ({told})。書き直してください。",
            en=f"This line does not seem to be in {name} ({told}). Write it in {name}.",
        )
    elif line.grounded and source.language == language:
        words = set(content_words(line.text, language))
        # Lines are in NFC, spans as they were pasted.
        spans = unicodedata.normalize("NFC", " ".join(line.spans)).casefold()
        if len(words) >= _ENOUGH_WORDS and not any(word in spans for word in words):
            named = "".join(f"[{number}]" for number in line.evidence)
            yield Complaint(
                line=line.id,
                rule="unlike-its-evidence",
                ja=f"根拠 {named} と共通する言葉がひとつもありません。根拠の文に書いてあることを伝えてください。",
                en=f"It shares no word with its evidence {named}. Tell what those sentences say.",
            )


def recited(text: str, what: Bilingual, line: str | None = None) -> Iterator[Complaint]:
    """Whether a text gives away what its writer was told, as hidden instructions in papers ask for."""
    if untrusted.echoes(text, RULES):
        yield Complaint(
            line=line,
            rule="recites-the-rules",
            ja=f"{what.ja}は、書き手への決まりごとをそのまま述べています。出典の内容に書き直してください。",
            en=f"{what.en} recites the rules its writer was given. Tell what the source says instead.",
        )


def mostly(share: float, lines: int) -> Iterator[Complaint]:
    """Whether too little of a script cites the source; `share` is 0–1. A few lines may be a mere greeting."""
    if share < _LEAST_GROUNDED and lines >= _ENOUGH_LINES:
        yield Complaint(
            line=None,
            rule="little-evidence",
            ja=f"根拠のある行は全体の {share:.0%} だけです。出典の内容をもっと伝え、つなぎを減らしてください。",
            en=f"Only {share:.0%} of the text cites the source. Tell more of it, with less framing.",
        )


def _language(text: str, language: Language, source: Source) -> str:
    """The language of a line, whatever names and titles it holds."""
    said = text
    for name in (source.title, *(source.paper.authors if source.paper else ())):
        said = said.replace(name, " ")
    told = detect(_NAME.sub(" ", said)) if language == "ja" else detect(said)
    return detect(text) if told == "und" else told
