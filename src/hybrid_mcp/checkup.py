"""The command `check`: the doctor's findings for people, or as JSON."""

from __future__ import annotations

import sys
from textwrap import indent

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.markup import escape

from hybrid_mcp.config import Settings, env_files
from hybrid_mcp.doctor import Diagnosis, examine
from hybrid_mcp.languages import Bilingual, Language
from hybrid_mcp.opening import open_app
from hybrid_mcp.readiness import Finding
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
    # No line is cut to the width of the window, or filled up to it: there are commands in them.
    console = Console(highlight=False, soft_wrap=True)
    width = max(cell_len(job.in_(language)) for job in _JOBS.values())
    nobody = Bilingual(ja="[red]なし[/]", en="[red]nobody[/]").in_(language)
    console.print(Bilingual(ja="[bold]いま使うもの[/]", en="[bold]Would be used now[/]").in_(language))
    for use in found.uses:
        job = set_cell_size(_JOBS[use.job].in_(language), width)
        console.print(f"  {job}   {escape(use.engine) if use.engine else nobody}")
    console.print(Bilingual(ja="\n[bold]エンジン[/]", en="\n[bold]Engines[/]").in_(language))
    by_subject: dict[str, list[Finding]] = {}
    for finding in found.findings:
        by_subject.setdefault(finding.subject, []).append(finding)
    for name, same in by_subject.items():
        one = same[0]
        jobs = Bilingual(ja="・", en=", ").in_(language).join(_JOBS[each.job].in_(language) for each in same)
        facts = [one.version, f"{one.latency * 1000:.0f} ms" if one.latency else "", jobs]
        console.print(f"{_MARKS[one.state]} [bold]{escape(name)}[/]  {escape('  '.join(filter(None, facts)))}")
        if detail := one.detail.in_(language):
            console.print(escape(indent(detail, "    ")))
    files = "  ".join(
        f"{file}{'' if file.is_file() else Bilingual(ja=' (なし)', en=' (none)').in_(language)}" for file in env_files()
    )
    console.print(Bilingual(ja="\n[bold]設定を読む場所[/]", en="\n[bold]Settings are read from[/]").in_(language))
    console.print(escape(f"  {files}"))
    if found.keys:
        console.print(Bilingual(ja="\n[bold]鍵の出どころ[/]", en="\n[bold]Where keys come from[/]").in_(language))
    for name, source in found.keys.items():
        console.print(escape(f"  {name}: {source}"))
