"""Settings: one group per room. `settings.tts.workers` is `HYBRID_MCP_TTS__WORKERS`.

Read from the environment, then from `.env.hybrid` (see `env_files`).
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import httpx2
import platformdirs
from annotated_types import MinLen
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from hybrid_mcp.addresses import shown
from hybrid_mcp.languages import Language

_APP = "hybrid-mcp"


def env_files() -> tuple[Path, ...]:
    """Where `.env.hybrid` is read from, the first one winning: the working directory, and the user's configuration.

    Hosts start servers in a directory of their own choice; the latter is the same for all of them.
    """
    folders = (Path.cwd(), platformdirs.user_config_path(_APP, appauthor=False))
    return tuple(folder / ".env.hybrid" for folder in folders)


def _media_folders() -> tuple[Path, ...]:
    """Where people keep recordings. The working directory is not among them: hosts start servers in `/`."""
    home = Path.home()
    return tuple(home / name for name in ("Music", "Movies", "Videos", "Downloads"))


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)  # addresses may hold passwords


def _names(value: Any) -> Any:
    """Accept a JSON list, or names separated by commas."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [part.strip() for part in value.split(",") if part.strip()]


def _urls(value: Any) -> Any:
    """Accept a JSON object, or `name=address` separated by commas."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("{"):
        return json.loads(value)
    pairs = [part.partition("=") for part in value.split(",") if part.strip()]
    return {name.strip(): url.strip() for name, _, url in pairs}


def _address(value: str) -> str:
    """An address of an engine; empty where there is none."""
    value = value.strip()
    if value and not _can_be_asked(value):
        raise ValueError(
            f"not an address: {shown(value)!r}; write it as http://host:port or https://host, ports being 1 to 65535 "
            "/ http://ホスト:ポート か https://ホスト の形で書いてください (ポートは 1 から 65535)"
        )
    return value.rstrip("/")


def _can_be_asked(url: str) -> bool:
    """Whether HTTP clients take the address: what they refuse would fail in the middle of work, with other words."""
    try:
        parts, port = httpx2.URL(url), urlsplit(url).port
    except (httpx2.InvalidURL, ValueError):
        return False
    return parts.scheme in ("http", "https") and bool(parts.host) and port != 0 and len(url.split()) == 1


_HOST = r"(\[[0-9a-f:.]+\]|[a-z0-9_-]+(\.[a-z0-9_-]+)*)(:\d{1,5}|:\*)?"
"""A name or address, and a port or any port; in small letters."""


def _host(value: str) -> str:
    """A `Host` that is allowed. Names are the same in capitals (RFC 9110, 4.2.3)."""
    if not re.fullmatch(_HOST, value.lower()):
        raise ValueError(
            f"not a host: {shown(value)!r}; write each as mcp.example.org or mcp.example.org:8443 "
            "/ mcp.example.org か mcp.example.org:8443 の形で書いてください"
        )
    return value.lower()


def _origin(value: str) -> str:
    """An `Origin` that is allowed."""
    if not re.fullmatch(rf"[a-z][a-z0-9+.-]*://{_HOST}", value.lower()):
        raise ValueError(
            f"not an origin: {shown(value)!r}; write each as https://mcp.example.org, without a path "
            "/ https://mcp.example.org の形で、パスを付けずに書いてください"
        )
    return value.lower()


def _engine_name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", value) or value in ("openjtalk", "speech"):
        raise ValueError(f"{value!r} cannot be an engine's name; use a-z, 0-9, - and _ / エンジンの名前にできません")
    return value


def _once(value: tuple[str, ...]) -> tuple[str, ...]:
    """A name given twice stands where it stood first."""
    return tuple(dict.fromkeys(value))


def _none(value: Any) -> Any:
    """An empty variable is one that was left open."""
    return None if value == "" else value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names), AfterValidator(_once)]
_Hosts = Annotated[tuple[Annotated[str, AfterValidator(_host)], ...], NoDecode, BeforeValidator(_names)]
_Origins = Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], NoDecode, BeforeValidator(_names)]
Url = Annotated[str, AfterValidator(_address)]
_EngineUrls = dict[Annotated[str, AfterValidator(_engine_name)], Annotated[Url, MinLen(1)]]
Urls = Annotated[_EngineUrls, NoDecode, BeforeValidator(_urls)]
Temperature = Annotated[float | None, BeforeValidator(_none)]


class SpeechToText(_Group):
    """Hearing: faster-whisper."""

    model: str = Field("base", description="faster-whisper model: a name fetched on demand, or a folder.")
    threads: int = Field(0, ge=0, description="CPU threads; 0 means all cores.")
    max_bytes: int = Field(500_000_000, gt=0, description="Largest recording that is read, in bytes.")
    max_seconds: float = Field(
        3 * 3600, gt=0, allow_inf_nan=False, description="Longest recording that is heard, in seconds."
    )
    deadline_base: float = Field(120, gt=0, description="Seconds any recording is given.")
    deadline_factor: float = Field(3, gt=0, description="Further seconds per second of audio.")


class TextToSpeech(_Group):
    """Speaking."""

    order: Names = Field(
        (),
        description="Engines, first choice first: names in `engines`, `openjtalk` (embedded), `speech` "
        "(`HYBRID_MCP_SPEECH__…`); empty: in this order.",
    )
    engines: Urls = Field(
        {"voicevox": "http://127.0.0.1:50021"},
        description="Engines with VOICEVOX's API by name: `voicevox=http://127.0.0.1:50021,aivis=http://127.0.0.1:10101`.",
    )
    voice: str = Field("", description="Voice used when a request names none; empty: the first engine's own.")
    workers: int = Field(0, ge=0, description="Lines Open JTalk speaks at the same time; 0 means one per core.")
    parallel: int = Field(2, ge=1, le=64, description="Lines a VOICEVOX engine speaks at the same time.")
    deadline: float = Field(60, gt=0, description="Seconds a VOICEVOX engine is given for a sentence.")
    patience: float = Field(
        20, ge=0, description="Seconds an engine that stopped is waited for, in the middle of work."
    )
    max_characters: int = Field(20_000, gt=0, description="Longest text or script that is spoken, in characters.")


class SpeechServer(_Group):
    """A server with `/v1/audio/speech`: the English voice."""

    url: Url = Field("", description="Its base address, e.g. `http://127.0.0.1:8880/v1`; empty: none.")
    model: str = Field("tts-1", description="Model it is asked for.")
    voices: Names = Field(("alloy",), description="Names of its voices, the usual one first.")
    language: Language = Field("en", description="Language its voices speak.")
    credit: str = Field("", description="What must be named when its sound is published.")
    parallel: int = Field(2, ge=1, le=64, description="Sentences it speaks at the same time.")
    deadline: float = Field(60, gt=0, description="Seconds it is given for a sentence.")


class _Chat(_Group):
    """What servers with chat models have in common."""

    max_tokens: int = Field(16_000, ge=256, description="Longest answer, in tokens.")
    temperature: Temperature = Field(None, ge=0, le=2, description="Randomness; empty leaves it to the model.")
    deadline: float = Field(300, gt=0, description="Seconds an answer is given.")
    parallel: int = Field(2, ge=1, le=64, description="Requests at the same time.")
    price_input: float = Field(0, ge=0, description="US dollars per million tokens read; 0: not known.")
    price_output: float = Field(0, ge=0, description="US dollars per million tokens written.")
    price_cache_read: float = Field(0, ge=0, description="US dollars per million tokens read from the cache.")
    price_cache_write: float = Field(0, ge=0, description="US dollars per million tokens written to the cache.")


class ClaudeServer(_Chat):
    """Claude, or any server that speaks Anthropic's Messages API."""

    model: str = Field("claude-sonnet-5-5", description="Model.")
    url: Url = Field("https://api.anthropic.com", description="Base address.")
    context_tokens: int = Field(200_000, ge=2048, description="Context of the model, in tokens.")


class OpenAIServer(_Chat):
    """OpenAI, or any server that speaks its chat completions API."""

    model: str = Field("gpt-5-mini", description="Model.")
    url: Url = Field("https://api.openai.com/v1", description="Base address.")
    context_tokens: int = Field(128_000, ge=2048, description="Context of the model, in tokens.")


class GroqServer(_Chat):
    """Groq."""

    model: str = Field("openai/gpt-oss-120b", description="Model.")
    url: Url = Field("https://api.groq.com/openai/v1", description="Base address.")
    context_tokens: int = Field(128_000, ge=2048, description="Context of the model, in tokens.")


class OllamaServer(_Group):
    """Ollama."""

    url: Url = Field("http://127.0.0.1:11434", description="Address; empty: none.")
    model: str = Field("", description="Model; empty: the first one it has.")
    context_tokens: int = Field(8192, ge=512, description="Context it is asked for (num_ctx), in tokens.")
    max_tokens: int = Field(4096, ge=64, description="Longest answer, in tokens.")
    keep_alive: str = Field("5m", description="How long a model stays loaded after an answer.")
    deadline: float = Field(300, gt=0, description="Seconds an answer is given.")
    parallel: int = Field(1, ge=1, le=64, description="Requests at the same time.")


class LanguageModels(_Group):
    """Language models: the orders of choice, and llama.cpp in this process."""

    writers: Names = Field(
        ("claude", "openai", "groq", "ollama", "extractive"),
        description="Who writes scripts, first choice first; `extractive` needs no model.",
    )
    local: Names = Field(("ollama", "embedded"), description="Who answers `local_llm`, first choice first.")
    ask_above_usd: float = Field(
        1, ge=0, description="US dollars a script may cost without asking the person; holds where prices are given."
    )
    context_tokens: int = Field(4096, ge=512, description="Context of the embedded model, in tokens.")
    threads: int = Field(0, ge=0, description="CPU threads of the embedded model; 0 means all cores.")
    deadline: float = Field(120, gt=0, description="Seconds an answer of the embedded model is given.")


class Outgoing(_Group):
    """HTTP to others."""

    proxy: Annotated[Url | None, BeforeValidator(_none)] = Field(
        None, description="Proxy for everything but this machine; empty: HTTPS_PROXY and its like."
    )
    ca_file: Annotated[Path | None, BeforeValidator(_none)] = Field(
        None, description="Certificates to trust instead of the system's (PEM)."
    )
    allowed_hosts: Names = Field((), description="Hosts that users' URLs may name; none named: any public one.")
    private_hosts: Names = Field((), description="Hosts that users' URLs may name although their address is private.")
    max_seconds: float = Field(300, gt=0, description="Seconds a user's URL is given.")


class Watching(_Group):
    """When an engine counts as gone, and as back."""

    remember: float = Field(3, ge=0, description="Seconds it is believed that an engine answers, or does not.")
    failures: int = Field(3, ge=1, description="Failures in a row after which an engine is left alone.")
    rest: float = Field(5, ge=0, description="Seconds it is left alone.")
    look_every: float = Field(
        15, gt=0, description="Seconds between two looks at the engines while a client has subscribed to how they are."
    )


class Serving(_Group):
    """How clients reach the server."""

    host: str = Field("127.0.0.1", min_length=1, description="Address HTTP listens on.")
    port: int = Field(8001, ge=0, le=65535, description="Port of HTTP; 0: any free one.")
    with_sse: bool = Field(False, description="Serve the old HTTP+SSE transport at `/sse` too.")
    allowed_hosts: _Hosts = Field(
        (), description="Names by which clients may call the server (`Host`), besides this machine's own."
    )
    allowed_origins: _Origins = Field(
        (), description="Web pages that may call it (`Origin`), as `https://host`, besides this machine's own."
    )
    max_message_bytes: int = Field(64 * 2**20, ge=4096, description="Largest message that is taken, in bytes.")
    inline_audio_bytes: int = Field(
        200_000,
        ge=0,
        le=4 * 2**20,
        description="Largest recording that an answer carries in itself, in bytes; 0: none. Its file is always there.",
    )
    drain: float = Field(10, ge=0, description="Seconds that calls are given to end when HTTP is told to stop.")
    sidecar: bool = Field(True, description="Serve `/health`, `/ready`, `/system/status` and `/metrics` beside MCP.")
    sidecar_port: int = Field(8000, ge=0, le=65535, description="Port of those, on this machine; 0: any free one.")


class Settings(BaseSettings):
    """Everything that can be configured; every field has a working default."""

    model_config = SettingsConfigDict(
        env_prefix="HYBRID_MCP_",
        env_nested_delimiter="__",
        env_file_encoding="utf-8-sig",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What was said in code, then the environment, then the files as they lie now."""
        del dotenv_settings, file_secret_settings
        files = (DotEnvSettingsSource(settings_cls, env_file=file) for file in env_files())
        return (init_settings, env_settings, *files)

    language: Language = Field("ja", description="Language of titles, reports and errors: ja or en.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "WARNING", description="Level of the log on stderr."
    )
    data_dir: Path = Field(
        default_factory=lambda: platformdirs.user_data_path(_APP, appauthor=False),
        description="Where scripts, recordings and transcripts are kept.",
    )
    models_dir: Path = Field(
        default_factory=lambda: platformdirs.user_cache_path(_APP, appauthor=False) / "models",
        description="Where fetched model weights are kept.",
    )
    allowed_roots: Annotated[tuple[Path, ...], NoDecode] = Field(
        default_factory=_media_folders,
        description="Folders `transcribe` may read, besides the data directory.",
    )
    stt: SpeechToText = SpeechToText()
    tts: TextToSpeech = TextToSpeech()
    speech: SpeechServer = SpeechServer()
    llm: LanguageModels = LanguageModels()
    claude: ClaudeServer = ClaudeServer()
    openai: OpenAIServer = OpenAIServer()
    groq: GroqServer = GroqServer()
    ollama: OllamaServer = OllamaServer()
    outgoing: Outgoing = Outgoing()
    watching: Watching = Watching()
    serve: Serving = Serving()

    @field_validator("allowed_roots", mode="before")
    @classmethod
    def _split_roots(cls, value: Any) -> Any:
        """Accept a JSON list, or paths separated as in PATH (`:`; `;` on Windows)."""
        if not isinstance(value, str):
            return value
        if value.lstrip().startswith("["):
            return json.loads(value)
        return [part for part in value.split(os.pathsep) if part.strip()]

    @field_validator("data_dir", "models_dir", mode="before")
    @classmethod
    def _usual_folder(cls, value: Any, info: ValidationInfo) -> Any:
        """An empty variable is one that was left open, not the working directory."""
        if isinstance(value, str) and not value.strip():
            return cls.model_fields[str(info.field_name)].get_default(call_default_factory=True)
        return value

    @field_validator("data_dir", "models_dir", mode="after")
    @classmethod
    def _absolute_folder(cls, value: Path) -> Path:
        return _absolute(value)

    @field_validator("allowed_roots", mode="after")
    @classmethod
    def _absolute_roots(cls, value: tuple[Path, ...]) -> tuple[Path, ...]:
        return tuple(_absolute(root) for root in value)


def _absolute(path: Path) -> Path:
    try:
        absolute = path.expanduser().absolute()
    except RuntimeError as error:  # ~somebody who is not here
        raise ValueError(str(error)) from error
    try:
        str(absolute).encode()
    except UnicodeEncodeError as error:  # every answer that names a file of it would fail
        raise ValueError(
            f"not Unicode: {os.fsencode(absolute)!r}; choose a folder whose name is UTF-8 "
            "/ 名前が UTF-8 のフォルダにしてください"
        ) from error
    return absolute


def unknown_variables() -> dict[str, str]:
    """Variables of the environment that look like settings and are none, and the nearest that is one."""
    known = set(_variables(Settings, "HYBRID_MCP_"))
    asked = (name for name in os.environ if name.upper().startswith("HYBRID_MCP_") and name.upper() not in known)
    return {name: (difflib.get_close_matches(name.upper(), known, n=1, cutoff=0) or [""])[0] for name in asked}


def _variables(group: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in group.model_fields.items():
        variable = f"{prefix}{name.upper()}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _variables(field.annotation, f"{variable}__")
        else:
            yield variable
