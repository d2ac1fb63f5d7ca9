"""What a voice reads for text shown on screen: numbers, units and symbols written out."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from hybrid_mcp.languages import Language
from hybrid_mcp.script.readings import PAUSE, rules
from hybrid_mcp.script.symbols import GREEK

_SUPER: Final = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿ", "0123456789+-()n")
_RAISED: Final = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿ]+")
_SUBSCRIPTS: Final = "₀₁₂₃₄₅₆₇₈₉"
_FRACTIONS: Final = dict(zip("½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞", "1/2 1/3 2/3 1/4 3/4 1/5 2/5 3/5 4/5 1/6 5/6 1/8 3/8 5/8 7/8".split(), strict=True))  # fmt: skip
# Normal forms of these would change how Japanese is set, or turn a wave into a tilde.
_KEPT: Final = frozenset("！？（）［］；～＿｛｝")
_WIDE_MARKS: Final = {"．": ".", "，": ",", "：": ":"}
# Every character that has a compatible plain one, except CJK ideographs and Hangul.
_COMPATIBLE: Final = re.compile(
    "[ªºŀŁ\u00a0²³¹µ¼-¾Ĳ-ĳŉǄ-ǌǱ-ǳʰ-ʸϐ-ϖϰ-ϵᴬ-ᵪ\u2000-\u200a\u202f\u205f\u2070-\u209c℀-⅏⅐-ⅿ①-⓿㈀-㏿ﬀ-ﬆ！-￮𝐀-𝟿🄀-🄊]"
)
_SAME: Final = str.maketrans(
    {
        "‐": "-", "‑": "-", "‒": "–", "―": "—", "∼": "~", "≃": "≈", "≅": "≈", "≒": "≈", "⩽": "≤", "⩾": "≥", "≦": "≤",
        "≧": "≥", "≪": "<", "≫": ">", "⟶": "→", "⇒": "→", "➡": "→", "➔": "→", "⟹": "→", "⇔": "↔", "⇌": "↔", "✕": "×",
        "✖": "×", "∗": "*", "∕": "/", "⁄": "/", "∶": ":", "′": "'", "﹣": "-",
        "☉": "⊙",
    }
)  # fmt: skip

_URL: Final = re.compile(
    r"(?:https?://|www\.)[!-'*-;=?-Z_a-z~\[\]]+(?<![.,;:!?])|\b(?:doi:\s*)?10\.[0-9]{4,9}/[!-'*-;=?-Z_a-z~]+(?<![.,;:!?])",
    re.IGNORECASE,
)
_LINK: Final = {"ja": "リンク", "en": "link"}
_MARKDOWN: Final = (
    (re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*\)"), r"\1"),  # [text](address)
    (
        re.compile(r"^[ \t]*(?:#{1,6}[ \t]+|>[ \t]+|[-*+•◦▪●○■・‣–][ \t]+)", re.MULTILINE),
        "",
    ),  # headings, quotations, bullets
    (re.compile(r"^[ \t]*•", re.MULTILINE), ""),
    (re.compile(r"^[ \t]*(?:[-*_][ \t]*){3,}$", re.MULTILINE), ""),  # rules between sections
    (re.compile(r"\*{2,}|_{2,}|~~|`+"), ""),
    (re.compile(r"(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])"), r"\1"),  # *emphasis*; 5*3 is a product
    (re.compile(r"(?<=[A-Za-z0-9])_(?=[A-Za-z])"), " "),  # file_name
)
_TAG: Final = re.compile(
    r"<(/?)(?:jats:)?(sub|sup|p|i|b|u|em|strong|italic|bold|br|title|sec|span|div|li|ul|ol)(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
_ENTITIES: Final = {"&lt;": "<", "&gt;": ">", "&amp;": "&", "&nbsp;": " ", "&quot;": '"'}
_TEX_SYMBOLS: Final = {
    "times": "×", "cdot": "·", "pm": "±", "mp": "∓", "sim": "~", "approx": "≈", "simeq": "≈", "leq": "≤", "le": "≤",
    "geq": "≥", "ge": "≥", "lesssim": "<", "gtrsim": ">", "ll": "<", "gg": ">", "neq": "≠", "to": "→", "rightarrow": "→",
    "infty": "∞", "sqrt": "√", "propto": "∝", "circ": "°", "sum": "∑", "int": "∫", "partial": "∂", "nabla": "∇", "in": "∈",
    "varepsilon": "ε", "varphi": "φ", "ell": "l", "hbar": "h", "odot": "⊙", "AA": "Å",
    **{name: letter for letter, name in reversed(GREEK["en"].items())},
    **{name.capitalize(): letter.upper() for letter, name in reversed(GREEK["en"].items())},
}  # fmt: skip
_TEX: Final = re.compile(r"\\([A-Za-z]+)\s?|\\([%$&#_{},;! ])")
# $…$ is a formula if something in it is no amount: $p$, $10^6$, but not 「$5から$10」.
_FORMULA: Final = re.compile(r"\$(?=[^$\n]*[\\^_={<>]|[A-Za-z]+\$)([^$\n]{1,200})\$")

_PRIME: Final = re.compile(r"(?<![0-9])([35])['’](?=[- ]|末端|側|非翻訳|上流|下流)")  # ends of nucleic acids
_QUOTES: Final = re.compile(r"(?:[「」『』“”„\"«»‹›]|(?<![A-Za-z])['‘’]|['‘’](?![A-Za-z]))+")
_OPEN: Final = "（([［【〔{｛《〈⟨"
_CLOSE: Final = "）)]］】〕}｝》〉⟩"
_BRACKETS: Final = re.compile(
    rf"[ \t]{{0,9}}[{re.escape(_OPEN)}]+[ \t]*|[ \t]{{0,9}}[{re.escape(_CLOSE)}]+(?P<gap>[ \t]*)"
)
_EMPTY: Final = re.compile(rf"(?:[{re.escape(_OPEN)}][ \t]?){{1,8}}(?:[ \t]?[{re.escape(_CLOSE)}]){{1,8}}")
# Emoji, pictures, box drawing, invisible characters; not ° ♂ ♀ and not arrows, which are read.
_UNHEARD: Final = re.compile(
    "[\u00ad©®\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\u20d0-\u20ff†‡™⌀-⏿─-♁♃-♥♧-⛿✀-➿⬀-⯿⸀-\u2e7f〄〒〓\ue000-\uf8ff"
    "\ufe00-\ufe0f\ufeff\ufff9-\ufffd🀀-🃿🄋-\U0001faff\U000e0000-\U000e01ef]+"
)
_STOPS: Final = "、。，．,.!?！？;；:：…"
_PAUSES: Final = re.compile(
    rf"(?P<before>[{_STOPS}\n]?[ \t]{{0,9}})(?P<marks>{PAUSE}[{PAUSE} \t]*)(?P<after>[{_STOPS}\n]?)"
)


def speakable(text: str, language: Language) -> str:
    """What a voice should read for `text`: no symbol that it would spell, skip or stumble over.

    Numbers stay digits, without thousands separators; 「5-10 mg/kg」 becomes 「5から10ミリグラムパーキログラム」,
    "p<0.05" "p less than 0.05". Markup, emoji and quotation marks are dropped, brackets become commas,
    addresses one word. Words are left alone: Latin ones get their kana elsewhere. Applying it twice
    changes nothing more. A symbol with several meanings is read by what stands around it, and
    sometimes wrongly (3/10 may have been a day).
    """
    # Dropping a mark can bring a pattern together (5「-」10). Every round leaves fewer marks, so this ends;
    # nearly always the second round finds nothing to do.
    for _ in range(8):
        before, text = text, _once(text, language)
        if text == before:
            break
    return text


def _once(text: str, language: Language) -> str:
    text = _unmarked(_plain(text), language)
    text = _PRIME.sub(r"\1 prime" if language == "en" else r"\1プライム", text)
    text = _QUOTES.sub(_apart, text)
    for rule in rules(language):
        text = rule(text)
    text = _BRACKETS.sub(_pause, _EMPTY.sub(_apart, text))
    return _PAUSES.sub(lambda match: _comma(match, language), text)


def _apart(match: re.Match[str]) -> str:
    """Nothing, or a space where dropping the match would join two words or numbers into one."""
    text, start, end = match.string, match.start(), match.end()
    joins = start > 0 and end < len(text) and _latin(text[start - 1]) and _latin(text[end])
    return " " if joins else ""


def _latin(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _untagged(match: re.Match[str]) -> str:
    """Tags stand inside words and formulas (CO<sub>2</sub>), where only two numbers must not be joined."""
    if match[2].lower() == "sup" and not match[1]:
        return "^"
    around = match.string[: match.start()][-1:] + match.string[match.end() :][:1]
    return " " if len(around) == 2 and around.isdigit() else ""


def _plain(text: str) -> str:
    """`text` in plain characters: half-width letters, powers as ^, no emoji."""
    text = unicodedata.normalize("NFC", text)
    if text.isascii():
        return text
    text = _RAISED.sub(_raised, text).translate(_SAME)
    return unicodedata.normalize("NFC", _COMPATIBLE.sub(_half_width, _UNHEARD.sub(_apart, text)))


def _raised(match: re.Match[str]) -> str:
    """A power as ^6, a charge (Ca²⁺) as 2+, a note behind a word (示された¹²) as a number of its own."""
    before = match.string[: match.start()][-1:]
    run = match.group().translate(_SUPER)
    follows = " " if _latin(match.string[match.end() :][:1]) else ""
    if run[-1] in "+-":
        return " " * before.isdigit() + run.replace("-", "−") + follows
    if before and (_latin(before) or before in ")°Å%‰" or (before.isalpha() and not _is_japanese(before))):
        return "^" + run + follows
    return " " * before.isdigit() + run + follows


def _half_width(match: re.Match[str]) -> str:
    """Full-width letters, half-width kana, ㎏, Ⅱ, 𝑝, ﬁ, no-break spaces; what is Japanese keeps its width."""
    text, start, end = match.string, match.start(), match.end()
    before, after = text[:start][-1:], text[end:][:1]
    char = match.group()
    if char in _WIDE_MARKS:  # inside a number: ３．５, １，２３４, １０：３０
        return _WIDE_MARKS[char] if before.isdigit() and after.isdigit() else char
    if char in _KEPT:
        return char
    plain = _FRACTIONS.get(char) or unicodedata.normalize("NFKC", char)
    if unicodedata.category(char) == "Nd" or not plain[0].isdigit():
        return plain
    # ①, ½, ₂: 3½ is not 31/2, ①2 not 12; log₂8 not log28
    return (
        " " * (before.isnumeric() and before not in _SUBSCRIPTS)
        + plain
        + " " * (after.isdigit() and after not in _SUBSCRIPTS)
    )


def _is_japanese(char: str) -> bool:
    return not char.isascii() and unicodedata.name(char, "").startswith(("HIRAGANA", "CJK", "KATAKANA"))


def _unmarked(text: str, language: Language) -> str:
    """`text` without Markdown, HTML, TeX and addresses."""
    for pattern, replacement in _MARKDOWN[:1]:
        text = pattern.sub(replacement, text)
    text = _URL.sub(_LINK[language], text)
    text = _FORMULA.sub(_unwrapped, text)
    if "\\" in text:
        text = _TEX.sub(lambda match: _TEX_SYMBOLS.get(match[1], "") if match[1] else match[2].strip(" ,;!"), text)
        text = re.sub(r"_\{?([A-Za-z0-9]+)\}?", r"\1", text)
    text = _TAG.sub(_untagged, text)
    for entity, char in _ENTITIES.items():
        text = text.replace(entity, char)
    text = text.replace("<=", "≤").replace(">=", "≥").replace("->", "→").replace("=>", "→").replace("!=", "≠")
    for pattern, replacement in _MARKDOWN[1:]:
        text = pattern.sub(_unwrapped if replacement == r"\1" else replacement or _apart, text)
    return text


def _unwrapped(match: re.Match[str]) -> str:
    """What the marks hold, set apart where it would lengthen a number."""
    inside = match[1]
    before, after = match.string[: match.start()][-1:], match.string[match.end() :][:1]
    return (
        " " * (before + inside[:1]).isdigit() * bool(before)
        + inside
        + " " * (inside[-1:] + after).isdigit() * bool(after)
    )


def _pause(match: re.Match[str]) -> str:
    # Behind a pause a particle is read as the letter it is written with (、は → ハ), and nobody would pause there.
    if match["gap"] is not None and re.match("[ぁ-ん]", match.string[match.end() :]):
        return ""
    return PAUSE + (match["gap"] or "")


def _comma(match: re.Match[str], language: Language) -> str:
    """A comma where brackets stood, unless something pauses there already or the line begins or ends."""
    before, after = match["before"], match["after"]
    start, end = match.start("marks") - len(before), match.end()
    if not after and end == len(match.string):
        return before.rstrip() if before.strip() else ""
    if start == 0 and not before.strip():
        return after.strip(_STOPS) if after != "\n" else after
    if before.strip() or before.startswith("\n"):
        if after:
            return before.rstrip() + (after if after not in "、，,." else "")
        return before.rstrip() + " " if language == "en" and before[0] in _STOPS else before
    if after:
        return after
    return "、" if language == "ja" else ", "
