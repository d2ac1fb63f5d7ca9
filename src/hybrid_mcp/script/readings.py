"""How numbers and symbols are read: one table of rules for each language, applied in order."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from hybrid_mcp.languages import Language
from hybrid_mcp.script.symbols import ABBREVIATIONS, GREEK, MONEY, SUNS, SYMBOLS
from hybrid_mcp.script.units import NUMBER, PER_TIME, measured

PAUSE: Final = "\ue000"
"""Where a bracket was: becomes a comma if nothing else pauses there. A private character no text contains."""

Rule = Callable[[str], str]

_DASH: Final = r"[-−–—〜～~]"
# Not the tail of a name, number, date or id: IL-6, 2021-03-05, 3.5, v2.
_ALONE: Final = r"(?<![A-Za-z0-9_.\-/^])"
_COUNTERS: Final = "人名例件匹個社校"
_EN_FRACTIONS: Final = {2: "half", 3: "third", 4: "quarter", 5: "fifth", 6: "sixth", 8: "eighth", 10: "tenth"}


def _rule(pattern: str, replacement: str | Callable[[re.Match[str]], str]) -> Rule:
    # ASCII: in Japanese, words are not set apart, so a \b or \w that knew kana would miss 「は10:30に」.
    compiled = re.compile(pattern, re.ASCII)
    return lambda text: compiled.sub(replacement, text)


def _by_language(ja: str, en: str) -> dict[Language, str]:
    return {"ja": ja, "en": en}


def rules(language: Language) -> tuple[Rule, ...]:
    """What turns text with plain characters and no markup into what is read, in order."""
    return _RULES[language]


def _ascending(low: str, high: str) -> bool:
    """Whether two numbers may be the ends of a range; 03-1234 is a telephone."""
    return float(low) < float(high) and not re.match(r"0[0-9]", low)


def _range(language: Language) -> Callable[[re.Match[str]], str]:
    to, minus, plus = (("から", "マイナス", "プラス"), (" to ", "minus ", "plus "))[language == "en"]

    def read(match: re.Match[str]) -> str:
        low, dash, sign, high = match["low"], match["dash"].strip(), match["sign"], match["high"]
        sign = "" if sign is None else plus if sign in ("+", plus) else minus
        rising = bool(sign) or _ascending(low, high)
        if dash == "−" and not rising:
            return f"{low}{minus if language == 'ja' else ' ' + minus}{high}"
        if dash == "-" and not rising:
            return match.group()
        return f"{low}{to}{sign}{high}"

    return read


def _common(language: Language) -> tuple[Rule, ...]:
    """What is the same grammar in both languages."""
    en = language == "en"
    to, by, minus, plus, power, ratio, gap = (
        (" to ", " times ", "minus ", "plus ", " to the power of ", " to ", " ")
        if en
        else ("から", "かける", "マイナス", "プラス", "の", "タイ", "")
    )
    close = "" if en else "乗"

    def raised(match: re.Match[str]) -> str:
        base, exponent = match["base"], match["exponent"].strip("{}()")
        if en and exponent in ("2", "3") and not base[-1].isdigit():
            return f"{base} {'squared' if exponent == '2' else 'cubed'}"
        return f"{base}{power}{re.sub('^[-−–]', minus, exponent)}{close}"

    def ratios(match: re.Match[str]) -> str:
        return (
            match.group().replace(":", ratio).replace(" ", "") if not en else re.sub(r"\s?:\s?", ratio, match.group())
        )

    suns = SUNS[language]
    return (
        _rule(
            r"(?P<gap>(?<=[0-9)])\s?)?(?<![A-Za-z])(?P<letter>[LMR])_?\s?\{?⊙\}?",
            lambda match: (" " * en if match["gap"] is not None else "") + suns[match["letter"]],
        ),
        # BALB/c, C57BL/6J: strains of mice are no quotients
        _rule(r"(?<![A-Za-z0-9])(BALB|DBA|C3H|FVB|NOD|MRL|AKR|CBA|SJL|A(?=/J))/(?=(?:c|He[JN]|N|J|lpr|SCID|scid|ShiLtJ|[12])(?![a-z0-9]))", r"\1-"),
        _rule(r"(?<![A-Za-z0-9])C57BL/(?=[0-9K])", "C57BL"),
        # 1,234,567; a list of numbers (1,2,3) has no groups of three
        _rule(r"(?<![0-9.,])[0-9]{1,3}(?:,[0-9]{3})+(?![0-9]|,[0-9])", lambda match: match.group().replace(",", "")),
        # p < .05
        _rule(r"(?<![0-9A-Za-z.)\]])\.(?=[0-9])", "0."),
        *(() if en else _CLOCK),
        # 3:1, 1:2:4; what is left of 10:30:15 reads no worse
        _rule(rf"(?<![\w.:]){NUMBER}(?:\s?:\s?{NUMBER})+(?![0-9:]|\.[0-9])" if not en else
              r"(?<![\w.:])(?!(?:[01]?[0-9]|2[0-4]):[0-5][0-9]\b(?!:))[0-9.]+(?:\s?:\s?[0-9]+)+(?![\w:])", ratios),
        # 6.02 × 10^23, and ×10−3 or ×10-3, whose superscript was lost
        _rule(r"×\s?10\s?(?P<exponent>[-−][0-9]+)", r"×10^\g<exponent>"),
        # 5e-8
        _rule(r"(?<![\w.])([0-9.]+)[eE](?=[-−][0-9]{1,3}(?!\w))", r"\1×10^"),
        # −5, -5℃; a hyphen behind a name (IL-6, インターロイキン-6) is none, nor one between words
        _rule(r"(?<![A-Za-z0-9_^{)\]ァ-ヶー一-龥.\-])[-−–](?=[0-9])", minus),
        measured_rule(language),
        # 10^6, x^2, 10^{-3}, R^2; units have had their powers
        _rule(
            r"(?P<base>[0-9A-Za-zα-ω)ァ-ヶー])\s?\^(?P<exponent>\{[^{}^]{1,8}\}|\([-−–]?[0-9]+\)|[-−–]?(?:[0-9]+(?:\.[0-9]+)?|[a-z](?![a-z])))",
            raised,
        ),
        measured_rule(language),
        # 5-10, 0.5–0.7, −20〜−10: alone, rising, and not followed by another group of an id
        _rule(
            rf"{_ALONE}(?P<low>{NUMBER})(?P<dash>\s?{_DASH}\s?)(?P<sign>[-−+]|{minus}|{plus})?(?P<high>{NUMBER})(?![0-9]|[-/:.][0-9]|\s?=)",
            _range(language),
        ),
        measured_rule(language),
        _rule(r"(?<=[0-9])\s?[−-]\s?(?=[0-9.]+\s?=)", f"{gap}{minus}"),
        # 3×4, 3 x 4 (0x1F is a number), 40×
        _rule(rf"(?<![A-Za-z])(?<![0-9A-Za-z]0)(?<=[0-9])\s?[×*]\s?(?={NUMBER}|10)", by),
        _rule(r"(?<![A-Za-z0-9.])((?!0x)[0-9.]+)x(?=[0-9]+(?![0-9A-Za-z]))", rf"\1{by}"),
        _rule(r"(?<=[0-9])\s?[×x](?![\w\s×])(?!\s?[0-9A-Za-zα-ω])" if not en else r"(?<=[0-9])[×x](?=\s[a-z]|[,.)])",
              " times" if en else "倍"),
        # 5 mg–10 mg, 2010年〜2020年: a dash between two quantities; the hyphen only between equal units
        _rule(rf"(?<=[ァ-ヶー一-龥])(?:[–—〜～~]|\s[–—〜～~]\s)(?=[0-9]|{minus})|(?<=[0-9年月日歳時])[〜～](?=$|[、。）)])" if not en else r"(?<=[a-z])\s?[–—]\s?(?=[0-9])(?<=[ts]\s)", to),
        _rule(r"(?<=[0-9])((?:[ァ-ヶー]|平方|立方|毎|秒)+|[年月日歳])-(?=[0-9.]+\1)", r"\1から"),
        # ~5, ≈5; between two values it says that they are nearly equal
        _rule(r"(?<![\w)\]}])\s?[~〜≈]\s?(?=[0-9]|マイナス)", "about " if en else "約"),
        _rule(r"(?<=[=<>≤≥])\s?[~≈]\s?(?=[0-9])", " about " if en else "約"),
        _rule(r"\s?[≈~]\s?(?=[0-9])", " is about " if en else "は約"),
    )  # fmt: skip


def measured_rule(language: Language) -> Rule:
    """Units; called again wherever a rule before has brought a number to its unit."""
    return lambda text: measured(text, language)


def _clock(match: re.Match[str]) -> str:
    hour, minute, second = match["hour"], match["minute"], match["second"]
    if hour == "1" and not match["noon"]:  # 1:10 is a dilution
        return match.group()
    late = f"{second}秒" if second else ""
    return f"{match['noon'] or ''}{hour}時" + ("" if minute == "00" and not late else f"{minute}分{late}")


def _date(match: re.Match[str]) -> str:
    return f"{match['year']}年{match['month']}月{match['day']}日"


_CLOCK: Final = (
    # 2021-03-05 and 2021/3/5, which would be spelt digit by digit
    _rule(
        r"(?<![\w./-])(?P<year>(?:1[5-9]|20)[0-9]{2})(?P<mark>[-/.])(?P<month>0?[1-9]|1[0-2])(?P=mark)"
        r"(?P<day>0?[1-9]|[12][0-9]|3[01])(?![\w./-])",
        _date,
    ),
    # 10:30, 9:05; 12:12時間 and 10:30の比 are ratios
    _rule(
        r"(?<![\w.:])(?P<noon>午[前後]\s?)?(?P<hour>[01]?[0-9]|2[0-4]):(?P<minute>[0-5][0-9])(?::(?P<second>[0-5][0-9]))?"
        r"(?![0-9:]|\.[0-9]|\s?(?:時間|h\b|の?(?:比|割合)))",
        _clock,
    ),
)


def _fraction_ja(match: re.Match[str]) -> str:
    above, below = match["above"], match["below"]
    # 3/11 and 12/25 are days; 24/30 without a counter is anything
    if int(above) >= int(below) or (int(above) > 1 and int(below) > 10) or below.startswith("0"):
        return match.group()
    return f"{below}分の{above}"


def _fraction_en(match: re.Match[str]) -> str:
    above, below = int(match["above"]), int(match["below"])
    if not 0 < above < below or below not in _EN_FRACTIONS:
        return match.group()
    return ("one " if above == 1 else f"{above} ") + _EN_FRACTIONS[below] + ("s" if above > 1 else "")


def _comparison_ja(match: re.Match[str]) -> str:
    left, operator, value = match["left"] or "", match["operator"], match["value"]
    after = {"<": "未満", "≤": "以下", ">": "超", "≥": "以上", "=": ""}[operator]
    if left in ("p", "P"):
        left += "値"
    before, after_it = match.string[: match.start()][-1:], match.string[match.end() :]
    # 効果量はd=0.42: it has its topic already
    told = re.search(r"[はが]\s?[A-Za-z0-9' ]*\Z", match.string[max(0, match.start() - 24) : match.start()]) is not None
    topic = "は" if left or before.isdigit() else ""  # in 0=x<1 the 0 belongs to the comparison before
    # (n=24) and p=0.03だった are statements; BMI≥30の割合 and n≥3のとき qualify what follows
    if topic and (told or re.match(r"\s?[のなをに一-龥]", after_it)):
        topic = "が"
    # z=7.5に位置する: が would be the subject of what follows
    goes_on = re.match(r"\s?(?:[のをに]|で(?![あしす]))", after_it)
    if operator == "=" and (not left or left[-1].isdigit() or told or goes_on):
        topic = "イコール"
    return f"{left}{topic}{value}{after}"


# A quantity: 0.05, マイナス5度, 18歳, 5から10ミリグラム, 10のマイナス3乗
_QUANTITY_JA: Final = (
    rf"(?:約|マイナス|プラス)?{NUMBER}(?:かける{NUMBER})?(?:の(?:マイナス)?[0-9]+乗)?(?:プラスマイナス{NUMBER})?"
    r"(?:(?:平方|立方|電子|塩基つい|国際単位|重量|[ァ-ヶー])+(?:毎[秒分時])*|[歳年月日人名例回倍点週度個種匹本割秒分件社校]|[かヶカ]月|時間)?"
)


def _money(language: Language) -> Callable[[re.Match[str]], str]:
    def read(match: re.Match[str]) -> str:
        ja, en = MONEY[match["sign"]]
        amount = match["amount"]
        if language == "ja":
            return f"{amount}{ja}"
        one = amount == "1" or en == "yen"
        return f"{amount} {en}{'' if one else 's'}"

    return read


def _money_rule(language: Language) -> Rule:
    scale = r"(?:[万億兆千]+)?" if language == "ja" else r"(?:\s(?:thousand|[mbtr]+illion))?"
    return _rule(
        rf"(?<![A-Za-z0-9])(?:US|A|C)?(?P<sign>[$€¥£])\s?(?P<amount>{NUMBER}(?:から{NUMBER}|\sto\s{NUMBER})?{scale})"
        r"(?![0-9])(?:USD)?",
        _money(language),
    )


def _abbreviations(language: Language) -> tuple[Rule, ...]:
    position = 1 if language == "ja" else 2
    found = []
    for row in ABBREVIATIONS:
        pattern = (
            row[0] if language == "en" else r"\s?" + row[0] + r"\s?" if row[1] in ("ら", "対") else row[0] + r"\s?"
        )
        found.append(_rule(pattern, row[position]))
    return tuple(found)


def _spelt(table: dict[str, str], *, spaced: bool) -> Rule:
    """Every symbol by its reading; in English with a space where a letter or digit follows or precedes."""
    pattern = re.compile(f"[{re.escape(''.join(table))}]")

    def read(match: re.Match[str]) -> str:
        reading = table[match.group()]
        if not spaced:
            return reading
        text, start, end = match.string, match.start(), match.end()
        before = (
            " " if start and (text[start - 1].isalnum() or text[start - 1] in table or text[start - 1] in ")%") else ""
        )
        after = " " if end < len(text) and text[end].isalnum() else ""
        return before + reading + after

    return lambda text: pattern.sub(read, text)


_PERIODS: Final = {**PER_TIME, "時": "マイジ", "週間": "パーウィーク", "月": "パーマンス"}
_EVENTS: Final = "回拍人名例件匹個本杯頭粒枚台"
_LONG: Final = {"週": "週", "月": "月", "年": "ネン"}  # 年あたり would be としあたり
_RATES: Final = (
    # 12.5/1000人年
    _rule(rf"(?<![\w./-])({NUMBER})\s?/\s?([0-9]+[百千万億]?)\s?(人[年月日])", r"\2\3あたり\1"),
    # 3回/週 → 週あたり3回
    _rule(
        rf"(?<![A-Za-z0-9.\-/^])(?P<much>(?:{NUMBER}(?:から|プラスマイナス|±))?{NUMBER}\s?[{_EVENTS}日])\s?/\s?(?P<period>週|月|年)(?![一-龥間])",
        lambda match: f"{_LONG[match['period']]}あたり{match['much']}",
    ),
    # 72回/分, 10ミリグラム/日
    _rule(
        rf"(?<=[{_EVENTS}分間歩ァ-ヶー])\s?/\s?(?P<period>時間|週間|[秒分時日週月年])(?![一-龥])",
        lambda match: _PERIODS[match["period"]],
    ),
    _rule(r"(?<=[0-9])\s?/\s?(?P<period>時間|[秒分])(?![一-龥])", lambda match: _PERIODS[match["period"]]),
    _rule(r"(?<=[ァ-ヶー])\s?/\s?(?=[人回匹個頭株](?![一-龥]))", "パー"),
)
# 「2500 名」 would be なまえ; but 「表1 人口」 is a title
_APART: Final = _rule(
    rf"(?<![図表式章節版])(?<![図表式章節版]\s)(?<![A-Za-z.\-])({NUMBER}[万億兆]?)[ \u3000]+"
    r"(?=[かヶカヵケ][月所国年]|箇所|(?:[万億兆割歳才名例件匹個社校頭枚台杯株羽週倍秒]|人|回|年|月|日|時間|分|点|度|種|本|群|つ|施設)(?![ァ-ヶー]))",
    r"\1",
)
_KANA_OR_HAN: Final = "ぁ-んァ-ヶー一-龥"
_JA: Final = (
    _APART,
    *_common("ja"),
    _money_rule("ja"),
    *_RATES,
    # 24/30人 → 30人中24人; 1/2 → 2分の1; not 50/60Hz, 3/11, 1/2/2021
    _rule(rf"(?<![\w./-])(?P<a>[0-9]+)\s?/\s?(?P<b>[0-9]+)\s?(?P<c>[{_COUNTERS}])", r"\g<b>\g<c>中\g<a>\g<c>"),
    _rule(
        r"(?<![A-Za-z0-9./\-])(?P<above>[0-9]{1,2})\s?/\s?(?P<below>[0-9]{1,4})(?![0-9/]|\.[0-9]|\s?[A-Za-z%年日月])",
        _fraction_ja,
    ),
    # 5ミリリットル毎分/1.73平方メートル
    _rule(r"(?<=[ァ-ヶー秒分])/(?=[0-9])|(?<=電子ボルト)/(?=c)", "パー"),
    # 0.1 M NaOH; elsewhere M is anything
    _rule(rf"({NUMBER}) M(?=\s[A-Z][A-Za-z]|\s?水?溶)", r"\1モーラー"),
    # compounds 1a–c; Suzuki–Miyaura is a hyphen to the ear
    _rule(r"(?<=[0-9][a-z])[-–](?=[a-z](?![A-Za-z0-9]))", "から"),
    _rule(r"(?<=[A-Za-z])[–—](?=[A-Za-z])", "-"),
    *_abbreviations("ja"),
    _spelt(GREEK["ja"], spaced=False),
    _rule(r"カイの2乗(?=検定|分布|値|統計)", "カイ2乗"),
    # 0.1<x<0.5 says both sides of x
    _rule(
        rf"({_QUANTITY_JA})\s?[<≤]\s?([A-Za-zァ-ヶー]+)\s?([<≤])\s?({_QUANTITY_JA})",
        lambda match: f"{match[2]}は{match[1]}から{match[4]}",
    ),
    # p<0.05 → p値は0.05未満; 年齢が≥65歳 → 年齢が65歳以上; 3×4=12 → イコール
    _rule(
        rf"(?P<left>(?<![A-Za-z])[pP](?![A-Za-z])|[A-Za-z0-9一-龥ァ-ヶー)](?=\s?[<≤>≥=]))?\s?(?P<operator>[<≤>≥=])\s?(?P<value>{_QUANTITY_JA})",
        _comparison_ja,
    ),
    _rule(rf"(?<=[{_KANA_OR_HAN}A-Za-z0-9])\s?([×÷±+=→↔←≠])\s?(?=[{_KANA_OR_HAN}A-Za-z0-9])", r"\1"),
    _spelt(SYMBOLS["ja"], spaced=False),
    # A hyphen is heard as a pause: ベータ-アミロイド, インターロイキン-6
    _rule(r"(?<=[ァ-ヶー])-(?=[ァ-ヶーA-Za-z0-9])|(?<=[A-Za-z])-(?=[ァ-ヶー])", ""),
)

_EN: Final = (
    *_common("en"),
    _money_rule("en"),
    _rule(r"(?<![\w./-])(?P<a>[0-9]+)/(?P<b>[0-9]+)(?=\s(?:patients|participants|subjects|cases|mice|samples)\b)", r"\g<a> of \g<b>"),
    _rule(r"(?<![\w./-])(?P<above>[0-9]{1,2})/(?P<below>[0-9]{1,2})(?![\w/]|\.[0-9]|\s?(?:Hz|mm))", _fraction_en),
    _rule(r"(?<=[a-z])/(?=[0-9])|(?<=electronvolts)/(?=c)", " per "),
    _rule(rf"({NUMBER}) M(?=\s[A-Z][A-Za-z]|\ssolution)", r"\1 molar"),
    *_abbreviations("en"),
    _spelt(GREEK["en"], spaced=True),
    _rule(r"(?<=[\w)])\s?([×÷±=≠<>≤≥≈→↔←∝])\s?(?=[\w.(])", r" \1 "),
    _spelt(SYMBOLS["en"], spaced=True),
)  # fmt: skip

_RULES: Final[dict[Language, tuple[Rule, ...]]] = {"ja": _JA, "en": _EN}
