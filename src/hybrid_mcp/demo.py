"""The demo: one episode out of an example paper, through a real server process and the official client."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, TextContent
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from hybrid_mcp import models
from hybrid_mcp.config import Settings
from hybrid_mcp.errors import EngineError, InvalidInput
from hybrid_mcp.languages import Bilingual


@dataclass(frozen=True, slots=True)
class _Step:
    name: str
    engine: str
    seconds: float


async def demo(settings: Settings, examples: Path) -> int:
    """Make the example episode and print who did what, how long it took, and where everything is.

    Raises:
        HybridError: a step failed.
    """
    console = Console()
    japanese, english = (_paper(examples / name) for name in ("paper.ja.json", "paper.en.json"))
    models.fetch_with_bars(settings.models_dir, Console(stderr=True), language=settings.language)
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "hybrid_mcp", "serve"], env=dict(os.environ), cwd=Path.cwd()
    )
    steps: list[_Step] = []
    began = time.perf_counter()
    async with Client(server) as client:
        tools = await client.list_tools()
        names = ", ".join(tool.name for tool in tools.tools)
        steps.append(_Step("list_tools", "MCP (stdio)", time.perf_counter() - began))
        with _bars(console) as bars:
            run = _Runner(client, bars, steps)
            script = await run("generate_script", {"paper": japanese, "style": "popular", "engine": "extractive"})
            speech = await run("synthesize_voice", {"script_id": script["script_id"]})
            heard = await run("transcribe", {"source": f"audio://{speech['audio_id']}", "language": "ja"})
            prompt = f"Summarize in one short sentence:\n{english['abstract']}"
            local = await run("local_llm", {"prompt": prompt, "max_tokens": 160})
    total = time.perf_counter() - began
    said = Bilingual(
        ja=f"{script['lines']} 行、根拠のある割合 {script['grounded_share']:.0%}",
        en=f"{script['lines']} lines, {script['grounded_share']:.0%} grounded",
    )
    results = {
        "list_tools": names,
        "generate_script": said.in_(settings.language),
        "synthesize_voice": Bilingual(
            ja=f"{speech['duration_seconds']:.1f} 秒、字幕 {speech['subtitle_cues']} 件",
            en=f"{speech['duration_seconds']:.1f} s, {speech['subtitle_cues']} cues",
        ).in_(settings.language),
        "transcribe": Bilingual(
            ja=f"聞き返しの誤り率 {heard['heard_back_error_rate']:.1%}",
            en=f"error rate of hearing back {heard['heard_back_error_rate']:.1%}",
        ).in_(settings.language),
        "local_llm": Bilingual(
            ja=f"{local['completion_tokens']} トークン、{local['model']}",
            en=f"{local['completion_tokens']} tokens, {local['model']}",
        ).in_(settings.language),
    }
    _print(console, settings, steps, results, total)
    console.print(f"\n[bold]transcribe[/] {escape(heard['note'])}", highlight=False, soft_wrap=True)
    console.print(f"\n[bold]local_llm[/] {escape(local['text'].strip())}\n", highlight=False, soft_wrap=True)
    for name, path in (
        ("script.json", script["path"]),
        ("narration.wav", speech["wav_path"]),
        ("narration.srt", speech["srt_path"]),
        ("report.html", speech["report_path"]),
    ):
        # Not wrapped: paths are there to be copied.
        console.print(f"[bold]{name:14}[/] ", end="")
        console.out(path, highlight=False)
    return 0


class _Runner:
    """Calls tools, with a bar for each; where there is no terminal to draw it on, a line."""

    def __init__(self, client: Client, bars: Progress, steps: list[_Step]) -> None:
        self._client = client
        self._bars = bars
        self._steps = steps

    async def __call__(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        bar = self._bars.add_task(name, total=None)
        if not self._bars.console.is_terminal:
            self._bars.console.print(f"{name} …")

        async def show(progress: float, total: float | None, message: str | None) -> None:
            del message
            self._bars.update(bar, completed=progress, total=total)

        began = time.perf_counter()
        answer = await self._client.call_tool(name, dict(arguments), progress_callback=show)
        seconds = time.perf_counter() - began
        self._bars.update(bar, completed=1, total=1)
        data = _data(name, answer)
        self._steps.append(_Step(name, data["engine"], seconds))
        return data


def _data(name: str, answer: CallToolResult) -> dict[str, Any]:
    if answer.is_error or not isinstance(answer.structured_content, dict):
        text = " ".join(block.text for block in answer.content if isinstance(block, TextContent))
        raise EngineError(ja=f"{name} が失敗しました: {text}", en=f"{name} failed: {text}")
    return answer.structured_content


def _paper(path: Path) -> dict[str, Any]:
    try:
        paper: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(
            ja=f"{path} が読めません。リポジトリの中で実行するか、--examples でフォルダを指定してください。",
            en=f"Cannot read {path}. Run inside the repository, or name the folder with --examples.",
        ) from error
    return paper


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:18}"), BarColumn(), TimeElapsedColumn(), console=console, transient=True
    )


def _print(console: Console, settings: Settings, steps: list[_Step], results: Mapping[str, str], total: float) -> None:
    heads = Bilingual(ja="手順|エンジン|時間|結果", en="Step|Engine|Time|Result").in_(settings.language).split("|")
    # Folded where it is too long, not cut: Japanese has no spaces to break at.
    table = Table(*(Column(head, overflow="fold") for head in heads), title=f"hybrid-mcp demo: {total:.1f} s")
    for step in steps:
        table.add_row(step.name, step.engine, f"{step.seconds:.2f} s", results[step.name])
    console.print(table)
