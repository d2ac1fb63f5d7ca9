"""What hybrid-mcp costs beside a bare server of the same SDK, and beside FastMCP, alternately in the same run.

Writes benchmarks/results/protocol.json and benchmarks/README.md.

Run: make bench
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx2
import psutil
from clients import Calls, Era, Http, Stdio, http_calls, pinned
from report import write

HERE = Path(__file__).parent
SERVERS = HERE / "servers"
FASTMCP = HERE / ".venv" / "bin" / "python"
SPEECH = HERE.parents[1] / "shared" / "data" / "speech"
IN_FLIGHT = (1, 16)
CORES = os.cpu_count() or 1
CLIENT_CORE, SERVER_CORE = (0, 1) if CORES > 1 else (None, None)
SIDECAR = "HYBRID_MCP_SERVE__SIDECAR_PORT"
TEXT = "深層学習は、1986年に提案された誤差逆伝播法によって、大きく発展しました。"


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is measured."""

    name: str
    start: Sequence[str]
    """The command whose start is measured."""
    echo: Sequence[str]
    """The command that serves `echo`; a port makes it serve HTTP."""


def servers() -> list[Server]:
    """The bare SDK first, ours last; FastMCP between them, where it is installed."""
    bare = (sys.executable, str(SERVERS / "bare.py"))
    found = [Server("bare", bare, bare)]
    if fastmcp_version():
        fast = (str(FASTMCP), str(SERVERS / "fast.py"))
        found.append(Server("fastmcp", fast, fast))
    ours = (str(Path(sys.executable).with_name("hybrid-mcp")), "serve")
    return [*found, Server("ours", ours, (sys.executable, str(SERVERS / "ours.py")))]


def environment(folder: Path) -> dict[str, str]:
    """Nothing of the person who runs this; weights are shared, and the sidecar has a port of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HYBRID_MCP_")}
    if models := os.environ.get("HYBRID_MCP_MODELS_DIR"):
        kept["HYBRID_MCP_MODELS_DIR"] = models
    return kept | {
        "HYBRID_MCP_DATA_DIR": str(folder / "data"),
        "HYBRID_MCP_ALLOWED_ROOTS": str(folder),
        SIDECAR: str(free_port()),
        "HYBRID_MCP_TTS__ORDER": "openjtalk",
    }


def measure_start(folder: Path, rounds: int) -> dict[str, Any]:
    """Milliseconds from the start of a process to its answer to `initialize`, and its memory then and later."""
    found: dict[str, dict[str, list[float]]] = {
        server.name: {"start_ms": [], "initialized_mb": [], "settled_mb": []} for server in servers()
    }
    for turn in range(rounds + 1):
        for server in servers():
            around = environment(folder)
            with Stdio(server.start, around, folder, SERVER_CORE) as child:
                taken = child.initialize("legacy")
                initialized = resident(child)
                child.ask("tools/list", {})
                if server.name == "ours":
                    wait_for_sidecar(int(around[SIDECAR]))
                settled = resident(child)
            if turn:  # the first writes byte code, and fills the system's cache of files
                row = found[server.name]
                row["start_ms"].append(1000 * taken)
                row["initialized_mb"].append(initialized)
                row["settled_mb"].append(settled)
    return {
        figure: {name: rows[figure] for name, rows in found.items()}
        for figure in ("start_ms", "initialized_mb", "settled_mb")
    }


def measure_stdio(folder: Path, rounds: int, seconds: float, core: int | None) -> dict[str, Any]:
    """Calls of `echo` over stdio, of each era, with one and with sixteen requests in flight."""
    where = "" if core is not None else ", any core"
    found: dict[str, Any] = {}
    eras: tuple[Era, ...] = ("legacy", "modern")
    for era in eras:
        with ExitStack() as stack:
            children: dict[str, Stdio] = {}
            for server in servers():
                around = environment(folder)
                child = stack.enter_context(Stdio(server.echo, around, folder, core))
                child.initialize(era)
                if server.name == "ours":  # what it loads beside the first calls is not theirs
                    wait_for_sidecar(int(around[SIDECAR]))
                children[server.name] = child
            for in_flight in IN_FLIGHT:
                found[f"stdio{where} {era} {in_flight}"] = alternately(
                    {name: partial(child.calls, seconds, in_flight, era) for name, child in children.items()},
                    {name: psutil.Process(child.process.pid) for name, child in children.items()},
                    rounds,
                )
    return found


def measure_http(folder: Path, rounds: int, seconds: float) -> dict[str, Any]:
    """The same over Streamable HTTP, with as many connections as requests in flight."""
    found: dict[str, Any] = {}
    eras: tuple[Era, ...] = ("legacy", "modern")
    with ExitStack() as stack, asyncio.Runner() as runner:

        def stretch(clients: Sequence[Http]) -> Calls:
            return runner.run(http_calls(clients, seconds))

        running = {server.name: stack.enter_context(http_server(server, folder)) for server in servers()}
        for era in eras:
            for in_flight in IN_FLIGHT:
                clients = {name: [Http(port, era) for _ in range(in_flight)] for name, (port, _) in running.items()}
                for client in (one for each in clients.values() for one in each):
                    runner.run(client.connect())
                found[f"http {era} {in_flight}"] = alternately(
                    {name: partial(stretch, each) for name, each in clients.items()},
                    {name: process for name, (_, process) in running.items()},
                    rounds,
                )
                for client in (one for each in clients.values() for one in each):
                    client.close()
    return found


def measure_repeated(folder: Path, times: int) -> dict[str, list[float]]:
    """Milliseconds that a request takes that was answered before, over stdio."""
    paper = json.loads((HERE.parent / "examples" / "paper.ja.json").read_text(encoding="utf-8"))
    requests: dict[str, Mapping[str, Any]] = {
        "generate_script": {"paper": paper, "engine": "extractive"},
        "synthesize_voice": {"text": TEXT},
    }
    found: dict[str, list[float]] = {}
    with ours(folder) as child:
        for tool, arguments in requests.items():
            made = tool_result(child, tool, arguments)
            found[tool] = [1000 * child.ask("tools/call", named(tool, arguments))[1] for _ in range(times)]
        heard = {"source": f"audio://{made['audio_id']}"}
        tool_result(child, "transcribe", heard)
        found["transcribe"] = [1000 * child.ask("tools/call", named("transcribe", heard))[1] for _ in range(times)]
    return found


def measure_hearing(folder: Path, rounds: int) -> dict[str, list[float]] | None:
    """Seconds that all recordings take: faster-whisper called directly, and the tool over stdio; None without any.

    Each round hears copies whose last sample differs, as the same recording would be answered from what was made.
    """
    recordings = sorted(SPEECH.glob("*.wav"))
    if not recordings:
        return None
    from faster_whisper import WhisperModel  # noqa: PLC0415  (a second that no other measure needs)

    from hybrid_mcp import models  # noqa: PLC0415
    from hybrid_mcp.config import Settings  # noqa: PLC0415

    weights = models.path_of(models.WHISPER_BASE, Settings().models_dir)
    model = WhisperModel(str(weights), device="cpu", compute_type="int8", cpu_threads=CORES, local_files_only=True)
    found: dict[str, list[float]] = {"faster-whisper": [], "ours": []}

    def directly(recording: Path) -> None:
        segments, _ = model.transcribe(
            str(recording),
            language=recording.name[:2] if recording.name.startswith("ja") else "en",
            beam_size=5,
            temperature=[0.0, 0.2, 0.4],
            condition_on_previous_text=False,
            word_timestamps=True,
            vad_filter=True,
        )
        list(segments)

    with ours(folder, pin=False) as child:
        for turn in range(rounds + 1):
            copies = [altered(recording, folder, turn) for recording in recordings]
            taken = dict.fromkeys(found, 0.0)
            for copy in copies:
                language = "ja" if copy.name.startswith("ja") else "en"
                began = time.perf_counter()
                directly(copy)
                between = time.perf_counter()
                tool_result(child, "transcribe", {"source": str(copy), "language": language})
                taken["faster-whisper"] += between - began
                taken["ours"] += time.perf_counter() - between
            if turn:  # the first loads the model
                for name, seconds in taken.items():
                    found[name].append(seconds)
    return found


def alternately(
    measures: Mapping[str, Callable[[], Calls]], processes: Mapping[str, psutil.Process], rounds: int
) -> dict[str, list[dict[str, float]]]:
    """Each measure in every round, one after the other; with the processor time of its server."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            before = processor_seconds(processes[name])
            calls = measure()
            spent = processor_seconds(processes[name]) - before
            found[name].append({**asdict(calls), "processor_us": 1e6 * spent / calls.number})
    return found


def processor_seconds(process: psutil.Process) -> float:
    """Seconds all threads of a process have been on a processor."""
    times = process.cpu_times()
    return float(times.user + times.system)


@contextmanager
def ours(folder: Path, *, pin: bool = True) -> Iterator[Stdio]:
    """Our server, which has shaken hands."""
    command = next(server.start for server in servers() if server.name == "ours")
    with Stdio(command, environment(folder), folder, SERVER_CORE if pin else None) as child:
        child.initialize("legacy")
        yield child


@contextmanager
def http_server(server: Server, folder: Path) -> Iterator[tuple[int, psutil.Process]]:
    """A server that answers at a port."""
    port = free_port()
    with pinned(SERVER_CORE):
        process = psutil.Popen(
            [*server.echo, str(port)], env=environment(folder), cwd=folder, stderr=subprocess.DEVNULL
        )
    try:
        until(lambda: answers(port))
        yield port, process
    finally:
        process.terminate()
        process.wait(15)


def named(tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a call."""
    return {"name": tool, "arguments": arguments}


def tool_result(child: Stdio, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What a tool answers."""
    answer: dict[str, Any] = child.ask("tools/call", named(tool, arguments))[0]["structuredContent"]
    return answer


def altered(recording: Path, folder: Path, turn: int) -> Path:
    """A copy whose last sample is the number of the turn: no louder than the noise, and another file."""
    copy = folder / f"{recording.stem}-{turn}.wav"
    with wave.open(str(recording)) as source, wave.open(str(copy), "wb") as out:
        out.setparams(source.getparams())
        frames = source.readframes(source.getnframes())
        out.writeframes(frames[:-2] + turn.to_bytes(2, "little"))
    return copy


def resident(child: Stdio) -> float:
    """Resident memory, in MB."""
    return float(psutil.Process(child.process.pid).memory_info().rss) / 1e6


def wait_for_sidecar(port: int) -> None:
    """Wait until the sidecar is up, and has told its metrics once."""
    until(lambda: answers(port))
    httpx2.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).raise_for_status()


def answers(port: int) -> bool:
    """Whether somebody takes connections."""
    with socket.socket() as wire:
        return wire.connect_ex(("127.0.0.1", port)) == 0


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, a minute at most."""
    end = time.monotonic() + 60
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.01)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def fastmcp_version() -> str | None:
    """Of the environment beside ours; None without it."""
    found = next((HERE / ".venv").glob("lib/python*/site-packages/fastmcp-*.dist-info"), None)
    return found.name.removeprefix("fastmcp-").removesuffix(".dist-info") if found else None


def main() -> None:
    """Measure, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each stretch of calls")
    parser.add_argument("--into", type=Path, default=HERE, help="folder of results/protocol.json and README.md")
    asked = parser.parse_args()
    gc.freeze()  # the client's own pauses are not the server's
    with pinned(CLIENT_CORE), tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found: dict[str, Any] = {
            "machine": {
                "cores": CORES,
                "system": platform.system(),
                "python": platform.python_version(),
                "mcp": version("mcp"),
                "fastmcp": fastmcp_version(),
                "load": None,
            },
            "rounds": asked.rounds,
            "seconds": asked.seconds,
        }
        found["start"] = measure_start(folder, asked.rounds)
        found["calls"] = measure_stdio(folder, asked.rounds, asked.seconds, SERVER_CORE)
        found["calls"] |= measure_stdio(folder, asked.rounds, asked.seconds, None)
        found["calls"] |= measure_http(folder, asked.rounds, asked.seconds)
        found["repeated_ms"] = measure_repeated(folder, 10 * asked.rounds)
        shutil.rmtree(folder / "data", ignore_errors=True)
    with tempfile.TemporaryDirectory() as name:
        found["hearing_s"] = measure_hearing(Path(name), asked.rounds)
    found["machine"]["load"] = round(os.getloadavg()[2], 1) if hasattr(os, "getloadavg") else None
    print(write(found, asked.into))


if __name__ == "__main__":
    main()
