from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_mcp.stt.score import character_error_rate, word_error_rate


@pytest.mark.parametrize(
    ("said", "heard", "rate"),
    [
        ("海馬は記憶を作る。", "海馬は 記憶を作る", 0.0),
        ("ＢＥＲＴは強い!", "bertは強い", 0.0),
        ("ｶﾞｿﾘﾝ", "ガソリン", 0.0),
        ("ラーメン", "ラメン", 0.25),
        ("記憶", "", 1.0),
        ("", "", 0.0),
        ("。、", "記憶", 1.0),
        ("あ", "あいうえ", 3.0),
        ("Straße", "STRASSE", 0.0),
    ],
)
def test_the_character_error_rate_ignores_what_cannot_be_heard(said: str, heard: str, rate: float) -> None:
    assert character_error_rate(said, heard) == rate


@pytest.mark.parametrize(
    ("said", "heard", "rate"),
    [
        ("Ask not, what.", "ask not what", 0.0),
        ("don't stop", "don’t stop", 0.0),
        ("self-attention works", "self attention works", 0.0),
        ("a b c d", "a x c", 0.5),
        ("", "", 0.0),
        ("...", "word", 1.0),
    ],
)
def test_the_word_error_rate_compares_words(said: str, heard: str, rate: float) -> None:
    assert word_error_rate(said, heard) == rate


@given(st.text(), st.text())
def test_error_rates_are_zero_for_the_same_and_never_negative(one: str, other: str) -> None:
    for rate in (character_error_rate, word_error_rate):
        assert rate(one, one) == 0
        assert rate(one, other) >= 0
