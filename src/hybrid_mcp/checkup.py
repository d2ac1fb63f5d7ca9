"""The command `check`: the doctor's findings for people, or as JSON."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hybrid_mcp.config import Settings
from hybrid_mcp.doctor import Diagnosis, examine
from hybrid_mcp.languages import Bilingual, Language
from hybrid_mcp.opening import open_app
from hybrid_mcp.tools.doctor import described

_MARKS = {"ready": "[green]✓[/]", "away": "[yellow]–[/]", "wrong": "[red]✗[/]"}
_JOBS = {
    "write": Bilingual(ja="台本を書く", en="write a script"),
    "local": Bilingual(ja="手元で答える", en="answer locally"),
    "speak": Bilingual(ja="話す", en="speak"),
    "speak ja": Bilingual(ja="日本語を話す", en="speak Japanese"),
    "speak en": Bilingual(ja="英語を話す", en="speak English"),
    "hear": Bilingual(ja="聞く", en="hear"),
    "keep": Bilingual(ja="保存する", en="keep files"),
}


async def check(settings: Settings, *, as_json: bool) -> int:
    """Print what is reachable; 0 when every job can be done and nothing configured is broken, else 1."""
    async with open_app(settings) as app:
        found = await examine(app)
    if as_json:
        sys.stdout.write(described(found, settings.language).model_dump_json(indent=2) + "\n")
    else:
        _print(found, settings.language)
    return 0 if found.healthy else 1


def _print(found: Diagnosis, language: Language) -> None:
    console = Console(highlight=False)
    uses = Table(*Bilingual(ja="仕事|いま使うもの", en="Job|Would use now").in_(language).split("|"))
    nobody = Bilingual(ja="[red]なし[/]", en="[red]nothing[/]").in_(language)
    for use in found.uses:
        uses.add_row(_JOBS[use.job].in_(language), escape(use.engine) if use.engine else nobody)
    console.print(uses)
    engines = Table(
        *Bilingual(ja="|仕事|エンジン|版|応答|詳細", en="|Job|Engine|Version|Latency|Detail").in_(language).split("|")
    )
    for one in found.findings:
        engines.add_row(
            _MARKS[one.state],
            _JOBS[one.job].in_(language),
            escape(one.subject),
            escape(one.version),
            f"{one.latency * 1000:.0f} ms" if one.latency else "",
            escape(one.detail.in_(language)),
        )
    console.print(engines)
    for name, source in found.keys.items():
        console.print(escape(f"{name}: {source}"))
