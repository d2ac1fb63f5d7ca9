from __future__ import annotations

from collections.abc import Sequence

import pytest

from hybrid_mcp.backend import Health
from hybrid_mcp.errors import EngineUnavailable, InvalidInput, UnsupportedLanguage
from hybrid_mcp.llm.ask import ask
from hybrid_mcp.llm.interface import ChatAnswer, ChatRequest, ModelCard, Prices, Watch


class Echo:
    """A model that repeats what it was asked."""

    name = "echo"
    model = "echo-1"
    context_tokens = 1000
    max_output_tokens = 500
    prices = Prices()

    def __init__(self, *languages: str) -> None:
        self.languages = languages

    async def check(self) -> Health:
        return Health("1")

    async def models(self) -> tuple[ModelCard, ...]:
        return (ModelCard(self.model),)

    async def count(self, request: ChatRequest) -> int:
        return len(request.prompt)

    async def chat(self, request: ChatRequest, watch: Watch = Watch()) -> ChatAnswer:
        await watch.text(request.prompt)
        return ChatAnswer(request.prompt, self.model, 1, 1, truncated=False)

    async def close(self) -> None:
        pass


class Gone(Echo):
    """A model whose server does not answer."""

    name = "gone"

    async def check(self) -> Health:
        raise EngineUnavailable(ja="起動していません。", en="It is not running.")


ENGLISH = [Echo("en")]


async def said(models: Sequence[Echo], prompt: str, language: str = "") -> str:
    return (await ask(models, ChatRequest(prompt), language=language, watch=Watch())).result.text


@pytest.mark.parametrize(
    "prompt",
    [
        "hi",
        "OK",
        "no",
        "Hello",
        "JSON please",
        "Name a colour",
        "Give me a hook",
        "BERT, GPT, ResNet",
        "E. coli et al. (2020)",
        "Summarise: BERT improves GLUE by 7.7 points.",
        "Define de novo synthesis in vivo",
        "Pour in the par value, son",
        "Papers by de la Cruz, van der Berg and von Neumann",
        "de la Cruz, van der Berg",
        "Write a title about La Niña and El Niño",
        'Translate "Quel est le résultat principal de cet article ?" into English.',
        "def f(a, b): return a + b",
        "What does 記憶 mean in a paper about the hippocampus?",
        "1 + 1 = ?",
        "🎉",
    ],
)
async def test_english_is_never_refused(prompt: str) -> None:
    assert await said(ENGLISH, prompt) == prompt


@pytest.mark.parametrize(
    ("prompt", "english", "japanese"),
    [
        ("この論文を一文で要約してください。", "Japanese", "日本語"),
        ("记忆对于学习来说非常重要", "Chinese", "中国語"),
        ("이 논문을 요약해 주세요", "Korean", "韓国語"),
        ("Кратко изложи статью", "cyrillic", "cyrillic"),
        ("Résume ce texte en une phrase courte.", "French", "フランス語"),
        ("Quel est le résultat principal de cet article ?", "French", "フランス語"),
        ("Fasse diesen Text in einem Satz zusammen.", "German", "ドイツ語"),
        ("Was ist das wichtigste Ergebnis der Studie?", "German", "ドイツ語"),
        ("¿Cuál es el resultado principal del estudio?", "Spanish", "スペイン語"),
        ("Escribe un título para mi artículo sobre la memoria.", "Spanish", "スペイン語"),
    ],
)
async def test_another_language_is_refused_with_the_remedy(prompt: str, english: str, japanese: str) -> None:
    with pytest.raises(UnsupportedLanguage) as refused:
        await said(ENGLISH, prompt)
    en, ja = refused.value.text("en"), refused.value.text("ja")
    assert f"this request is in {english}" in en
    assert "only knows English" in en
    assert "your client's own model" in en
    assert japanese in ja
    assert "クライアントのモデル" in ja


async def test_a_language_that_is_given_is_believed() -> None:
    assert await said(ENGLISH, "記憶?", "en-GB") == "記憶?"
    with pytest.raises(UnsupportedLanguage, match="Japanese"):
        await said(ENGLISH, "Hello", "ja-JP")


async def test_a_model_that_knows_the_language_is_asked() -> None:
    model = Echo("en", "ja")
    assert await said([model], "こんにちは") == "こんにちは"
    with pytest.raises(UnsupportedLanguage, match="English and Japanese"):
        await said([model], "안녕하세요")


async def test_a_model_that_names_no_language_is_asked_in_any() -> None:
    assert await said([Echo()], "안녕하세요") == "안녕하세요"


async def test_the_next_model_answers_and_says_why_the_first_did_not() -> None:
    chosen = await ask([Gone("en"), Echo("en")], ChatRequest("Hi"), language="", watch=Watch())
    assert chosen.engine.name == "echo"
    assert [(passed.engine, passed.why.en) for passed in chosen.passed] == [("gone", "It is not running.")]


@pytest.mark.parametrize("prompt", ["", "  \n\t", "\u3000"])
async def test_an_empty_prompt_is_refused(prompt: str) -> None:
    with pytest.raises(InvalidInput, match="empty"):
        await said(ENGLISH, prompt, "en")


async def test_the_answer_is_told_as_it_comes() -> None:
    seen: list[str] = []

    async def note(piece: str) -> None:
        seen.append(piece)

    await ask(ENGLISH, ChatRequest("Hi", max_tokens=7), language="", watch=Watch(note))
    assert seen == ["Hi"]


async def test_when_the_model_that_knows_the_language_is_away_that_is_the_reason_given() -> None:
    with pytest.raises(EngineUnavailable, match=r"gone: It is not running\. echo: .*only knows English"):
        await ask([Gone(), Echo("en")], ChatRequest("こんにちは"), language="", watch=Watch())
