"""Checking lines against their evidence, without a model.

Every numeral of a line must occur in its spans, with its unit where that is percent, and every Latin
term too. That catches invented figures and names, and those taken from elsewhere; it does not show
that the line follows from its spans, nor that two figures of one span were not swapped.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Literal

from hybrid_mcp.languages import Bilingual, Language
from hybrid_mcp.script.model import Complaint, Line, SourceSentence

_DIGITS = {"〇": 0, "零": 0, "一": 1, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_SMALL = {"十": 10, "百": 100, "千": 1000}
_LARGE = {"万": 10**4, "億": 10**8, "兆": 10**12}
_EN_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_EN_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_EN_SCALES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_EN = {word: value for value, word in enumerate(_EN_UNITS)} | {
    word: 20 + 10 * place for place, word in enumerate(_EN_TENS)
}
_ARABIC = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_KANJI = "〇零一二三四五六七八九十百千万億兆"
_EN_WORD = "|".join(sorted([*_EN, *_EN_SCALES], key=len, reverse=True))
_NUMERAL = re.compile(
    rf"(?P<arabic>(?:{_ARABIC})(?:[百千万億兆](?:\d[\d,]*[百千万億兆]?)*)?(?:\s*(?P<scale>thousand|million|billion|trillion)\b)?)"
    rf"|(?P<kanji>[{_KANJI}]+)"
    rf"|\b(?P<word>(?:{_EN_WORD})(?:[ -](?:{_EN_WORD}))*)\b",
    re.IGNORECASE,
)
# 3% and 3 points are different claims; ポイント alone is a unit only where no word goes on (ポイントを述べる).
_POINTS = re.compile(r"\s*(?:(?:%|パーセント)?ポイント(?![をはがのとに])|(?:percentage |percent )points?\b|points?\b)")
_PERCENT = re.compile(r"\s*(?:%|パーセント|percent\b|per cent\b)")
# A lone kanji digit is a number only before a counter; 一 and 十分 are mostly idioms.
_COUNTER = re.compile(r"[人名件例個本回歳年倍台頭匹種度点群月日週秒時]|か月|ヶ月|カ月|か国|カ国|割")
_RAISED = re.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_UNCERTAINTY = re.compile(r"(\d)\((\d+)\)(\s*%)?")
_LATIN = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-'][A-Za-z0-9]+)*")
_SPACE = re.compile(r"\s*")
_NAMED = 3
"""Sentences that a complaint names at most."""
_LOOK_AHEAD = 32
"""Characters behind a number that tell its unit; the longest is "percentage points"."""


@dataclass(frozen=True, slots=True)
class Numeral:
    """A number, whatever it was written in."""

    value: Decimal
    unit: Literal["", "%", "pt"] = ""
    """Percent and percentage points are kept apart from plain numbers, and from each other."""

    def __str__(self) -> str:
        return f"{self.value.normalize():f}{self.unit}"


class Concordance:
    """Where the terms and numerals of a source stand.

    Each is read once, however many lines are checked, and not at all where every line keeps to its evidence.
    """

    def __init__(self, sentences: Mapping[int, SourceSentence]) -> None:
        self.sentences = sentences

    @cached_property
    def last(self) -> int:
        """The highest number of a sentence."""
        return max(self.sentences)

    def having_term(self, term: str) -> list[int]:
        """The first sentences, by number, that have `term`, whatever its case, hyphens and plural."""
        return self._terms.get(_plain(term), [])

    def having_numeral(self, numeral: Numeral, follows: Iterable[str]) -> list[int]:
        """The first sentences that have `numeral` with one of the characters `follows` behind it."""
        return sorted({number for after in follows for number in self._numerals.get((numeral, after), ())})[:_NAMED]

    @cached_property
    def numerals(self) -> frozenset[Numeral]:
        """Every number of the source, doubtful ones too."""
        return frozenset(numeral for numeral, _ in self._numerals)

    @cached_property
    def _terms(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for number, sentence in self.sentences.items():
            for term in {_plain(word) for word in _LATIN.findall(sentence.text)}:
                _note(found.setdefault(term, []), number)
        return found

    @cached_property
    def _numerals(self) -> dict[tuple[Numeral, str], list[int]]:
        found: dict[tuple[Numeral, str], list[int]] = {}
        for number, sentence in self.sentences.items():
            for key in set(_read(sentence.text, claims=False)):
                _note(found.setdefault(key, []), number)
        return found


def numerals(text: str, *, claims: bool = True) -> set[Numeral]:
    """The numbers in `text`: Arabic (any width), with commas, kanji, English words; percent is kept apart.

    With `claims` false, doubtful ones (一方, ten) count too: a source may mean them as numbers.
    """
    return {numeral for numeral, _ in _read(text, claims=claims)}


def terms(text: str, language: Language) -> set[str]:
    """The Latin terms of `text` that name something.

    Every Latin word in Japanese; in English abbreviations, words with digits, and capitalised words
    that do not start a sentence.
    """
    text = unicodedata.normalize("NFKC", text)
    found = set[str]()
    for match in _LATIN.finditer(text):
        word = match.group()
        if language == "en":
            starts = (
                not text[: match.start()].rstrip(" \"'“‘(").rstrip()
                or text[: match.start()].rstrip(" \"'“‘(")[-1] in ".!?:"
            )
            named = sum(char.isupper() for char in word) > 1 or any(char.isdigit() for char in word)
            if not named and (starts or not word[0].isupper()):
                continue
        if len(word) > 1:
            found.add(word)
    return found


def check(line: Line, cited: Iterable[int], source: Concordance, language: Language) -> list[Complaint]:
    """What the line says that its spans do not, and where in the source it stands instead.

    `cited` is what its writer named as evidence; `line.evidence` is what of that exists.
    """
    complaints = [
        Complaint(
            line=line.id,
            rule="no-such-evidence",
            ja=f"根拠 [{number}] は出典にありません。番号は 1〜{source.last} です。",
            en=f"Evidence [{number}] is not in the source. Numbers run from 1 to {source.last}.",
        )
        for number in cited
        if number not in source.sentences
    ]
    spans = "\n".join(line.spans)
    supported = numerals(spans, claims=False)
    complaints += [
        _numeral_complaint(line, numeral, supported, source)
        for numeral in sorted(numerals(line.shown) - supported, key=str)
    ]
    if line.grounded:
        known = {_plain(word) for word in _LATIN.findall(unicodedata.normalize("NFKC", spans))}
        for term in sorted(terms(line.shown, language)):
            if _plain(term) not in known:
                ja, en = _elsewhere(source.having_term(term))
                complaints.append(
                    Complaint(
                        line=line.id,
                        rule="term-not-in-evidence",
                        ja=f"「{term}」は根拠 {_list(line.evidence)} にありません。{ja}",
                        en=f"{term!r} is not in its evidence {_list(line.evidence)}. {en}",
                    )
                )
    return complaints


def grounded_share(lines: Iterable[Line]) -> float:
    """Share of the characters, 0–1, that stand in lines with evidence."""
    everything = [(len(line.shown), line.grounded) for line in lines]
    total = sum(length for length, _ in everything)
    return round(sum(length for length, grounded in everything if grounded) / total, 4) if total else 0.0


def figures(text: str, source: Concordance, where: Bilingual) -> list[Complaint]:
    """The numbers of a title, hook or description that stand nowhere in the source."""
    said = numerals(text)
    return [
        Complaint(
            line=None,
            rule="numeral-not-in-source",
            ja=f"{where.ja}の数「{numeral}」は出典にありません。消すか、出典どおりに直してください。",
            en=f"The number {numeral} in the {where.en} stands nowhere in the source: remove it or correct it.",
        )
        for numeral in sorted(said - source.numerals if said else (), key=str)
    ]


def _numeral_complaint(line: Line, numeral: Numeral, supported: set[Numeral], source: Concordance) -> Complaint:
    for other in sorted(supported, key=str):
        if other.value == numeral.value:
            return Complaint(
                line=line.id,
                rule="unit-differs",
                ja=f"「{numeral}」は根拠では「{other}」です。単位を根拠に合わせてください。",
                en=f"{numeral} stands as {other} in the evidence. Use the unit of the evidence.",
            )
    # The same number of something else (2型, 2年) is no evidence: what follows it must agree.
    follows = {after for found, after in _read(line.shown, claims=True) if found == numeral}
    where = source.having_numeral(numeral, follows)
    ja, en = _elsewhere(where)
    if not line.grounded:
        return Complaint(
            line=line.id,
            rule="numeral-without-evidence",
            ja=f"つなぎの行に数「{numeral}」があります。根拠の番号を付けるか、数を消してください。{ja if where else ''}",
            en=f"A framing line has the number {numeral}. Give its evidence or drop the number. {en if where else ''}".strip(),
        )
    return Complaint(
        line=line.id,
        rule="numeral-not-in-evidence",
        ja=f"数「{numeral}」は根拠 {_list(line.evidence)} にありません。{ja}",
        en=f"The number {numeral} is not in its evidence {_list(line.evidence)}. {en}",
    )


def _elsewhere(where: list[int]) -> tuple[str, str]:
    if where:
        return (
            f"{_list(where)} にあります。evidence に加えてください。",
            f"It stands in {_list(where)}: add that to evidence.",
        )
    return (
        "出典のどこにもありません。消すか、出典どおりに直してください。",
        "It stands nowhere in the source: remove it or correct it.",
    )


def _note(places: list[int], number: int) -> None:
    if len(places) < _NAMED:
        places.append(number)


def _list(numbers: Iterable[int]) -> str:
    return "".join(f"[{number}]" for number in numbers)


def _plain(term: str) -> str:
    """A term without case, hyphens and plural."""
    plain = term.casefold().replace("-", "").replace("'s", "").replace("'", "")
    return plain[:-1] if len(plain) > 3 and plain.endswith("s") else plain


def _read(text: str, *, claims: bool) -> Iterator[tuple[Numeral, str]]:
    """The numbers of `text`, each with the character that follows it."""
    # 10⁹ is 10 and 9, not 109; 3.028(23)% is 3.028% with an uncertainty.
    text = unicodedata.normalize("NFKC", _RAISED.sub(lambda match: f"^{match.group()}", text))
    text = _UNCERTAINTY.sub(r"\1\3 (\2)", text)
    for match in _NUMERAL.finditer(text):
        surface = match.group()
        # Not the whole rest: a sentence of a thousand numbers must not take quadratic time.
        behind = _SPACE.match(text, match.end()).end()  # type: ignore[union-attr]
        after = text[behind : behind + _LOOK_AHEAD]
        if match["arabic"]:
            value = _arabic(surface, match["scale"])
        elif match["kanji"]:
            if claims and not _is_claim(surface, after):
                continue
            value = _kanji(surface)
        else:
            words = re.split(r"[ -]", surface.lower())
            if claims and (words == ["one"] or words[0] in _EN_SCALES):
                continue
            value = _english(words)
        unit: Literal["", "%", "pt"] = "pt" if _POINTS.match(after) else "%" if _PERCENT.match(after) else ""
        if after.startswith("割") and not after.startswith(("割合", "割り")):
            value, unit = value * 10, "%"  # 割 is a tenth
        yield Numeral(value, unit), after[:1]


def _is_claim(surface: str, after: str) -> bool:
    if surface in ("万一", "億万"):
        return False
    if surface in ("一", "十") or (len(surface) == 1 and surface in "百千万億兆"):
        return surface != "一" and _COUNTER.match(after) is not None and not after.startswith("分")
    return len(surface) > 1 or _COUNTER.match(after) is not None


def _arabic(surface: str, scale: str | None) -> Decimal:
    plain = surface.replace(",", "")
    if scale:
        return Decimal(re.match(r"[\d.]+", plain)[0]) * _EN_SCALES[scale.lower()]  # type: ignore[index]
    total = Decimal(0)
    for number, units in re.findall(r"(\d+(?:\.\d+)?)([百千万億兆]*)", plain):
        value = Decimal(number)
        for unit in units:
            value *= (_SMALL | _LARGE)[unit]
        total += value
    return total


def _kanji(surface: str) -> Decimal:
    if all(char in _DIGITS for char in surface):
        return Decimal("".join(str(_DIGITS[char]) for char in surface))
    total = section = digit = 0
    for char in surface:
        if char in _DIGITS:
            digit = digit * 10 + _DIGITS[char]
        elif char in _SMALL:
            section += (digit or 1) * _SMALL[char]
            digit = 0
        else:
            total += (section + digit or 1) * _LARGE[char]
            section = digit = 0
    return Decimal(total + section + digit)


def _english(words: list[str]) -> Decimal:
    total = current = 0
    for word in words:
        if word == "hundred":
            current = (current or 1) * 100
        elif word in _EN_SCALES:
            total += (current or 1) * _EN_SCALES[word]
            current = 0
        else:
            current += _EN[word]
    return Decimal(total + current)
