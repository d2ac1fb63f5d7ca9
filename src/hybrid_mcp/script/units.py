"""Units behind numbers, and how they are read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from hybrid_mcp.languages import Language

_PREFIXES: Final = {
    "T": ("テラ", "tera"),
    "G": ("ギガ", "giga"),
    "M": ("メガ", "mega"),
    "k": ("キロ", "kilo"),
    "h": ("ヘクト", "hecto"),
    "d": ("デシ", "deci"),
    "c": ("センチ", "centi"),
    "m": ("ミリ", "milli"),
    "μ": ("マイクロ", "micro"),
    "u": ("マイクロ", "micro"),
    "n": ("ナノ", "nano"),
    "p": ("ピコ", "pico"),
    "f": ("フェムト", "femto"),
}

# Symbol, the prefixes it takes here, Japanese, English, English plural if it does not just add s.
# Left out because they are mostly something else behind a number: A, C, F, N, M, S, U, t, d, in.
_BASE: Final = """
g     kmμunpf グラム gram
Da    kM      ダルトン dalton
L     dmμun   リットル liter
l     dmμ     リットル liter
m     kcmμunp メートル meter
Å     -       オングストローム angstrom
ha    -       ヘクタール hectare
s     mμunpf  秒 second
sec   m       秒 second
min   -       分 minute
h     -       時間 hour
hr    -       時間 hour
hrs   -       時間 hour
day   -       日 day
week  -       週 week
yr    -       年 year
year  -       年 year
Hz    kMGT    ヘルツ hertz =
rpm   -       回転マイフン revolution_per_minute revolutions_per_minute
fps   -       フレームマイビョー frame_per_second frames_per_second
K     mμ      ケルビン kelvin =
°C    -       度 degree_Celsius degrees_Celsius
°F    -       度エフ degree_Fahrenheit degrees_Fahrenheit
°     -       度 degree
V     kmμM    ボルト volt
eV    kMGTm   電子ボルト electronvolt
W     kmμMGT  ワット watt
Wh    kMGT    ワット時 watt_hour
J     kmMGT   ジュール joule
cal   k       カロリー calorie
Pa    khMGm   パスカル pascal
bar   m       バール bar
mmHg  -       ミリメートルエイチジー millimeter_of_mercury millimeters_of_mercury
Ω     kMm     オーム ohm
mA    -       ミリアンペア milliampere
μA    -       マイクロアンペア microampere
nA    -       ナノアンペア nanoampere
T     m       テスラ tesla =
lx    k       ルクス lux =
Gy    mc      グレイ gray
Sv    mμ      シーベルト sievert
Bq    kM      ベクレル becquerel
mol   mμunpk  モル mole
mM    -       ミリモーラー millimolar =
μM    -       マイクロモーラー micromolar =
uM    -       マイクロモーラー micromolar =
nM    -       ナノモーラー nanomolar =
pM    -       ピコモーラー picomolar =
IU    -       国際単位 international_unit
dB    -       デシベル decibel
bp    kMG     塩基つい base_pair
b     kMG     ベース base
B     kKMGTP  バイト byte
bps   kMG     ビットマイビョー bit_per_second bits_per_second
pc    kMG     パーセク parsec
ppm   -       ピーピーエム part_per_million parts_per_million
ppb   -       ピーピービー part_per_billion parts_per_billion
atm   -       気圧 atmosphere
wt%   -       重量パーセント percent_by_weight =
wt.%  -       重量パーセント percent_by_weight =
vol%  -       体積パーセント percent_by_volume =
vol.% -       体積パーセント percent_by_volume =
at%   -       原子パーセント atomic_percent =
at.%  -       原子パーセント atomic_percent =
mol%  -       モルパーセント mole_percent =
%     -       パーセント percent =
‰     -       パーミル per_mille =
"""

# In kana: the dictionary reads 毎分 behind a unit as ごとぶん, 毎キログラム as ごとキログラム. People say パー there anyway.
PER_TIME: Final = {
    "秒": "マイビョー",
    "分": "マイフン",
    "時間": "マイジ",
    "日": "パーデイ",
    "週": "パーウィーク",
    "年": "パーイヤー",
}
POWERS: Final = {
    2: ("平方", "square "),
    3: ("立方", "cubic "),
}


@dataclass(frozen=True, slots=True)
class _Unit:
    ja: str
    one: str
    many: str


def _table() -> dict[str, _Unit]:
    units: dict[str, _Unit] = {}
    for row in _BASE.strip().splitlines():
        symbol, prefixes, ja, one, *rest = row.split()
        many = one if rest == ["="] else (rest or [one + "s"])[0]
        one, many = one.replace("_", " "), many.replace("_", " ")
        if symbol not in ("b", "pc", "B"):  # 「3 b」 is a part of a figure, 「10 pc」 are pieces, 7B are parameters
            units[symbol] = _Unit(ja, one, many)
        for prefix in prefixes.strip("-"):
            kana, latin = _PREFIXES["k" if prefix == "K" else prefix] if prefix != "P" else ("ペタ", "peta")
            units[prefix + symbol] = _Unit(kana + ja, latin + one, latin + many)
    return units


UNITS: Final = _table()
_NAME: Final = "|".join(re.escape(symbol) for symbol in sorted(UNITS, key=len, reverse=True))
# m², m2, m^2, s⁻¹, s-1, s^{-1}: superscripts have become ^ before we come here.
_POWER: Final = r"(?:\^?\(?[-−]?[1-4]\)?(?![0-9.]))?"
_FACTOR: Final = rf"(?:{_NAME}){_POWER}"
# A further unit follows a slash or a dot, or a space if its power is negative (mg kg−1).
_EXPRESSION: Final = rf"{_FACTOR}(?:(?:\s?[/·⋅]\s?|\s(?=(?:{_NAME})\^?[-−][1-3])){_FACTOR})*"
_END: Final = r"(?![A-Za-z0-9^])"

# Possessive and only from its first digit, so that ten thousand digits cost no more than ten.
NUMBER: Final = r"(?<![0-9])[0-9]++(?:\.[0-9]++)?"

# 3 T細胞 are no teslas, 5 K–12 no kelvins, the 1990s no seconds; a hyphen joins only symbols that cannot be a name (5-HT, IL-2 L).
_MEASURED: Final = re.compile(
    rf"(?P<number>(?<![0-9.^])(?<!\^[-−]){NUMBER}[百千万億兆]*|乗|\bpower of (?:minus )?[0-9]+)(?P<gap>\s?|-(?=[A-Za-zμ°]{{2}}))"
    rf"(?P<unit>(?!T\s?(?:細胞|cell|リンパ)|K[–-]|(?<=0)s){_EXPRESSION}){_END}"
)
# Without a number only what can be nothing else: 単位はmg/kg, cells/mL, 人/km².
_BARE: Final = re.compile(
    rf"(?<![A-Za-z0-9/])(?P<unit>(?!(?:{_NAME})/[A-Za-zμ](?![A-Za-z])(?<!L)){_FACTOR}/{_FACTOR}){_END}"
)
_PER: Final = re.compile(rf"(?<=[a-zァ-ヶー一-龥乗])/(?P<unit>(?![A-Za-z]{_END}){_FACTOR}){_END}")
# 単位はmg/日: what stands behind the slash is read by its own rule.
_BARE_JA: Final = re.compile(rf"(?<![A-Za-z0-9/\-])(?P<unit>{_FACTOR})(?=/(?:時間|[秒分日週月年])(?![一-龥]))")
_PART: Final = re.compile(rf"(?P<by>[/·⋅]|\s|^)\s?(?P<name>{_NAME})\^?\(?(?P<power>[-−]?[1-4])?\)?")


# What a letter belongs to that is glued to a number: C57BL/6J are mice, GPT-4V is a model.
_NAMED: Final = re.compile(r"(?<![A-Za-z0-9])[A-Z][A-Za-z0-9]*[-/]?\Z")

_LONE: Final = re.compile("[A-Za-z](?:[-−]?[1-4])?")


def _before(match: re.Match[str]) -> tuple[int, int]:
    return max(0, match.start() - 16), match.start()


def measured(text: str, language: Language) -> str:
    """`text` with the units behind its numbers written out: 5 mg/kg → 5ミリグラムパーキログラム."""

    def with_number(match: re.Match[str]) -> str:
        number, unit = match["number"], match["unit"]
        if not match["gap"] and _LONE.fullmatch(unit) and _NAMED.search(match.string, *_before(match)):
            return match.group()
        if language == "ja":
            return number + _read_ja(unit)
        # An adjective stays singular (a 5-milligram dose), and so does exactly one.
        single = match["gap"] == "-" or number == "1"
        gap = "" if number == "乗" else "-" if match["gap"] == "-" else " "
        return number + gap + _read_en(unit, single=single)

    def bare(match: re.Match[str]) -> str:
        return _read_ja(match["unit"]) if language == "ja" else _read_en(match["unit"], single=False)

    def per(match: re.Match[str]) -> str:
        return _read_ja("/" + match["unit"]) if language == "ja" else _read_en("/" + match["unit"], single=True)

    text = _PER.sub(per, _BARE.sub(bare, _MEASURED.sub(with_number, text)))
    return _BARE_JA.sub(bare, text) if language == "ja" else text


def _parts(expression: str) -> list[tuple[str, int, bool]]:
    """Symbol, power and whether it divides, of every factor."""
    found = []
    for match in _PART.finditer(expression):
        power = int((match["power"] or "1").replace("−", "-"))
        found.append((match["name"], abs(power), match["by"] == "/" or power < 0))
    return found


def _read_ja(expression: str) -> str:
    reading = ""
    for name, power, divides in _parts(expression):
        unit = UNITS[name].ja
        if divides and unit in PER_TIME:
            reading += PER_TIME[unit] * power
            continue
        if power in POWERS:
            unit = POWERS[power][0] + unit
        elif power > 1:
            unit += f"の{power}乗"
        # With nothing before it, cm⁻¹ is 毎センチメートル; まい in kana, as above.
        reading += ("パー" if reading or expression.startswith("/") else "まい") + unit if divides else unit
    return reading


def _read_en(expression: str, *, single: bool) -> str:
    words: list[str] = []
    for position, (name, power, divides) in enumerate(_parts(expression)):
        unit = UNITS[name]
        word = unit.one if single or divides or position else unit.many
        if power in POWERS:
            timed = name in ("s", "h", "min", "sec")
            word = f"{word} {('squared', 'cubed')[power - 2]}" if timed else POWERS[power][1] + word
        elif power > 1:
            word = f"{word} to the power of {power}"
        if divides:
            word = "per " + word
        words.append(word)
    return (" " if expression.startswith("/") else "") + " ".join(words)
