"""A source sentence as a narrator tells it: shorter, in the third person, without what dangles."""

from __future__ import annotations

import re

from hybrid_mcp.languages import Language
from hybrid_mcp.script.model import Style
from hybrid_mcp.script.polite import polite
from hybrid_mcp.script.roles import unlabelled
from hybrid_mcp.script.source import Source

# Sentences that point back in their first words need the one before them.
_POINTS_BACK: dict[Language, re.Pattern[str]] = {
    "ja": re.compile(
        r".{,12}?(?:これ(?!まで|から)|それ(?!ぞれ)|この(?!研究|論文)|その(?!結果|ため)|こう(?:し|い)|両者|前者|後者)|同(?:手法|様)"
        r"|すなわち|つまり"
    ),
    "en": re.compile(
        r"(?:This(?! (?:paper|study|work))|These|That|Those|It|Its|They|Their|Such|Both|The (?:former|latter)"
        r"|That is|In other words)\b"
    ),
}
# They point at everything before, not at one sentence.
_SUMS_UP: dict[Language, re.Pattern[str]] = {
    "ja": re.compile(r"(?:これら(?:の(?:結果|知見|成果))?|以上)"),
    "en": re.compile(r"(?:These (?:results|findings|data|observations))\b"),
}
# Connectives that make no sense when the sentence before is another one.
_CONNECTIVE: dict[Language, re.Pattern[str]] = {
    "ja": re.compile(
        r"^(?:しかし(?:ながら)?|また|さらに|加えて|一方(?:で)?|そこで|そのため|したがって|よって|ただし?|なお|特に|とりわけ|"
        r"その結果|結果として|すなわち|つまり|例えば|まず|次に|最後に|ところが|だが|逆に|実際(?:に)?|そして)"
        r"(?:[、，,]\s*|(?=(?:本|この)(?:研究|論文|稿|報告|試験|実験|調査)|我々|われわれ|私たち|筆者ら|著者ら))"
    ),
    # Without a comma some of them are something else: first experiments, second harmonics.
    "en": re.compile(
        r"^(?:(?:However|Moreover|Furthermore|In addition|Additionally|Therefore|Thus|Hence|Consequently|As a result|"
        r"In contrast|By contrast|On the other hand|In particular|Nevertheless|But|And),?\s+"
        r"|(?:Also|Specifically|For example|First|Second|Finally|Then|Yet|Conversely|Indeed|In fact|Instead),\s+)"
    ),
}
_YEAR = r"(?:19|20)\d{2}[a-z]?(?:,\s*pp?\.\s*[\d–-]+)?"
_WORK = (
    r"(?:(?!NGC|Jan|Feb|Mar(?:ch)?\s|Apr|May\s|June?\s|July?\s|Aug|Sep|Oct|Nov|Dec|In\s|Since\s)"
    rf"[A-Z][A-Za-z'’-]*[a-z][^（）()=;；\d]{{0,80}}[,\s]\s*{_YEAR}|[A-Z][A-Za-z]+,\s*{_YEAR}"
    rf"|[一-鿿々ァ-ヶー・]{{1,12}}(?:(?:ら|他|ほか)\s*[,，、]?|[,，、])\s*{_YEAR})"
)
_CITATION = re.compile(
    # [12], [3,4], [1–3]; not [2+2], [0,1] or [2]rotaxane.
    r"\s*(?:\[[1-9]\d{0,2}(?:\s*[-–,、，]\s*[1-9]\d{0,2})*\](?![A-Za-z-])"
    rf"|[（(](?:(?:see|cf\.|e\.g\.),?\s+)?{_WORK}(?:\s*[;；]\s*{_WORK})*[）)]"
    r"|[（(][^（）()=]{0,200}\bet al\b[^（）()=]{0,200}[）)]"
    r"|[（(](?:(?:図|表)\s*[0-9０-９A-Z]|(?i:fig(?:ure)?s?\.?|tables?)\s*[0-9A-Z]|see\s)[^（）()]{0,200}[）)])"
)
_ASIDE = re.compile(r"\s*[（(]([^（）()]*)[）)]")
_ABBREVIATION = re.compile(r"[A-Z][A-Za-z0-9-]{1,11}")
# (a), (iii), (2): what a sentence counts its parts by.
_MARK = re.compile(r"[A-Za-zａ-ｚα-ω]|[ivx]{1,4}|[0-9０-９]{1,2}")
_STATISTIC = re.compile(
    r"(?<![A-Za-z])[pPｐＰ]\s*(?:値|[<>=＜＞＝≤≥])|±|\b(?:[AO]?HR|OR|RR|CI|SD|SE|SEM|IQR)\b|信頼区間|四分位|標準(?:偏差|誤差)"
    r"|(?<![A-Za-z])[nNｎ]\s*[=＝]|confidence interval|interquartile"
)
# Asides that change what the sentence says.
_LIMITS = re.compile(r"ただし|除く|除き|または|又は|あるいは|と考えられ|\b(?:except|but|or|not)\b|を除|に限る|ではな")
_OPERATORS = frozenset("+-−–×·*/^=±+<>≤≥~→←⇌∝∈")
_IN_FORMULA = frozenset("%％‰°′'_") | _OPERATORS
# Read by a third person, a paper's "we" are its authors.
_SELF: dict[Language, tuple[tuple[re.Pattern[str], str], ...]] = {
    "ja": (
        (
            re.compile(r"(?:我々|われわれ|筆者ら|著者ら|私たち)(?=[はが]|の(?:研究|モデル|手法|結果|解析|実験))"),
            "研究チーム",
        ),
    ),
    "en": (
        (re.compile(r"^We\b"), "The authors"),
        (re.compile(r"\b(?:Here|In this (?:paper|work|study|article)),? we\b"), "In this paper, the authors"),
        (re.compile(r"\bwe\b"), "they"),
        (re.compile(r"^Our\b"), "The authors'"),
        (re.compile(r"\bour\b"), "their"),
    ),
}
# Not in 日本研究, 標本調査.
_THIS: dict[Language, tuple[tuple[re.Pattern[str], str], ...]] = {
    "ja": (
        (re.compile(r"(?<![一-鿿々])本(?:論文|稿|報告)"), "この論文"),
        (re.compile(r"(?<![一-鿿々])本(?=研究|成果|手法|試験|実験|調査)"), "この"),
    ),
    "en": (),
}


def points_back(text: str, language: Language) -> bool:
    """Whether a sentence makes no sense without the one before it."""
    return _POINTS_BACK[language].match(unlabelled(text)) is not None


def sums_up(text: str, language: Language) -> bool:
    """Whether a sentence points at all that was told, so that it may open a section."""
    return _SUMS_UP[language].match(unlabelled(text)) is not None


def asks(text: str) -> bool:
    """Whether a sentence is a question, which the next one answers."""
    return re.search(r"(?:[?？]|か。)[」』）)]*$", text) is not None


def uncited(text: str) -> str:
    """A sentence without its citations and label."""
    return _CITATION.sub("", unlabelled(text))


def told(text: str, style: Style, language: Language, *, follows: bool, source: Source) -> str:
    """A source sentence as it is told: shorter, in the narrator's voice, without dangling connectives."""
    words = uncited(text)
    if style == "academic":
        return words.strip()
    words = _ASIDE.sub(lambda aside: _kept(aside, style, source), words)
    if not follows:
        words = _CONNECTIVE[language].sub("", words)
        if language == "en":
            words = words[:1].upper() + words[1:]
    for pattern, replacement in (*_THIS[language], *(_SELF[language] if source.paper is not None else ())):
        words = pattern.sub(replacement, words)
    words = words.strip()
    return polite(words) if language == "ja" else words


def _kept(aside: re.Match[str], style: Style, source: Source) -> str:
    """What stays of an aside: nothing, unless the sentence would say something else without it."""
    inside = aside[1].strip()
    left, right = aside.string[: aside.start()], aside.string[aside.end() :]
    statistic = _STATISTIC.search(inside) is not None
    if (
        _MARK.fullmatch(inside)
        or _formula(right[:1])
        or (right[:1] == " " and right[1:2] in _OPERATORS)
        or re.match(r"と(?:名|呼|称)", right)
    ):
        return aside.group()
    if statistic:
        return aside.group() if style == "educational" else ""
    touches = aside.group()[0] in "（(" and _formula(left[-1:])
    if touches or left.rstrip()[-1:] in _OPERATORS or _LIMITS.search(inside):
        return aside.group()
    if _ABBREVIATION.fullmatch(inside) and sum(inside in sentence.text for sentence in source.body) > 1:
        return aside.group()  # introduces an abbreviation that the source goes on to use
    return ""


def _formula(char: str) -> bool:
    """Whether a character beside a bracket makes the bracket a part of a name, a formula or a number."""
    return char in _IN_FORMULA or (char.isalnum() and not re.match(r"[ぁ-ヿ一-鿿々]", char))
