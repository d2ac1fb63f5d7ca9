import pytest

from hybrid_mcp.languages import detect


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("海馬は記憶に関わる。", "ja"),
        ("BERTとGPTを比較したAI研究", "ja"),
        ("東京特許許可局", "ja"),
        ("Sleep helps memory.", "en"),
        ("AlphaFold predicts 3D structures (折り畳み) of proteins from their sequences.", "en"),
        ("这是一个关于学习和记忆的研究。", "zh"),
        ("학습과 기억에 관한 연구", "ko"),
        ("Это исследование о памяти", "cyrillic"),
        ("هذا بحث", "arabic"),
        ("5–10 mg/kg、BERT、p<0.05。", "ja"),
        ("123 🎉 …", "und"),
        ("", "und"),
    ],
)
def test_the_language_is_told_from_the_script(text: str, language: str) -> None:
    assert detect(text) == language
