"""The numbered source: what every line of a script points at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hybrid_mcp import languages
from hybrid_mcp.artifacts import artifact_id
from hybrid_mcp.errors import InvalidInput
from hybrid_mcp.languages import Language
from hybrid_mcp.script.model import Origin, Paper, SourceSentence
from hybrid_mcp.script.sentences import sentences

BODY: tuple[Origin, ...] = ("abstract", "content", "full_text")
"""Origins whose sentences tell the story; the others are facts about the paper."""
# What comes along when a page is copied: its number, in the middle of a sentence.
_PAGE_MARK = re.compile(r"[-–—―]\s*\d{1,4}\s*[-–—―]")
# Rules, page numbers and the like; what closes a sentence (0.05)。) is none.
# Possessive: a line of a thousand quotation marks must not take quadratic time.
_NO_WORDS = re.compile(r"(?!.*[。、）)％%])[\W_]*+\d{0,4}+[\W_]*+")
_REFERENCES = re.compile(
    r"(?:\d+[.．]?\s*)?[【\[［■]?\s*(?:参考文献|引用文献|文献|references|bibliography|literature cited)\s*[】\]］]?\s*[:：]?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Source:
    """A paper, or a title with some content, cut into numbered sentences."""

    id: str
    title: str
    paper: Paper | None
    language: str
    """Language the body is written in, as `languages.detect` tells."""
    sentences: tuple[SourceSentence, ...]

    @property
    def body(self) -> tuple[SourceSentence, ...]:
        """The sentences that tell the story, in order."""
        return tuple(sentence for sentence in self.sentences if sentence.origin in BODY)

    def numbers(self, origin: Origin) -> tuple[int, ...]:
        """The numbers of the sentences of one origin."""
        return tuple(sentence.number for sentence in self.sentences if sentence.origin == origin)

    def citation(self) -> str:
        """The source as people cite it."""
        if self.paper is None:
            return self.title
        paper = self.paper
        authors = ", ".join(paper.authors[:10]) + (" et al." if len(paper.authors) > 10 else "")
        year = f" ({paper.publication_year})" if paper.publication_year else ""
        link = f"https://doi.org/{paper.doi.removeprefix('https://doi.org/')}" if paper.doi else paper.url
        return ". ".join(part for part in (f"{authors}{year}".strip(), paper.title, link) if part)


def source_of_paper(paper: Paper) -> Source:
    """Number a paper: title, authors, year, abstract, full text."""
    body_language = languages.detect(paper.abstract)
    pieces: list[tuple[Origin, str]] = [("title", paper.title)]
    if paper.authors:
        pieces.append(("authors", ", ".join(paper.authors)))
    if paper.publication_year:
        pieces.append(("publication_year", str(paper.publication_year)))
    abstract = _cut(paper.abstract, body_language)
    pieces += [("abstract", text) for text in abstract]
    if paper.full_text:
        # The abstract usually stands in the full text too; it is told once.
        known = set(abstract)
        pieces += [("full_text", text) for text in _cut(paper.full_text, body_language) if text not in known]
    return _numbered(paper.title, paper, body_language, pieces)


def source_of_text(title: str, content: str) -> Source:
    """Number a title and some content."""
    language = languages.detect(content)
    pieces: list[tuple[Origin, str]] = [("title", title)]
    pieces += [("content", text) for text in _cut(content, language)]
    return _numbered(title, None, language, pieces)


def writable(source: Source, asked: Language | None) -> Language:
    """The language a script that quotes this source can be in.

    Raises:
        InvalidInput: it is asked for in another one; quoting cannot translate.
    """
    if source.language in ("ja", "en") and asked in (None, source.language):
        return "ja" if source.language == "ja" else "en"
    raise InvalidInput(
        ja=f"engine=extractive は出典の文 (言語: {source.language}) を抜き出すだけで、{asked or '日本語・英語'} に訳せません。"
        "出典と同じ言語を指定するか、プロンプト write_script で手元のモデルに書かせて save_script に渡してください。",
        en=f"engine=extractive quotes the source (language: {source.language}) and cannot translate it into "
        f"{asked or 'Japanese or English'}. Ask for the source's own language, or let your client's model write "
        "with the prompt write_script and hand the result to save_script.",
    )


def _cut(text: str, language: str) -> list[str]:
    """The sentences of a pasted text, without page marks, rules and the list of references."""
    kept: list[str] = []
    across = False
    for line in text.split("\n"):
        words = line.strip()
        if kept and _REFERENCES.fullmatch(words):
            break
        if _PAGE_MARK.fullmatch(words):
            # The sentence may go on behind the mark and the empty lines around it.
            across = True
            while kept and not kept[-1].strip():
                kept.pop()
        elif not words:
            if not across:
                kept.append(line)
        elif not _NO_WORDS.fullmatch(words):
            kept.append(line)
            across = False
    found = sentences("\n".join(kept), language)
    return [sentence for sentence in found if any(char.isalpha() for char in sentence)]


def _numbered(title: str, paper: Paper | None, language: str, pieces: list[tuple[Origin, str]]) -> Source:
    if not any(origin in BODY for origin, _ in pieces):
        raise InvalidInput(
            ja="出典に文がありません。abstract か content に本文を入れてください。",
            en="The source has no sentence. Put the text into abstract or content.",
        )
    numbered = tuple(
        SourceSentence(number=number, text=text, origin=origin) for number, (origin, text) in enumerate(pieces, 1)
    )
    made_from = {
        "sentences": [[sentence.origin, sentence.text] for sentence in numbered],
        "url": paper.url if paper else None,
        "doi": paper.doi if paper else None,
    }
    return Source(artifact_id("source", made_from), title, paper, language, numbered)


def excerpt(source: Source) -> Iterator[str]:
    """The numbered source as lines of text, for a prompt or a person."""
    for sentence in source.sentences:
        yield f"[{sentence.number}] ({sentence.origin}) {sentence.text}"
