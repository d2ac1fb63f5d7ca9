from __future__ import annotations

import pytest

from hybrid_mcp.errors import InvalidInput, UnsupportedLanguage
from hybrid_mcp.llm.ask import ask
from hybrid_mcp.llm.interface import ChatAnswer, ChatRequest, OnProgress


class Echo:
    """A model that repeats what it was asked."""

    name = "echo"
    model = "echo-1"
    languages: tuple[str, ...] = ("en",)

    async def chat(self, request: ChatRequest, on_progress: OnProgress) -> ChatAnswer:
        await on_progress(1, request.max_tokens)
        return ChatAnswer(request.prompt, self.model, 1, 1, truncated=False)

    async def close(self) -> None:
        pass


async def ignore(done: float, whole: float | None) -> None:
    pass


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
    answer = await ask(Echo(), ChatRequest(prompt), language="", on_progress=ignore)
    assert answer.text == prompt


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
        await ask(Echo(), ChatRequest(prompt), language="", on_progress=ignore)
    en, ja = refused.value.text("en"), refused.value.text("ja")
    assert f"this request is in {english}" in en
    assert "only knows English" in en
    assert "your client's own model" in en
    assert japanese in ja
    assert "クライアントのモデル" in ja


async def test_a_language_that_is_given_is_believed() -> None:
    answer = await ask(Echo(), ChatRequest("記憶?"), language="en-GB", on_progress=ignore)
    assert answer.text == "記憶?"
    with pytest.raises(UnsupportedLanguage, match="Japanese"):
        await ask(Echo(), ChatRequest("Hello"), language="ja-JP", on_progress=ignore)


async def test_a_model_that_knows_the_language_is_asked() -> None:
    model = Echo()
    model.languages = ("en", "ja")
    assert (await ask(model, ChatRequest("こんにちは"), language="", on_progress=ignore)).text == "こんにちは"
    with pytest.raises(UnsupportedLanguage, match="English and Japanese"):
        await ask(model, ChatRequest("안녕하세요"), language="", on_progress=ignore)


@pytest.mark.parametrize("prompt", ["", "  \n\t", "\u3000"])
async def test_an_empty_prompt_is_refused(prompt: str) -> None:
    with pytest.raises(InvalidInput, match="empty"):
        await ask(Echo(), ChatRequest(prompt), language="en", on_progress=ignore)


async def test_progress_and_the_request_are_passed_on_unchanged() -> None:
    seen: list[tuple[float, float | None]] = []

    async def note(done: float, whole: float | None) -> None:
        seen.append((done, whole))

    await ask(Echo(), ChatRequest("Hi", max_tokens=7), language="", on_progress=note)
    assert seen == [(1, 7)]
