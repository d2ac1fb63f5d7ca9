"""What can stand in an argument of a prompt or in a resource's address, while a person types it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final, get_args

from mcp.server.mcpserver import MCPServer
from mcp.types import Completion, CompletionArgument, CompletionContext, PromptReference, ResourceTemplateReference

from hybrid_mcp.app import App
from hybrid_mcp.artifacts import Kind
from hybrid_mcp.errors import StorageError
from hybrid_mcp.languages import Language
from hybrid_mcp.resources import known_models
from hybrid_mcp.script.model import Style
from hybrid_mcp.script.morphology import dictionary
from hybrid_mcp.threads import in_thread
from hybrid_mcp.tts.interface import Voice
from hybrid_mcp.tts.studio import folded

_MOST = 100
"""Values in one answer, as the protocol has it."""
_LONGEST = 1500
"""Characters of an argument: a cast of four with how they talk. Those before the last one stand in every value."""


@dataclass(frozen=True, slots=True)
class _Choice:
    """Something that can stand there."""

    value: str
    also: tuple[str, ...] = ()
    """What people type for it, beside itself."""


_Choices = Callable[[App], Awaitable[Iterable[_Choice]]]


def add_completions(server: MCPServer[App], app: App) -> None:
    """Complete arguments of the prompts and variables of the templates that `server` offers."""

    async def complete(
        ref: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        context: CompletionContext | None,
    ) -> Completion:
        del context
        typed = argument.value
        before = ""
        choices: _Choices | None = None
        if isinstance(ref, PromptReference):
            offered = next((prompt for prompt in await server.list_prompts() if prompt.name == ref.name), None)
            if offered and any(known.name == argument.name for known in offered.arguments or ()):
                choices = _OF_ARGUMENTS.get(argument.name)
            if argument.name == "cast":  # several speakers: the last one is being typed
                before, typed = _last_speaker(typed)
        elif any(ref.uri == template.uri_template for template in await server.list_resource_templates()):
            scheme = ref.uri.partition("://")[0]
            choices = _OF_TEMPLATES.get((scheme, argument.name))
        if choices is None or len(argument.value) > _LONGEST:
            return Completion(values=[], total=0, has_more=False)
        try:
            fitting = await in_thread(partial(_fitting, await choices(app), typed))  # there may be thousands
        except StorageError:  # nothing can be listed now, which is no reason to refuse what is typed
            fitting = []
        return Completion(
            values=[before + value for value in fitting[:_MOST]], total=len(fitting), has_more=len(fitting) > _MOST
        )

    server.completion()(complete)  # type: ignore[no-untyped-call]  # the SDK does not say what it returns


def _fitting(choices: Iterable[_Choice], typed: str) -> list[str]:
    """What begins with `typed`, in any width, case and kana; in the order of the choices."""
    beginning = folded(typed)
    found = (
        choice.value
        for choice in choices
        if any(folded(name).startswith(beginning) for name in (choice.value, *choice.also))
    )
    return list(dict.fromkeys(found))


def _last_speaker(cast: str) -> tuple[str, str]:
    """A cast as the speakers before the last one, and the beginning of that one's name."""
    place = max(cast.rfind(mark) for mark in (";", "；", "\n")) + 1
    name = cast[place:]
    place += len(name) - len(name.lstrip())
    return cast[:place], cast[place:]


def _fixed(*values: str) -> _Choices:
    async def choices(_: App) -> Iterable[_Choice]:
        return map(_Choice, values)

    return choices


async def _audiences(app: App) -> Iterable[_Choice]:
    """In the interface's language first."""
    from hybrid_mcp.script.audiences import AUDIENCES  # noqa: PLC0415  (with what explains to them: not at start-up)

    ours: tuple[Language, ...] = ("ja", "en") if app.settings.language == "ja" else ("en", "ja")
    return [_Choice(audience.name.in_(language)) for language in ours for audience in AUDIENCES]


def _ids(kind: Kind) -> _Choices:
    async def choices(app: App) -> Iterable[_Choice]:
        return [
            _Choice(one, (one.removeprefix(f"{kind}-"),)) for one in await in_thread(lambda: app.artifacts.ids(kind))
        ]

    return choices


async def _voices(app: App) -> Iterable[_Choice]:
    """Voices by id, by speaker and style as they are written and as they are spoken, and by the engine's number."""
    voices = (await app.studio.roll()).voices
    spoken = await in_thread(lambda: _spoken(voice.speaker or voice.name_ja for voice in voices))
    return [
        _Choice(
            voice.id,
            (
                voice.name_ja,
                voice.name_en,
                f"{voice.speaker} {voice.style}",
                voice.style,
                *(f"{name} {voice.style}" for name in spoken[voice.speaker or voice.name_ja]),
            ),
        )
        for voice in voices
    ]


async def _speakers(app: App) -> Iterable[_Choice]:
    """Speakers by name, once each, whatever their styles."""
    voices: dict[str, Voice] = {}
    for voice in (await app.studio.roll()).voices:
        voices.setdefault(voice.speaker or voice.id, voice)
    spoken = await in_thread(lambda: _spoken(voices))
    return [_Choice(name, (voice.name_ja, voice.name_en, *spoken[name])) for name, voice in voices.items()]


async def _models(app: App) -> Iterable[_Choice]:
    known, _ = await known_models(app)
    return [_Choice(model["name"], (f"{model['engine']}:{model['name']}",)) for model in known]


_OF_ARGUMENTS: Final[dict[str, _Choices]] = {
    "style": _fixed(*get_args(Style)),
    "language": _fixed(*get_args(Language)),
    "source_id": _ids("source"),
    "script_id": _ids("script"),
    "cast": _speakers,
    "audience": _audiences,
}
_OF_TEMPLATES: Final[dict[tuple[str, str], _Choices]] = {
    ("script", "id"): _ids("script"),
    ("audio", "id"): _ids("audio"),
    ("transcript", "id"): _ids("transcript"),
    ("voices", "name"): _voices,
    ("models", "name"): _models,
}


# --- how names are spoken ---

_KANJI: Final = re.compile(r"[一-龥々]")
_OTHERWISE: Final = (
    ("si", "shi"),
    ("ti", "chi"),
    ("tu", "tsu"),
    ("hu", "fu"),
    ("zi", "ji"),
    ("sy", "sh"),
    ("ty", "ch"),
    ("zy", "j"),
)
"""Syllables in Kunrei and in Hepburn."""


def _spoken(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Each name in kana and in both ways of writing Japanese in Latin letters."""
    spoken: dict[str, tuple[str, ...]] = {}
    for name in dict.fromkeys(names):
        kana = folded(name)
        if _KANJI.search(kana):
            words = dictionary().tokenizer().tokenize(kana)
            kana = folded("".join(word.reading_form() for word in words if word.part_of_speech()[0] != "補助記号"))
        kunrei = hepburn = _latin(kana)
        for syllable, other in _OTHERWISE:
            hepburn = hepburn.replace(syllable, other)
        spoken[name] = (kana, kunrei, hepburn)
    return spoken


def _latin(kana: str) -> str:
    """Hiragana in Kunrei, by the names Unicode has for them; anything else as it is."""
    latin = ""
    doubled = False
    for char in kana:
        before, _, syllable = unicodedata.name(char, "").partition("HIRAGANA LETTER ")
        if before or not syllable:
            latin += "" if char == "ー" else char
            continue
        small, _, sound = syllable.lower().rpartition(" ")
        if small and sound == "tu":
            doubled = True
            continue
        if small and latin.endswith("i"):  # きゃ is kya
            latin = latin[:-1]
        latin += sound[0] * doubled + sound
        doubled = False
    return latin
