import os
import re
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from hybrid_mcp.config import Serving, Settings, unknown_variables

EXAMPLE = Path(__file__).parents[1] / "env.hybrid.example"


def variables(model: type[BaseModel], prefix: str) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found |= variables(field.annotation, f"{prefix}{name.upper()}__")
        else:
            found[f"{prefix}{name.upper()}"] = field.default
    return found


def test_the_example_names_every_setting_with_its_default() -> None:
    known = variables(Settings, "HYBRID_MCP_")
    shown = dict(re.findall(r"^# (HYBRID_MCP_\w+)=(.*)$", EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE))
    assert shown.keys() == known.keys()
    for name, value in shown.items():
        default = known[name]
        if isinstance(default, tuple):
            default = ",".join(default)
        elif isinstance(default, dict):
            default = ",".join(f"{key}={url}" for key, url in default.items())
        if default is None:
            assert value == "", name
        elif isinstance(default, int | float | str):
            assert str(default).removesuffix(".0") == value, name


def test_the_example_can_be_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    (tmp_path / ".env.hybrid").write_text(re.sub(r"(?m)^# (HYBRID_MCP_)", r"\1", text), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("HYBRID_MCP_")]:
        monkeypatch.delenv(name)
    for group in ("tts", "speech", "llm", "claude", "openai", "groq", "ollama", "outgoing", "watching", "serve"):
        assert getattr(Settings(), group) == getattr(Settings(_env_file=None), group)


def test_every_setting_says_what_it_is() -> None:
    for group in (Settings, *(f.annotation for f in Settings.model_fields.values())):
        if isinstance(group, type) and issubclass(group, BaseModel):
            for name, field in group.model_fields.items():
                assert field.description or isinstance(field.default, BaseModel), name


def test_groups_are_reached_with_two_underscores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRID_MCP_TTS__WORKERS", "3")
    assert Settings().tts.workers == 3


@pytest.mark.parametrize("value", [f"/a{os.pathsep}/b", '["/a", "/b"]'])
def test_allowed_roots_are_separated_as_in_path_or_json(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("HYBRID_MCP_ALLOWED_ROOTS", value)
    assert Settings().allowed_roots == (Path("/a").absolute(), Path("/b").absolute())


def test_the_file_is_read_and_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env.hybrid").write_text("HYBRID_MCP_LANGUAGE=en\nHYBRID_MCP_TTS__VOICE=mei-low\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYBRID_MCP_LANGUAGE", "ja")
    assert (Settings().language, Settings().tts.voice) == ("ja", "mei-low")


def test_a_wrong_value_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRID_MCP_LANGUAGE", "fr")
    with pytest.raises(ValidationError):
        Settings()


@pytest.mark.parametrize(
    "value",
    ["a=http://one:1, b=https://two", '{"a": "http://one:1", "b": "https://two"}', "a=http://one:1/,b=https://two/"],
)
def test_engines_are_named_with_their_address(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("HYBRID_MCP_TTS__ENGINES", value)
    assert Settings().tts.engines == {"a": "http://one:1", "b": "https://two"}


@pytest.mark.parametrize("value", ["voicevox", "a=ftp://one", "openjtalk=http://one", "A B=http://one", "a=http://"])
def test_an_engine_without_an_address_or_with_a_bad_name_is_refused(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("HYBRID_MCP_TTS__ENGINES", value)
    with pytest.raises(ValidationError):
        Settings()


@pytest.mark.parametrize("value", ["ollama, extractive", '["ollama", "extractive"]'])
def test_orders_are_lists_of_names(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("HYBRID_MCP_LLM__WRITERS", value)
    assert Settings().llm.writers == ("ollama", "extractive")


def test_the_working_directory_is_no_root() -> None:
    """Hosts start servers in `/`."""
    assert Path.cwd() not in Settings().allowed_roots


def test_a_variable_that_is_no_setting_is_answered_with_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRID_MCP_TTS_ENGINES", "x=http://one")
    assert unknown_variables() == {"HYBRID_MCP_TTS_ENGINES": "HYBRID_MCP_TTS__ENGINES"}


def test_the_users_file_is_read_where_the_working_directory_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, own = tmp_path / "here", tmp_path / "own"
    for folder, voice in ((here, "mei-low"), (own, "mei-high")):
        folder.mkdir()
        (folder / ".env.hybrid").write_text(f"HYBRID_MCP_TTS__VOICE={voice}\n", encoding="utf-8-sig")
    monkeypatch.setattr("hybrid_mcp.config.env_files", lambda: (here / ".env.hybrid", own / ".env.hybrid"))
    assert Settings().tts.voice == "mei-low"
    (here / ".env.hybrid").unlink()
    assert Settings().tts.voice == "mei-high"


def test_an_address_may_be_given_with_blanks_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRID_MCP_OPENAI__URL", " http://one:1/v1/ ")
    assert Settings().openai.url == "http://one:1/v1"


@pytest.mark.parametrize(
    "value",
    ["http://one:99999", "http://one:0", "http://one:x", "http://\u200b", "http://[::1", "http://o ne", "one:80"],
)
def test_an_address_that_no_client_takes_is_refused_with_how_to_write_it(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("HYBRID_MCP_OPENAI__URL", value)
    with pytest.raises(ValidationError, match="write it as http://host:port"):
        Settings()


@pytest.mark.parametrize(
    "value",
    [
        "ftp://user:MARKED@one/",
        "http//user:MARKED@one",
        "user:MARKED@one",
        "http://user:p/MARKED@one",
        "http://MARKED@",
    ],
)
@pytest.mark.parametrize("name", ["OPENAI__URL", "TTS__ENGINES"])
def test_a_refused_address_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"HYBRID_MCP_{name}", value if name == "OPENAI__URL" else f"a={value}")
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert "MARKED" not in str(refused.value)
    assert "…@" in str(refused.value)


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode there")
@pytest.mark.parametrize("name", ["DATA_DIR", "MODELS_DIR", "ALLOWED_ROOTS"])
def test_a_folder_whose_name_is_not_unicode_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"HYBRID_MCP_{name}", os.fsdecode(b"/data-\xff"))
    with pytest.raises(ValidationError, match="UTF-8") as refused:
        Settings()
    assert str(refused.value).encode()


@pytest.mark.parametrize("value", ["*", "mcp.*", "*.example.org", "https://one", "one/mcp", "o ne", "::1", "例え.jp"])
def test_a_host_that_no_request_could_name_is_refused(value: str) -> None:
    with pytest.raises(ValidationError, match="write each as"):
        Serving.model_validate({"allowed_hosts": value})


@pytest.mark.parametrize("value", ["*", "one", "https://one/", "https://one/mcp", "https://*.one", "null", "https://"])
def test_an_origin_that_no_request_could_name_is_refused(value: str) -> None:
    with pytest.raises(ValidationError, match="write each as"):
        Serving.model_validate({"allowed_origins": value})


def test_hosts_and_origins_are_kept_in_small_letters() -> None:
    serving = Serving.model_validate(
        {"allowed_hosts": "MCP.example.org:8443, [::1]", "allowed_origins": "HTTPS://Mcp.example.org,https://two:*"}
    )
    assert serving.allowed_hosts == ("mcp.example.org:8443", "[::1]")
    assert serving.allowed_origins == ("https://mcp.example.org", "https://two:*")


@pytest.mark.parametrize("value", ["", " "])
def test_an_empty_folder_is_the_usual_one_and_not_the_working_directory(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    for name in ("DATA_DIR", "MODELS_DIR"):
        monkeypatch.delenv(f"HYBRID_MCP_{name}", raising=False)
    usual = Settings()
    monkeypatch.setenv("HYBRID_MCP_DATA_DIR", value)
    monkeypatch.setenv("HYBRID_MCP_MODELS_DIR", value)
    given = Settings()
    assert (given.data_dir, given.models_dir) == (usual.data_dir, usual.models_dir)
    assert Path.cwd() not in (given.data_dir, given.models_dir)


def test_an_engine_that_an_order_names_twice_stands_where_it_stood_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRID_MCP_TTS__ORDER", "voicevox,openjtalk,voicevox")
    assert Settings().tts.order == ("voicevox", "openjtalk")
