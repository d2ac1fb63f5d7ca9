"""Asking a language model something it can be trusted with."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hybrid_mcp.choosing import Chosen, first_of
from hybrid_mcp.errors import AnswerRefused, InvalidInput, UnsupportedLanguage
from hybrid_mcp.languages import Bilingual, detect
from hybrid_mcp.llm.interface import ChatAnswer, ChatRequest, LanguageModel, Watch

_NAMES = {
    "en": Bilingual(ja="英語", en="English"),
    "ja": Bilingual(ja="日本語", en="Japanese"),
    "zh": Bilingual(ja="中国語", en="Chinese"),
    "ko": Bilingual(ja="韓国語", en="Korean"),
    "fr": Bilingual(ja="フランス語", en="French"),
    "de": Bilingual(ja="ドイツ語", en="German"),
    "es": Bilingual(ja="スペイン語", en="Spanish"),
}

_ENGLISH = frozenset(
    "a the and or but if of to at by for from with into about as is are was were be been it its this that these those"
    " what which who how why when where do does did not can could will would should i you he she we they my your his"
    " our their him us them there here than then very please".split()
)
"""Without in, an, on, so, me, no: other languages have those too."""
_FUNCTION_WORDS = {
    "fr": frozenset(
        "le la les un une des du de et est sont ce cet cette ces dans sur avec pour par que qui quel quelle quels quelles"
        " ne pas mon ma mes ton son sa ses au aux en je tu il elle nous vous ils elles comment pourquoi peux peut"
        " bonjour".split()
    ),
    "de": frozenset(
        "der das den dem des ein eine einen einem einer eines und ist sind nicht ich du er wir ihr mit für auf von zu zum"
        " zur wie wo warum diesen diese dieser dieses diesem im bei aus über kann kannst mein meine meinen meiner bitte"
        " wird werden oder auch welche welcher".split()
    ),
    "es": frozenset(
        "el la los las un una unos unas del de y es son este esta estos estas en con para por que qué quién cuál cómo"
        " cuándo dónde mi mis tu tus su sus al lo se puedes puede sobre más hola como".split()
    ),
}
_WEAK = frozenset("de la le les du des del der den von zu el los las al pour par son ton est sur".split())
"""Words that stand in English too, in names ("de la Cruz", "Los Alamos") or as words: they weigh half."""
_ENOUGH = 2.0
"""Weight of function words below which nothing is clear: "Sturm und Drang" is not yet German."""
_SHARE = 0.25
"""Of all words: function words are a third and more of running text in these languages."""
_WORD = re.compile(r"[^\W\d_]+")
_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|«[^»]*»|„[^“”]*[“”]|```.*?```|`[^`]*`", re.DOTALL)


async def ask(
    models: Sequence[LanguageModel], request: ChatRequest, *, language: str, watch: Watch
) -> Chosen[LanguageModel, ChatAnswer]:
    """Put the request to the first of `models` that is there, unless it is in a language that one does not know.

    `language` is a code such as `en` or `ja-JP`, and is believed; empty means that it is told from the
    prompt: by script (`languages.detect`), and for French, German and Spanish by their function words,
    where these clearly outweigh English ones. Other languages in Latin letters pass for English, and so
    does a prompt without letters. (py3langid 0.4 was tried instead: a second to load, and it took 14 of 25
    short English prompts, "hi" and "Hello" among them, for another language.)

    Raises:
        InvalidInput: the prompt is empty, or what `LanguageModel.chat` refuses.
        UnsupportedLanguage: it is written in none of the model's languages.
        EngineError: the model failed, is missing or took too long; or none is there.
    """
    if not request.prompt.strip():
        raise InvalidInput(
            ja="依頼が空です。モデルに聞くことを書いてください。", en="The prompt is empty. Write what to ask."
        )
    used = re.split(r"[-_]", language.strip().lower(), maxsplit=1)[0] or _told(request.prompt)

    async def attempt(model: LanguageModel) -> ChatAnswer:
        if used != "und" and model.languages and used not in model.languages:
            unknown = _unknown(model, used)
            if len(models) == 1:
                raise unknown
            # Those before it would have known the language: why they did not answer belongs to the reason.
            raise AnswerRefused(ja=unknown.message.ja, en=unknown.message.en)
        return await model.chat(request, watch)

    return await first_of(models, attempt)


def _unknown(model: LanguageModel, used: str) -> UnsupportedLanguage:
    asked = _NAMES.get(used, Bilingual(ja=used, en=used))
    known = [_NAMES.get(code, Bilingual(ja=code, en=code)) for code in model.languages]
    names = Bilingual(ja="・".join(name.ja for name in known), en=" and ".join(name.en for name in known))
    return UnsupportedLanguage(
        ja=f"内蔵のモデル ({model.model}) にわかるのは{names.ja}だけで、この依頼の言語は{asked.ja}です。"
        f"{names.ja}で書くか、お使いのクライアントのモデルに答えさせてください。",
        en=f"The embedded model ({model.model}) only knows {names.en}, and this request is in {asked.en}. "
        f"Write it in {names.en}, or let your client's own model answer.",
    )


def _told(prompt: str) -> str:
    """The language of the prompt; what it quotes may be in another one of the same script."""
    script = detect(prompt)
    if script != "en":
        return script
    words = [word.lower() for word in _WORD.findall(_QUOTED.sub(" ", prompt))]
    english = sum(word in _ENGLISH for word in words)
    best, weight = "en", 0.0
    for code, function_words in _FUNCTION_WORDS.items():
        found = sum(0.5 if word in _WEAK else 1.0 for word in words if word in function_words)
        if found > weight:
            best, weight = code, found
    clear = weight >= _ENOUGH and weight > 2 * english and weight >= _SHARE * len(words)
    return best if clear else "en"
