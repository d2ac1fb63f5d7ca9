"""The words a text is about."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

from hybrid_mcp.script.morphology import dictionary

_SUDACHI_LIMIT = 16_000
"""Characters of one text that are looked at: Sudachi refuses more than 49,149 bytes."""
_EN_WORD = re.compile(r"[A-Za-z][A-Za-z0-9-]*[A-Za-z0-9]")
# Words of any paper; nobody searches for them.
_EN_STOP = frozenset(
    "a about above across after again against all also although among an and any are as at be because been before being "
    "between both but by can could did do does during each either et few for from further had has have having here how "
    "however if in into is it its itself may more most much must nor not of on only or other our out over own per same "
    "several should show showed shown since so some such than that the their them then there these they this those "
    "through thus to too under until up upon us use used using very via was we were what when where whether which while "
    "who whose why will with within without would yet you your paper study studies result results method methods data "
    "approach based new novel propose proposed present found find one two three first second high low large small many "
    "different number work known well made make makes system problem important".split()
)
_JA_STOP = frozenset(
    "研究 論文 結果 手法 方法 提案 検討 評価 実験 目的 課題 問題 場合 必要 可能 可能性 重要 本研究 本論文 本稿 こと もの "
    "ため これ それ 以上 以下 近年 従来 今回 今後 一方 さらに また 解析 分析 比較 向上 有意 有意差 我々 著者 私たち 群 間 的 "
    "性 化 数 値 率 度 時 前 後 中 上 下 年 月 日 人 名 件 個".split()
)


def content_words(text: str, language: str) -> list[str]:
    """The words of `text` that carry its meaning, in order, casefolded: nouns in Japanese, all but stop words in English."""
    if language != "ja":
        return [word.casefold() for word in _EN_WORD.findall(text) if word.casefold() not in _EN_STOP]
    return [word.casefold() for word in _compounds(text) if word not in _JA_STOP]


def keywords(texts: Sequence[str], title: str, language: str, count: int) -> list[str]:
    """The `count` words most of the text, and above all its title, is about; as they are written there."""
    weight: defaultdict[str, float] = defaultdict(float)
    written: dict[str, str] = {}
    for source, value in ((title, 3.0), *((text, 1.0) for text in texts)):
        for word in _compounds(source) if language == "ja" else _english(source):
            key = word.casefold() if language == "ja" else _stem(word)
            if word in _JA_STOP or len(word) < 2:
                continue
            written.setdefault(key, word)
            # Longer words say more (海馬 < 空間記憶 < 深層学習モデル), but only up to a point.
            weight[key] += value * min(len(word), 6 if language == "ja" else 16) ** 0.5
    chosen: list[str] = []
    for key in sorted(weight, key=lambda key: (-weight[key], key)):
        if not any(key in other or other in key for other in chosen):
            chosen.append(key)
        if len(chosen) == count:
            break
    return [written[key] for key in chosen]


def _english(text: str) -> list[str]:
    """Words that may be key words, and pairs of them that stand together."""
    words = _EN_WORD.findall(text)
    kept = [word for word in words if word.casefold() not in _EN_STOP]
    pairs = [
        f"{first} {second}"
        for first, second in pairwise(words)
        if {first.casefold(), second.casefold()}.isdisjoint(_EN_STOP) and f"{first} {second}" in text
    ]
    return kept + pairs


def _stem(words: str) -> str:
    """What forms of a word share, roughly: structures and structure, predicting and prediction."""
    return " ".join(re.sub(r"(?:ions?|ing|ed|es|s)$", "", word.casefold())[:12] or word for word in words.split(" "))


def _compounds(text: str) -> list[str]:
    """Runs of nouns, as one word each: 海馬 + 依存 + 記憶. Numbers and lone suffixes are left out."""
    found: list[str] = []
    run = ""
    for word in (*dictionary().tokenizer().tokenize(text[:_SUDACHI_LIMIT]), None):
        part = word.part_of_speech() if word is not None else ("", "", "", "", "", "")
        surface = word.surface() if word is not None else ""
        noun = part[0] == "名詞" and part[1] in ("普通名詞", "固有名詞") and part[2] != "副詞可能"
        if noun or (run and part[0] == "接尾辞" and part[1] == "名詞的" and part[2] != "助数詞"):
            run += surface
            continue
        if run:
            found.append(run)
        run = ""
    return found
