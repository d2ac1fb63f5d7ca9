"""Sentences of a source that speak to a language model, and what a model that obeyed them would write.

A paper is material, whoever wrote it. What reads like an instruction is found by its form, in Japanese and
English; that is a warning and no proof: wordings nobody has thought of pass, and a paper about such attacks may
be warned of. The rules that a model is given, and the checks of what it writes, hold without it.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Collection, Iterator
from functools import cached_property
from itertools import pairwise
from typing import Final

from hybrid_mcp.languages import Bilingual
from hybrid_mcp.script.model import Complaint, Line
from hybrid_mcp.script.source import Source

# Where an English command begins. Behind "to" or "that" the sentence tells what somebody else was told.
_NOW: Final = (
    r"(?:^|[.!?:;,\"'“”‘’()\[\]{}*#>|-]\s*|\b(?:please|now|then|instead|also|kindly|just|you (?:must|should|shall|will|can))\s+)"
    r"(?:(?:please|now|then|instead|also|kindly|just|immediately)\s+){0,3}"
)
_MODEL: Final = r"(?:ai|a\.i\.|llms?|(?:large )?language models?|(?:ai )?(?:assistants?|chatbots?|agents?|reviewers?|summari[sz]ers?))"
_MODEL_JA: Final = r"(?:AI|人工知能|生成AI|(?:大規模)?言語モデル|LLM|アシスタント|チャットボット|モデル|ナレーター)"
# How a Japanese command ends; 無視するよう求めた and 無視して回答した are reports.
_DO: Final = (
    r"(?:せよ|しろ|しなさい|なさい|(?:して|えて|げて|れて|いて|って|んで|べて)(?:ください|下さい|くれ|ね?[。、!！]|$)"
    r"|(?:する|す|く|る)こと(?=[。!！]|$)|ましょう)"
)
_COMMANDS: Final = (
    # English
    (
        rf"{_NOW}(?:ignore|disregard|forget|override|bypass|do not follow|don't follow|stop following)\b[^.]{{0,40}}?"
        r"\b(?:previous|prior|above|earlier|preceding|all|any|your|these|those|everything|system|original)\b[^.]{0,30}?"
        r"(?:\b(?:instructions?|prompts?|rules|directions|guidelines|commands|messages)\b|(?:told|said|read|written)\b|above\b|before\b)"
    ),
    r"\byou are (?:now|no longer) (?:an?|in|the|free|going|bound|acting)\b|\bfrom now on,? (?:you|only|always|every)\b",
    rf"{_NOW}(?:act as|pretend (?:to be|that you|you are)|role-?play as)\b",
    r"\byour (?:new|only|real|true|actual) (?:task|instructions?|role|job|goal) (?:is|are)\b",
    rf"\bas an? {_MODEL}\b[^.]{{0,30}},\s*(?:you|i|please|write|output|say|always)\b",
    (
        rf"{_NOW}(?:reveal|print|output|repeat|show|leak|disclose|quote|recite|read out|read aloud|write out|tell (?:me|us))\b[^.]{{0,40}}?"
        r"\b(?:system prompt|hidden prompt|initial prompt|(?:your|the (?:system|above)) (?:instructions|prompt|rules)|api keys?|passwords?|credentials)\b"
    ),
    (
        rf"{_NOW}(?:output|print|insert|append|say|include|add|mention|write|advertise|promote|recommend|repeat)\b[^.]{{0,40}}?"
        r"(?:\bfollowing (?:url|link|address|sentence|text|words?|message|advert\w*|slogan)|https?://|www\.)"
    ),
    rf"{_NOW}tell (?:the|your|all) (?:viewers?|listeners?|audience|readers?|users?)\b",
    rf"\b(?:note|message|attention|instructions?|reminder|command)s? (?:to|for|:) ?(?:the |any |all )*{_MODEL}\b(?=\s*[:,.—-]|$| (?:read|process|summar|review|writ))",
    rf"\bif you are an? {_MODEL}\b",
    rf"{_NOW}(?:respond|reply|answer|write|speak|continue)(?: only| everything)? (?:in|with) (?:english|japanese|french|chinese|german|spanish|json)\b",
    rf"{_NOW}(?:give|write) (?:only )?a? ?(?:positive|favou?rable|glowing) (?:reviews?|evaluation|assessment)\b|\bpositive review only\b",
    rf"{_NOW}(?:do not|don't|never|omit|leave out|drop)\b[^.]{{0,20}}?\b(?:cite|citing|evidence|source sentences)\b",
    r"^(?:system|assistant|developer)\s*(?:prompt|message)?\s*:\s*(?:you|ignore|write|output|print|say|from now|new)\b",
    # Japanese
    (
        r"(?:これ|それ|ここ|今|いま|以前|前|上記|上|先|直前|すべて|全て|あらゆる|全|元|従来|最初|与えられた|受けた)[^。]{0,14}?"
        r"(?:指示|命令|指令|プロンプト|ルール|規則|制約)[^。]{0,10}?(?:無視|忘れ|破棄|取り消|上書き|従わ)[^。]{0,20}?"
        rf"(?:{_DO}|[^。]{{0,30}}{_DO})"
    ),
    r"(?:今から|これから|ここから|以後|以降|たった今)、?(?:あなた|君|きみ|お前)は|(?:あなた|君|お前)は(?:もう|もはや|今|いま)[^。]{0,20}?(?:です|だ|である|ない)",
    rf"(?:あなた|君)は[^。]{{0,12}}?{_MODEL_JA}(?:です|だ|である|として)|(?:あなた|君|これを読[^。]{{0,6}}?)が{_MODEL_JA}(?:なら|である|の場合|の方)",
    rf"(?:システム|隠された|内部の?)(?:プロンプト|メッセージ|指示|設定)[^。]{{0,20}}?{_DO}",
    r"(?:次|以下|下記|この|上記)の?、?(?:URL|リンク|アドレス|広告|宣伝|文|文章|メールアドレス|言葉|商品|メッセージ)(?:だけ)?を[^。]{0,25}?"
    + _DO,
    rf"{_MODEL_JA}(?:の(?:みなさん|皆さん|方|皆様))?(?:へ|宛て?|向け)の?(?:指示|命令|お願い|注意|メッセージ|連絡)(?=\s*(?:[:：。、!！]|$|です|だ))|{_MODEL_JA}(?:への?|宛て?)\s*[:：]",
    rf"(?:日本語|英語|中国語|韓国語|フランス語|ドイツ語|JSON)(?:だけ|のみ)?で(?:のみ|だけ)?[^。]{{0,6}}?(?:回答|出力|返答|応答|執筆|書|答)[^。]{{0,6}}?{_DO}",
    rf"(?:evidence|根拠(?:の番号)?|出典の番号)\s?(?:は|を)[^。]{{0,12}}?(?:空|付けな|つけな|省|書かな|捨て)[^。]{{0,10}}?(?:{_DO}|ないこと|でください)",
    rf"(?:視聴者|リスナー|聞き手|読者|利用者)(?:の(?:みなさん|皆さん))?に[^。]{{0,40}}?(?:宣伝|勧め|すすめ|案内|紹介|伝え)[^。]{{0,6}}?{_DO}",
    # What ends a block of material, opens a turn, or is an answer already
    r"</?\s*(?:source|system|user|assistant|instructions?|prompt|material|document|context)\b",
    r"<\|\s*\w+\s*\|>|\[/?INST\]|<</?SYS>>|#{2,}\s*(?:system|new|your)?\s*instructions?\b",
    r"\b(?:begin|end) (?:of )?(?:the )?(?:system|source|prompt|untrusted|material)\b(?=\W*(?:prompt|message|text|material|block|$))",
    r"[\"'](?:role|sections|lines|evidence|speaker|tool_calls?)[\"']\s*:",
)
_COMMAND: Final = re.compile("|".join(f"(?:{pattern})" for pattern in _COMMANDS), re.IGNORECASE)
# What counts only beside a command: it goes on.
_GOES_ON: Final = re.compile(
    r"^\W*(?:please |then |now |instead,? ){0,3}(?:write|say|output|print|add|tell|include|repeat|give|do not|don't|never|always|instead"
    rf"|respond|answer|translate|end|start|mention|advertise)\b|{_DO}[。!！」\s]*$",
    re.IGNORECASE,
)
# A quotation inside a sentence that says what it is: somebody writes about instructions.
_MENTION: Final = re.compile(
    r"[「『“\"'‘][^「」『』“”\"]{0,200}[」』”\"'’](?=\s*(?:と(?:いう|いった|書|入力|命|指示|述|呼)|などの?|のような|等の|, (?:which|are|is)|\s(?:is|are|was|were|in|cause|make)\b))"
    r"|(?:\b(?:such as|like|called|e\.g\.,?|phrases?|strings?|prompts?|commands?)\s+)[“\"'‘][^“”\"]{0,200}[”\"'’]"
)
_ENCODED: Final = re.compile(r"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{24,4000}={0,2}(?![A-Za-z0-9+/=])")
_END: Final = ".。!！?？… "
_ADDRESS: Final = re.compile(
    r"https?://[!-~]+|\bwww\.[!-~]+|(?<![\w.+-])[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}"
    r"|(?<![\w.@/-])[A-Za-z0-9][A-Za-z0-9-]{0,62}(?:\.[A-Za-z0-9-]{1,63}){0,8}\.(?:com|net|org|info|biz|io|ai|app|dev|shop|store|site|online|xyz|top|link"
    r"|ly|me|tv|gg|co|jp|cn|ru|uk|de|fr|eu|us|example|test)(?![\w-])(?:/[!-~]*)?"
    r"|ドット\s?(?:コム|ネット|ジェーピー|オルグ)|\bdot (?:com|net|org|jp)\b",
    re.ASCII | re.IGNORECASE,
)
# What no screen shows though Unicode calls it a mark or a letter: joiners, fillers and variation selectors.
_IGNORABLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
# A sign before a number compares: p < 0.05, x <= y. Any other may open a tag, with whatever stands between.
_TAG: Final = re.compile(r"<(?!=|\s?[-−+±~]?\.?\d)")
_TURN: Final = re.compile(r"\[(?=[\s/]{0,3}INST\s?\])", re.IGNORECASE)
_SHARED_WORDS: Final = 8
"""Words in a row that a line cannot share with our rules by chance."""
_WORD: Final = re.compile(r"[a-z0-9']+|[^\W\d_a-z]")


def suspects(source: Source) -> tuple[int, ...]:
    """The numbers of the sentences that read like instructions to a language model, in order."""
    texts = [(sentence.number, plain(sentence.text)) for sentence in source.sentences]
    found = {
        sentence.number
        for sentence, (_, text) in zip(source.sentences, texts, strict=True)
        if _commands(text) or _hidden(sentence.text)
    }
    for (number, text), (following, goes_on) in pairwise(texts):
        # An instruction may be cut in two; its halves are harmless.
        head = text.rstrip(_END)
        joined = head + (" " if head.isascii() else "") + goes_on
        if any(match.start() < len(head) < match.end() - 1 for match in _COMMAND.finditer(joined)):
            found |= {number, following}
    for (number, _), (following, text) in pairwise(texts):
        if number in found and (_GOES_ON.search(text) or _ADDRESS.search(text)):
            found.add(following)
    return tuple(sorted(found))


def defused(text: str) -> str:
    """`text` on one line, without invisible characters and without anything that looks like a tag or a turn."""
    return _TURN.sub("［", _TAG.sub("＜", " ".join(_visible(text).split())))


def plain(text: str) -> str:
    """`text` as a model may read it: hidden letters made visible, invisible ones dropped, one width."""
    shown = "".join(chr(ord(char) - 0xE0000) if "\U000e0020" <= char <= "\U000e007e" else char for char in text)
    return " ".join(_visible(unicodedata.normalize("NFKC", shown)).split())


def warning(numbers: Collection[int]) -> list[Complaint]:
    """That a source holds such sentences, said about the whole script."""
    if not numbers:
        return []
    named = "".join(f"[{number}]" for number in sorted(numbers))
    return [
        Complaint(
            line=None,
            rule="instruction-in-source",
            ja=f"出典の文 {named} は、言語モデルへの指示のように書かれています。指示としては扱いません。"
            "出典が信頼できるものか、台本がこの文に従っていないかを確かめてください。",
            en=f"The source sentences {named} read like instructions to a language model. They are not followed. "
            "See whether the source can be trusted, and that the script does not obey them.",
        )
    ]


class Addresses:
    """The web and mail addresses a source gives, those in sentences that read like instructions left out."""

    def __init__(self, source: Source, suspects: Collection[int]) -> None:
        self._source = source
        self._suspects = frozenset(suspects)

    def __contains__(self, address: str) -> bool:
        return _bare(address) in self._text

    @cached_property
    def _text(self) -> str:
        """Joined at the first address that is asked for; few scripts have one."""
        return " ".join(_trusted(self._source, self._suspects))


def check(line: Line, numbers: Collection[int], given: Addresses) -> list[Complaint]:
    """Whether a line repeats such a sentence, or sends people somewhere the source does not."""
    complaints = foreign(line.text, given, None, line=line.id)
    if cited := [number for number in line.evidence if number in numbers]:
        named = "".join(f"[{number}]" for number in cited)
        complaints.append(
            Complaint(
                line=line.id,
                rule="rests-on-instruction",
                ja=f"根拠 {named} は言語モデルへの指示のように読める文です。この行を消すか、ほかの文を根拠にしてください。",
                en=f"Its evidence {named} reads like an instruction to a language model. Drop the line, or rest it on "
                "other sentences.",
            )
        )
    return complaints


def foreign(text: str, given: Addresses, where: Bilingual | None, *, line: str | None = None) -> list[Complaint]:
    """The web and mail addresses of `text` that the source does not give, or gives only in such a sentence."""
    found = [match.group().rstrip(".,;:!?)]}>\"'") for match in _ADDRESS.finditer(plain(text))]
    place = Bilingual(ja=f"{where.ja}の" if where else "", en=f" in the {where.en}" if where else "")
    return [
        Complaint(
            line=line,
            rule="address-not-in-source",
            ja=f"{place.ja}アドレス「{address}」は出典にありません。消してください。",
            en=f"The address {address}{place.en} is not one of the source's. Remove it.",
        )
        for address in dict.fromkeys(found)
        if address not in given
    ]


def echoes(text: str, rules: str) -> bool:
    """Whether `text` recites `rules`: so many words in a row are no accident."""
    said, known = _WORD.findall(plain(text).casefold()), _WORD.findall(plain(rules).casefold())
    runs = {tuple(known[start : start + _SHARED_WORDS]) for start in range(len(known) - _SHARED_WORDS + 1)}
    return any(tuple(said[start : start + _SHARED_WORDS]) in runs for start in range(len(said) - _SHARED_WORDS + 1))


def _trusted(source: Source, numbers: Collection[int]) -> Iterator[str]:
    if source.paper is not None:
        yield _bare(source.paper.url or "")
        yield _bare(source.paper.doi or "")
    for sentence in source.sentences:
        if sentence.number not in numbers:
            yield plain(sentence.text).casefold()


def _bare(address: str) -> str:
    return re.sub(r"^(?:https?://)?(?:www\.)?(?:doi\.org/)?", "", plain(address).casefold()).rstrip("/")


def _commands(text: str) -> bool:
    mentions = [match.span() for match in _MENTION.finditer(text)]
    for match in _COMMAND.finditer(text):
        if not any(start <= match.start() and match.end() <= end for start, end in mentions):
            return True
    return any(_COMMAND.search(said) for said in _decoded(text))


def _visible(text: str) -> str:
    return _IGNORABLE.sub("", "".join(char for char in text if unicodedata.category(char) != "Cf"))


def _hidden(text: str) -> bool:
    """Letters that no screen shows: Unicode's tags have no use in a paper."""
    return any("\U000e0020" <= char <= "\U000e007e" for char in text)


def _decoded(text: str) -> Iterator[str]:
    """What base64 in a text says, where that is text."""
    for match in _ENCODED.finditer(text):
        words = match.group().rstrip("=")
        try:
            yield base64.b64decode(words + "=" * (-len(words) % 4), validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            continue
