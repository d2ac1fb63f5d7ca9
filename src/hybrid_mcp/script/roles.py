"""What part of a paper's story each sentence tells."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Literal, get_args

from hybrid_mcp.languages import Language

Role = Literal["background", "aim", "method", "result", "conclusion"]
ROLES: tuple[Role, ...] = get_args(Role)

# Cue phrases of Japanese and English abstracts; each hit counts once for its role.
_CUES: dict[Language, dict[Role, str]] = {
    "ja": {
        "background": r"これまで|従来|近年|長年|古くから|一般に|知られて(?:いる|おり)|課題であ|不明|明らかでな|(?:行われ|知られ|分かっ|わかっ|解明され|検討され|報告され|明らかになっ|明らかにされ)て(?:は)?(?:おらず|いな)|問題と|されてきた|注目され|重要(?:な|で)",
        "aim": r"本(?:研究|論文|稿|報告)(?:は|では|の目的)|目的|目指|そこで|提案|開発し|試み|検証する|明らかにする|調べるため|問う|か[。？]$",
        "method": r"対象|参加者|被験者|患者|用い|使っ|実験|測定|解析|訓練|学習させ|収集|割り付け|比較した|調査し|手法|方法|評価した|名を|人を|件を",
        "result": r"結果|示した|向上|低下|上昇|増加|減少|達成|上回|有意|見られ|確認され|得られ|分かった|わかった|であった|[0-9０-９.]+\s*[%％倍]|一致し|到達|発見(?:し|され)|観測(?:し|され)た|検出(?:し|され)た|見[いつ]?[だ出](?:し|され)た|みいだ|記録した|認められ|認めた|[0-9０-９]\s*(?:[µμmkMGn]?(?:m|g|L|s|V|A|W|Hz|eV|Pa|mol|K)(?![A-Za-z])|[℃Å]|光年|年分|mAh)",
        "conclusion": r"示唆|結論|以上|これらの(?:結果|知見|成果)|可能性|期待|意義|貢献|今後|必要があ|べき|応用|展望|つなが",
    },
    "en": {
        "background": r"\b(?:previous|traditional|recent|long|known|remain|challeng|however|although|despite|importan|unclear|little is|widely)",
        "aim": r"\b(?:we (?:propose|present|introduce|ask|aim|investigate|develop|describe)|this (?:paper|study|work)|aim|goal|objective|here,? we|to (?:address|test|determine|examine))|\?$",
        "method": r"\b(?:we (?:use|used|train|collect|measur|analy[sz]|recruit|compare|evaluat|test)|participants|patients|dataset|method|using|trained|randomi[sz]ed|experiment)",
        "result": r"\b(?:result|show|found|find|achiev|improv|outperform|increas|decreas|reduc|significant|reach|accuracy|\d+(?:\.\d+)?\s*(?:%|percent|points))",
        "conclusion": r"\b(?:conclu|suggest|implication|imply|overall|together|future|potential|these (?:findings|results)|may|could|demonstrat)",
    },
}
# Labels of structured abstracts and headings of papers, and the role of what follows them.
_LABELS: dict[Role, str] = {
    "aim": r"(?:研究の?)?目的|ねらい|objectives?|aims?|purpose|goals?",
    "background": r"(?:研究の?)?背景|はじめに|序論|緒言|background|introduction|context|importance|rationale",
    "method": r"(?:対象と|研究|実験)?方法|対象|手法|(?:materials? and |patients and )?methods?|methodology|design|setting|"
    r"participants|interventions?|(?:main )?outcomes?(?: (?:and|&) measures)?|experimental",
    "result": r"(?:主な)?結果|成績|results?|findings",
    "conclusion": r"結論|考察|結語|まとめ|おわりに|意義|解釈|(?:discussion and )?conclusions?|discussion|interpretation|"
    r"significance|implications",
}
_LABEL = re.compile(
    r"\s*(?:[\d０-９]+[.．]?\s*)?(?:"
    + "|".join(
        # A plain word is a label only before a colon, or when the sentence is nothing else.
        rf"(?P<{role}>[【\[［〔](?:{words})[】\]］〕]\s*[:：]?|(?:{words})\s*(?:[:：]|$))"
        for role, words in _LABELS.items()
    )
    + r")\s*",
    re.IGNORECASE,
)
_BACKWARDS = 1.6
"""Cost of a step back in the story, in cue phrases: two cues outweigh it, one does not."""
_POSITION = 1.2
"""Weight of the usual place of a role, in cue phrases."""


def label(text: str) -> Role | None:
    """The role that a label at the start of a sentence gives it and those behind it: 【方法】, Results:."""
    found = _LABEL.match(text)
    return next((role for role in ROLES if found[role] is not None), None) if found else None


def unlabelled(text: str) -> str:
    """A sentence without its label; empty if it is only a heading."""
    return _LABEL.sub("", text, count=1) if _LABEL.match(text) else text


def roles(texts: Sequence[str], language: Language) -> list[Role]:
    """A role for every sentence: the best path through cue phrases, usual places and the usual order.

    Abstracts run background → aim → method → result → conclusion; a Viterbi search over that order
    lets one misleading phrase be outvoted by its neighbours.
    """
    patterns = {role: re.compile(pattern, re.IGNORECASE) for role, pattern in _CUES[language].items()}
    best: list[dict[Role, tuple[float, Role | None]]] = []
    for index, text in enumerate(texts):
        place = (index + 0.5) / len(texts)
        row: dict[Role, tuple[float, Role | None]] = {}
        for order, role in enumerate(ROLES):
            usual = (order + 0.5) / len(ROLES)
            fit = len(set(patterns[role].findall(text))) ** 0.7 - _POSITION * abs(place - usual) * 2
            if not best:
                row[role] = (fit, None)
                continue
            before, score = max(
                (
                    (earlier, value - (_BACKWARDS if ROLES.index(earlier) > order else 0.0))
                    for earlier, (value, _) in best[-1].items()
                ),
                key=lambda pair: pair[1],
            )
            row[role] = (score + fit, before)
        best.append(row)
    if not best:
        return []
    role = max(best[-1], key=lambda name: best[-1][name][0])
    path: list[Role] = [role]
    for row in reversed(best[1:]):
        earlier = row[path[-1]][1]
        assert earlier is not None  # noqa: S101  (only the first row has no predecessor)
        path.append(earlier)
    return _labelled(texts, path[::-1])


def _labelled(texts: Sequence[str], guessed: Sequence[Role]) -> list[Role]:
    """The roles a paper's own labels give, and the guessed ones before the first."""
    told: list[Role] = []
    said: Role | None = None
    for text, role in zip(texts, guessed, strict=True):
        said = label(text) or said
        told.append(said or role)
    return told


def centrality(bags: Sequence[set[str]]) -> list[float]:
    """How much each sentence shares with the others, 0–1: summed idf overlap, by its length.

    A small cousin of LexRank without the iteration, which changes little on a few dozen sentences.
    """
    frequency: dict[str, int] = {}
    for bag in bags:
        for word in bag:
            frequency[word] = frequency.get(word, 0) + 1
    weights = [
        sum(math.log(1 + len(bags) / frequency[word]) for word in bag if frequency[word] > 1) / math.sqrt(len(bag) or 1)
        for bag in bags
    ]
    top = max(weights, default=0.0)
    return [weight / top if top else 0.0 for weight in weights]
