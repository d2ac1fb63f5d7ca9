"""Written Japanese (だ・である) into spoken politeness (です・ます), one sentence at a time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Protocol

from hybrid_mcp.script.morphology import dictionary

_MARKS: Final = "。．.!！?？…‥"
_PAIRS: Final = {"）": "（", ")": "(", "］": "［", "]": "[", "】": "【", "〕": "〔"}
_QUOTES: Final = {"」": "「", "』": "『", "”": "“", "’": "‘", "》": "《", "〉": "〈"}
# Superscript citations always; plain ones (示された1,2) only behind what ends a predicate, since 「相は1」 is a number.
_NUMBERED: Final = re.compile(r"[⁰¹²³⁴-⁹⁻,，]*[⁰¹²³⁴-⁹]$|(?<=[るたい])[0-9]+(?:[,，–-][0-9]+)*$")
_REACH: Final = 200  # characters before the end that may change how the end is read; sudachi refuses 49 kB

_TO_I: Final = str.maketrans("うくぐすずつづぬぶむる" + "わかがさざただなばまら", "いきぎしじちぢにびみり" * 2)
_HONORIFIC: Final = ("下さる", "くださる", "なさる", "為さる", "いらっしゃる", "おっしゃる", "仰る", "ござる", "御座る")
# Whose 〜う is a guess, never an intention: あろう, なろう, できよう, いえよう, 考えられよう.
_NO_WILL: Final = frozenset({"有る", "成る", "出来る", "得る", "言える", "いえる", "値する", "られる", "れる"})
# One adjective each for the dictionary, but everyone says 〜ありません.
_NAI_NOUNS: Final = ("違いない", "ちがいない", "相違ない", "問題ない", "関係ない")
# Nouns whose verb the writer dropped (有効性を検証。): です behind an object would be no Japanese.
_OBJECT: Final = re.compile(r"[をへ][^はがも、]*$")


class _Word(Protocol):
    """What we ask of a word of sudachi's."""

    def surface(self) -> str: ...
    def dictionary_form(self) -> str: ...
    def normalized_form(self) -> str: ...
    def part_of_speech(self) -> tuple[str, str, str, str, str, str]: ...
    def begin(self) -> int: ...
    def end(self) -> int: ...


def polite(sentence: str) -> str:
    """`sentence` with its last predicate in です・ます; everything before it verbatim.

    Brackets, quotation marks and citations behind the predicate stay; a quotation in the middle is
    never altered. A noun that closes a sentence gets です if the sentence ends with 。 or has a topic,
    so titles stay titles. Questions become ～でしょうか. What is already polite, commands, open ends
    (～し、 ～について) and what cannot be converted safely come back unchanged.
    """
    core, tail = _split(sentence)
    if not core:
        return sentence
    if core[-1] in _QUOTES:  # the sentence ends in somebody's words, which act as a noun
        return _closed(core, tail) if _complete(core, tail) else sentence
    offset = max(0, len(core) - _REACH)
    words: list[_Word] = [
        word for word in dictionary().tokenizer().tokenize(core[offset:]) if word.part_of_speech()[0] != "空白"
    ]
    if not words:
        return sentence
    ending = _ending(words)
    if ending is not None:
        begin, text = ending
        return core[: offset + begin] + text + tail
    if _is_noun(words) and _complete(core, tail):
        return _closed(core, tail)
    return sentence


def _split(sentence: str) -> tuple[str, str]:
    """What ends with the predicate, and what follows it: marks, closing brackets, citations."""
    core = sentence
    while core:
        if core[-1] in _MARKS or core[-1].isspace():
            core = core[:-1]
        elif core[-1] in _PAIRS or core[-1] in _QUOTES:
            opened = _opening(core)
            before = core[:opened].rstrip() if opened > 0 else ""
            if core[-1] in _QUOTES and before and before[-1] not in _MARKS:
                break
            # Without text before it, what the bracket holds is the whole sentence, or the rest of one.
            core = core[:opened] if core[-1] in _PAIRS and before else core[:-1]
        elif found := _NUMBERED.search(core):
            core = core[: found.start()]
        else:
            break
    return core, sentence[len(core) :]


def _opening(text: str) -> int:
    """Where the bracket that closes at the end of `text` was opened; -1 if before it, or implausibly far."""
    close = text[-1]
    opener = {**_PAIRS, **_QUOTES}[close]
    depth = 0
    for position in range(len(text) - 1, max(-1, len(text) - 1000), -1):
        depth += (text[position] == close) - (text[position] == opener)
        if depth == 0:
            return position
    return -1


def _complete(core: str, tail: str) -> bool:
    """Whether a noun at the end closes a sentence, rather than a title or an object without its verb."""
    if _OBJECT.search(core):
        return False
    return "。" in tail or ("は" in core[:-1] and not tail.strip())


def _closed(core: str, tail: str) -> str:
    """です behind a noun and its brackets, before the full stop."""
    brackets = tail.rstrip(_MARKS + " \n\t　")
    if brackets and brackets[-1] in _QUOTES:  # a quotation of several sentences: stay inside it
        brackets = ""
    return core + brackets + "です" + tail[len(brackets) :]


def _is_noun(words: Sequence[_Word]) -> bool:
    """Whether です may follow: 成人24名, 重要; not what lost its verb (有効性の向上に成功)."""
    kind = words[-1].part_of_speech()
    if kind[2] == "サ変可能" and len(words) > 1 and words[-2].surface() in ("に", "と"):
        return False
    if kind[0] == "接尾辞":
        return kind[1] in ("名詞的", "形状詞的")
    return kind[0] in ("名詞", "形状詞", "代名詞") and kind[1] != "助動詞語幹"


def _is_adjective(word: _Word) -> bool:
    kind = word.part_of_speech()
    return kind[0] == "形容詞" or kind[1] == "形容詞的" or kind[4] in ("助動詞-タイ", "助動詞-ラシイ")


def _ending(words: Sequence[_Word]) -> tuple[int, str] | None:
    """Where the last predicate begins to change, and its polite form to the end; None to leave it."""
    after = ""
    end = len(words)
    while end > 1 and words[end - 1].part_of_speech()[:2] == ("助詞", "終助詞"):
        after = words[end - 1].surface() + after
        end -= 1
    if words[end - 1].part_of_speech()[1] == "副助詞" and words[end - 1].surface() == "か":
        after = "か" + after  # 何か, 偶然か: sudachi cannot know that nothing follows
        end -= 1
    if after and after[0] == "か":
        return _question(words[:end], after)
    if after and after not in ("ね", "よ", "よね"):
        return None
    found = _predicate(words[:end])
    return found and (found[0], found[1] + after)


def _question(words: Sequence[_Word], after: str) -> tuple[int, str] | None:
    last, kind = words[-1], words[-1].part_of_speech()
    if last.dictionary_form() in ("です", "ます") or last.surface() in ("どう", "否"):  # 〜かどうか is no question
        return None
    if kind[5].startswith("意志推量形"):
        found = _predicate(words)
        return found and (found[0], found[1] + after)
    if kind[0] in ("動詞", "形容詞", "助動詞") and kind[5].startswith(("終止形", "連体形")):
        of_denial = last.normalized_form() == "無い" and _is_copula(words, len(words) - 2)
        return last.end(), ("" if of_denial else "の") + "でしょう" + after
    if _is_noun(words) or last.surface() in ("の", "から", "ため"):
        return last.end(), "でしょう" + after
    return None


def _predicate(words: Sequence[_Word]) -> tuple[int, str] | None:
    last = words[-1]
    kind = last.part_of_speech()
    before = words[-2] if len(words) > 1 else None
    if kind[4].startswith("文語") or last.dictionary_form() in ("です", "ます"):
        return None
    if kind[4] == "助動詞-タ":
        return _past(words[:-1], last.surface()) if before else None
    if kind[5].startswith("意志推量形"):
        return _guess(words)
    if not kind[5].startswith(("終止形", "連体形")) and last.surface() != "ある":
        return None
    if kind[4] == "助動詞-ダ":
        return (last.begin(), "です") if last.surface() == "だ" else None
    if kind[4] in ("助動詞-ナイ", "助動詞-ヌ"):
        return _denied(words, "ません") if last.surface() in ("ない", "ぬ") else None
    if last.normalized_form() == "有る" or last.surface() == "ある":
        start = _copula_start(words)
        return (start, "です") if start is not None else (last.begin(), last.surface()[:-1] + "ります")
    if last.normalized_form() == "無い":
        return _absent(words, "ありません")
    if _is_adjective(last):
        if kind[4] == "助動詞-タイ" and before is not None and before.dictionary_form() in ("れる", "られる"):
            return None  # 参照されたい is a request
        if last.surface().endswith(_NAI_NOUNS):
            return last.end() - 2, "ありません"
        return last.end(), "です"
    stem = _stem(last, last.surface())
    return (last.begin(), stem + "ます") if stem else None


def _past(words: Sequence[_Word], ta: str) -> tuple[int, str] | None:
    """〜た, whose words before it are `words`."""
    last = words[-1]
    kind = last.part_of_speech()
    if last.dictionary_form() in ("です", "ます"):
        return None
    if kind[4] == "助動詞-ダ":  # だった
        return last.begin(), "でした"
    if kind[4] == "助動詞-ナイ":
        return _denied(words, "ませんでした")
    if last.normalized_form() == "有る":
        start = _copula_start(words)
        return (start, "でした") if start is not None else (last.begin(), last.surface()[:-1] + "りました")
    if last.normalized_form() == "無い":
        return _absent(words, "ありませんでした")
    if _is_adjective(last):
        if last.dictionary_form().endswith(_NAI_NOUNS):
            return last.end() - 3, "ありませんでした"
        return last.begin(), last.surface() + ta + "です"
    if kind[4].startswith("五段"):
        stem = _stem(last, last.dictionary_form())
    else:  # the form before た is the form before ます
        stem = last.surface() if kind[0] in ("動詞", "助動詞", "接尾辞") else None
    return (last.begin(), stem + "ました") if stem else None


def _guess(words: Sequence[_Word]) -> tuple[int, str] | None:
    """〜う: a guess (でしょう) or an intention (ましょう)."""
    last = words[-1]
    kind = last.part_of_speech()
    surface = last.surface()
    if kind[4] == "助動詞-ダ":
        return last.begin(), "でしょう"
    if kind[4] == "助動詞-タ":  # したろう
        return last.begin(), surface[0] + "でしょう"
    if surface.endswith("かろう"):
        return last.begin(), surface.removesuffix("かろう") + "いでしょう"
    if last.normalized_form() == "有る":
        start = _copula_start(words)
        return (last.begin(), "あるでしょう") if start is None else (start, "でしょう")
    if last.normalized_form() in _NO_WILL or last.dictionary_form() in _NO_WILL:
        return last.begin(), last.dictionary_form() + "でしょう"
    if kind[4].startswith("五段"):
        stem = _stem(last, last.dictionary_form())
    else:
        stem = surface.removesuffix("よう") if surface.endswith("よう") else None
    return (last.begin(), stem + "ましょう") if stem else None


def _denied(words: Sequence[_Word], ending: str) -> tuple[int, str] | None:
    """A verb before 〜ない or 〜ぬ: 行わ → 行いません."""
    if len(words) < 2:
        return None
    verb = words[-2]
    kind = verb.part_of_speech()
    if kind[0] not in ("動詞", "助動詞", "接尾辞"):
        return None
    surface = verb.surface()
    # Forms are tagged loosely before ない (延び as 連用形, the potential 悩め as 命令形), so the kana decides.
    if kind[4].startswith("五段") and surface[-1] in "わかがさざただなばまら":
        stem = surface[:-1] + surface[-1].translate(_TO_I)
    elif surface.endswith("せ") and kind[4].startswith("サ行変格"):  # せぬ
        stem = surface[:-1] + "し"
    elif surface == "こ":
        stem = "き"
    else:
        stem = surface
    return verb.begin(), stem + ending


def _absent(words: Sequence[_Word], ending: str) -> tuple[int, str]:
    """The adjective ない: 差はない, 大きくない, 十分でない (which reads better as では)."""
    start = words[-1].begin()
    if len(words) > 1 and words[-2].surface() == "で" and _is_copula(words, len(words) - 2):
        return start, "は" + ending
    return start, ending


def _is_copula(words: Sequence[_Word], position: int) -> bool:
    """Whether the word at `position` is the で of である or では; not the て of 含んである."""
    if position > 0 and words[position].surface() in ("は", "も"):
        position -= 1
    return position >= 0 and words[position].surface() == "で" and words[position].part_of_speech()[1] != "接続助詞"


def _copula_start(words: Sequence[_Word]) -> int | None:
    """Where である begins, if that is what `words` end with; ではある and もある keep their ある."""
    if len(words) > 1 and words[-2].surface() == "で" and _is_copula(words, len(words) - 2):
        return words[-2].begin()
    return None


def _stem(word: _Word, plain: str) -> str | None:
    """The form before ます of `plain`, a dictionary form of `word`."""
    kind = word.part_of_speech()[4]
    if plain.endswith(_HONORIFIC):
        return plain[:-1] + "い"
    if kind.startswith("五段"):
        return plain[:-1] + plain[-1].translate(_TO_I)
    if plain in ("うる", "得る"):
        return {"うる": "え", "得る": "得"}[plain]
    if kind.startswith("サ行変格"):
        return plain[:-2] + {"する": "し", "ずる": "じ"}[plain[-2:]] if plain.endswith(("する", "ずる")) else None
    if kind.startswith("カ行変格"):
        return plain[:-2] + {"来る": "来", "くる": "き"}[plain[-2:]] if plain.endswith(("来る", "くる")) else None
    if kind.startswith(("上一段", "下一段", "助動詞-")) and plain.endswith("る"):
        return plain[:-1]
    return None
