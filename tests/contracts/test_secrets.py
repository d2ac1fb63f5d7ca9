"""What every keeper of secrets keeps: today's value, its source, and silence about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hybrid_mcp.errors import KeyMissing
from hybrid_mcp.secrets.environment import Environment


@pytest.fixture
def keeper(tmp_path: Path) -> Environment:
    return Environment([tmp_path / ".env.hybrid"])


async def test_a_secret_that_is_nowhere_is_none(keeper: Environment) -> None:
    assert await keeper.get("claude_api_key") is None


async def test_the_environment_comes_before_the_file_and_the_first_name_before_the_second(
    keeper: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env.hybrid").write_text("ANTHROPIC_API_KEY=from-file\n", encoding="utf-8")
    found = await keeper.get("claude_api_key")
    assert found is not None
    assert (found.value, found.source) == ("from-file", f"{tmp_path / '.env.hybrid'}: ANTHROPIC_API_KEY")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "second")
    monkeypatch.setenv("CLAUDE_API_KEY", " first\n")
    found = await keeper.get("claude_api_key")
    assert found is not None
    assert (found.value, found.source) == ("first", "CLAUDE_API_KEY")


async def test_a_secret_changed_in_the_file_is_used_at_the_next_call(keeper: Environment, tmp_path: Path) -> None:
    file = tmp_path / ".env.hybrid"
    for value in ("one", "two$HOME", ""):
        file.write_text(f'# keys\nGROQ_API_KEY="{value}"\n', encoding="utf-8")
        found = await keeper.get("groq_api_key")
        assert (found.value if found else "") == value


async def test_printing_a_secret_does_not_show_it(keeper: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    found = await keeper.get("openai_api_key")
    assert found is not None
    assert "sk-very-secret" not in f"{found} {found!r} {[found]}"


async def test_a_file_in_another_encoding_is_named_with_the_remedy(keeper: Environment, tmp_path: Path) -> None:
    (tmp_path / ".env.hybrid").write_bytes("# 日本語のメモ\nCLAUDE_API_KEY=x\n".encode("cp932"))
    with pytest.raises(KeyMissing, match="Save it again as UTF-8"):
        await keeper.get("claude_api_key")
