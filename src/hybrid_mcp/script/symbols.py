"""Symbols, currencies, Greek letters and abbreviations, and how they are read."""

from __future__ import annotations

from typing import Final

from hybrid_mcp.languages import Language

_GREEK: Final = (
    "α アルファ alpha|β ベータ beta|γ ガンマ gamma|δ デルタ delta|ε イプシロン epsilon|ζ ゼータ zeta|η イータ eta|"
    "θ シータ theta|ι イオタ iota|κ カッパ kappa|λ ラムダ lambda|μ ミュー mu|ν ニュー nu|ξ クシー xi|"
    "ο オミクロン omicron|π パイ pi|ρ ロー rho|σ シグマ sigma|ς シグマ sigma|τ タウ tau|υ ユプシロン upsilon|φ ファイ phi|"
    "χ カイ chi|ψ プサイ psi|ω オメガ omega|ϵ イプシロン epsilon|ϑ シータ theta|ϕ ファイ phi|ϖ パイ pi|ϱ ロー rho"
)
GREEK: Final[dict[Language, dict[str, str]]] = {
    "ja": {letter: row.split()[1] for row in _GREEK.split("|") for letter in (row[0], row[0].upper())},
    "en": {letter: row.split()[2] for row in _GREEK.split("|") for letter in (row[0], row[0].upper())},
}

# Read where they stand, whatever surrounds them. Comparisons and dashes have rules of their own.
SYMBOLS: Final[dict[Language, dict[str, str]]] = {
    "ja": {
        "±": "プラスマイナス", "∓": "マイナスプラス", "×": "かける", "÷": "わる", "∞": "無限大", "√": "ルート",
        "+": "プラス", "=": "イコール", "≠": "ノットイコール", "≡": "合同", "<": "小なり", ">": "大なり",
        "≤": "小なりイコール", "≥": "大なりイコール", "≈": "ニアリーイコール", "∝": "比例", "→": "から", "↔": "と", "←": "から",
        "↑": "増加", "↓": "減少", "%": "パーセント", "‰": "パーミル", "&": "アンド", "@": "アット", "§": "セクション",
        "∑": "シグマ", "∫": "インテグラル", "∂": "ラウンド", "∇": "ナブラ", "∈": "属する", "♂": "オス", "♀": "メス", "⊙": "太陽",
        "€": "ユーロ", "¥": "円", "£": "ポンド", "$": "ドル", "#": "シャープ", "°": "度", "−": "マイナス",
    },
    "en": {
        "±": "plus or minus", "∓": "minus or plus", "×": "times", "÷": "divided by", "∞": "infinity",
        "√": "the square root of", "+": "plus", "=": "equals", "≠": "is not equal to", "≡": "is identical to",
        "<": "less than", ">": "greater than", "≤": "at most", "≥": "at least", "≈": "approximately",
        "∝": "is proportional to", "→": "to", "↔": "and", "←": "from", "↑": "increased", "↓": "decreased",
        "%": "percent", "‰": "per mille", "&": "and", "@": "at", "§": "section", "∑": "the sum of",
        "∫": "the integral of", "∂": "partial", "∇": "nabla", "∈": "in", "♂": "male", "♀": "female", "⊙": "solar",
        "€": "euros", "¥": "yen", "£": "pounds", "$": "dollars", "#": "number", "°": "degrees", "−": "minus",
    },
}  # fmt: skip

# Behind the letter of a quantity, the sun is its unit: M☉, L⊙, R_☉.
SUNS: Final[dict[Language, dict[str, str]]] = {
    "ja": {"M": "太陽質量", "L": "太陽光度", "R": "太陽半径"},
    "en": {"M": "solar masses", "L": "solar luminosities", "R": "solar radii"},
}

MONEY: Final = {"$": ("ドル", "dollar"), "€": ("ユーロ", "euro"), "¥": ("円", "yen"), "£": ("ポンド", "pound")}
ABBREVIATIONS: Final = (
    # pattern, Japanese, English
    (r"\bet al\.?", "ら", "and colleagues"),
    (r"\bvs\.?(?![A-Za-z])", "対", "versus"),
    (r"\be\.\s?g\.,?", "例えば", "for example,"),
    (r"\bi\.\s?e\.,?", "すなわち", "that is,"),
    (r"\betc\.", "など", "et cetera"),
    (r"\bcf\.", "参照", "compare"),
    (r"\b(?:approx\.|ca\.)", "約", "approximately"),
    (r"\bNos?\.\s?(?=[0-9])", "ナンバー", "number "),
    (r"#(?=[0-9])", "ナンバー", "number "),
    (r"\bFigs?\.?\s?(?=[S0-9])", "図", "figure "),
    (r"\bTabs?\.\s?(?=[S0-9])", "表", "table "),
    (r"\bEqs?\.\s?(?=[0-9(])", "式", "equation "),
    (r"\bRefs?\.\s?(?=[0-9\[])", "文献", "reference "),
)
