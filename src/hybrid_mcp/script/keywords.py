"""The words a text is about."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise, zip_longest

from hybrid_mcp.script.morphology import dictionary

_SUDACHI_LIMIT = 16_000
"""Characters of one text that are looked at: Sudachi refuses more than 49,149 bytes."""
# Nobody searches for an address.
_ADDRESS = re.compile(r"https?://\S+|www\.\S+|\b(?:doi:\s*)?10\.\d{4,9}/\S+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+", re.ASCII)
# SGLT2, COVID-19, NGC 1365, Na2Fe(SO4)2, Skeletonema costatum.
_LATIN = re.compile(
    r"[A-Z]{2,5} \d+(?![.\d])|(?<![A-Za-z0-9])[A-Z][a-z]{2,} [a-z]{3,}(?![A-Za-z0-9])|(?:\d+[A-Za-z]|[A-Za-z])[A-Za-z0-9]*(?:[-/.][A-Za-z0-9]+|\([A-Za-z0-9]+\)[A-Za-z0-9]*)*"
)
# Suffixes that say when or where, not what (サイクル後).
_JA_WHEN = frozenset("後 前 中 間 時 下 上 内 等 別 毎 ごと".split())
# Prefixes that say which or how many, not what.
_JA_COUNTING = frozenset("第 約 各 全 同 当 本 毎 両 ご お 御 計 総 数 他 某".split())
_TAG = re.compile(r"[\w ・-]+")
_KANA = re.compile(r"[ぁ-ん]{1,2}|[ァ-ヶー]")
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
    headline = title.casefold()
    for source, value in ((title, 3.0), *((text, 1.0) for text in texts)):
        for word in _compounds(source) if language == "ja" else _english(source):
            key = word.casefold() if language == "ja" else _stem(word)
            # What a hashtag cannot hold would come out mangled (Oct3/4 as Oct34).
            if word in _JA_STOP or len(word) < 2 or not _TAG.fullmatch(word) or _KANA.fullmatch(word):
                continue
            written.setdefault(key, word)
            # Longer words say more (海馬 < 空間記憶 < 深層学習モデル), but only up to a point.
            weight[key] += value * min(len(word), 6 if language == "ja" else 16) ** 0.5
    for key, word in written.items():
        weight[key] *= (1.5 if word.casefold() in headline else 1.0) * (1.0 if language == "ja" else _nounlike(word))
    # A bare verb form (Predicting) only where nothing else is.
    kept = {key: value for key, value in weight.items() if value} or weight
    chosen: list[str] = []
    for key in sorted(kept, key=lambda key: (-kept[key], key)):
        if not any(_within(key, other) or _within(other, key) for other in chosen):
            chosen.append(key)
        if len(chosen) == count:
            break
    return [written[key] for key in chosen]


def _within(word: str, other: str) -> bool:
    """Whether `word` is a part of `other`: in Japanese anywhere, in Latin letters a whole word."""
    if word.isascii():
        return re.search(rf"(?<![a-z0-9]){re.escape(word)}(?![a-z0-9])", other) is not None
    return word in other


def _nounlike(words: str) -> float:
    """How likely English words are the name of something, by their endings; pairs say more than one word."""
    first, _, last = words.rpartition(" ")
    if not first and last.endswith("ing"):
        return 0.0
    if last.endswith(("ly", "ed")) or first.endswith(("ly", "ing")):
        return 0.3
    likely = 0.6 if last.endswith(("al", "ic", "ive", "ous", "able", "ible", "ant", "ent", "er", "est")) else 1.0
    return likely * (1.4 if first else 1.0)


def _english(text: str) -> list[str]:
    """Words that may be key words, and pairs of them that stand together."""
    text = _ADDRESS.sub(" . ", text)
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
    return " ".join(re.sub(r"(?:ions?|ing|ed|es|e|s)$", "", word.casefold())[:12] or word for word in words.split(" "))


def _compounds(text: str) -> list[str]:
    """Runs of nouns, as one word each: 海馬 + 依存 + 記憶, 非 + アルコール, SGLT2 + 阻害薬, 2 + 型 + 糖尿病.

    Latin words stay whole, which Sudachi would cut (SGLT + 2), and two that make a name (Skeletonema costatum) join no
    others. Figures and lone suffixes are left out.
    """
    text = _ADDRESS.sub("。", text[:_SUDACHI_LIMIT])
    found: list[str] = []
    start = 0
    run = _Run()
    for latin in _LATIN.finditer(text):
        _add_japanese(run, text[start : latin.start()], found)
        word = latin.group()
        named = _EN_STOP.isdisjoint(word.casefold().split(" ")) and _TAG.fullmatch(word) is not None
        name = " " in word and word[-1].islower()
        if not named or name or (run.words and run.words[-1].isascii()):
            run.end(found)
        if named:
            run.words.append(word)
            run.whole = len(run.words)
        if name:
            run.end(found)
        start = latin.end()
    _add_japanese(run, text[start:], found)
    run.end(found)
    return found


@dataclass(slots=True)
class _Run:
    """Nouns that stand side by side."""

    words: list[str] = field(default_factory=list)
    whole: int = 0
    """How many of them make a word that can end here: a prefix or an adjective cannot."""

    def end(self, found: list[str]) -> None:
        if self.whole:
            found.append("".join(self.words[: self.whole]))
        self.words, self.whole = [], 0


def _add_japanese(run: _Run, text: str, found: list[str]) -> None:
    words = list(dictionary().tokenizer().tokenize(text)) if text else []
    for word, following in zip_longest(words, words[1:]):
        part, surface = word.part_of_speech(), word.surface()
        common = part[0] == "名詞" and part[1] in ("普通名詞", "固有名詞")
        suffix = part[0] == "接尾辞" and part[1] == "名詞的" and part[2] != "助数詞" and bool(run.words)
        if (common and part[2] != "副詞可能") or (suffix and surface not in _JA_WHEN):
            run.words.append(surface)
            run.whole = len(run.words)
        elif (
            # 中世 + 日本, but not ほとんど + 研究
            (common and surface not in _JA_STOP and surface[0] > "ん")
            or (part[0] == "接頭辞" and surface not in _JA_COUNTING)
            or (part[0] == "形状詞" and part[1] == "一般")
        ):
            run.words.append(surface)
        elif part[1] == "数詞" and following is not None and following.surface() in ("型", "次元", "量体"):
            run.end(found)
            run.words.append(surface)
        else:
            run.end(found)
