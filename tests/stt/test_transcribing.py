"""The verb, with a recogniser that only counts bytes; real hearing is in test_hearing.py."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import errno
import hashlib
import json
import os
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import held
from faster_whisper.tokenizer import _LANGUAGE_CODES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peers.web import Web

from hybrid_mcp.artifacts import Artifacts, Draft
from hybrid_mcp.backend import Health
from hybrid_mcp.config import Outgoing
from hybrid_mcp.egress import Egress
from hybrid_mcp.errors import HybridError, InvalidInput, MediaRefused, NotFound, PathRefused, StorageError, UrlRefused
from hybrid_mcp.stt import recording
from hybrid_mcp.stt import transcribe as verb
from hybrid_mcp.stt.interface import OnHeard, Segment, Transcript, Word
from hybrid_mcp.stt.spoken import NAMES, code_of, unheard
from hybrid_mcp.stt.transcribe import Heard, transcribe

SOUND = b"RIFF....a recording"
posix = pytest.mark.skipif(os.name != "posix", reason="pipes and devices in folders are POSIX's")


class Listener:
    """Hears the bytes of the file as words."""

    name = "listener 1"
    weights = "abc"

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []
        self.bytes: list[bytes] = []
        self.waiting = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()
        words = (Word(" <Hello>", 0.0, 0.5, 0.9), Word(" there.", 0.5, 0.5, 0.8))
        self.said: tuple[Segment, ...] = (Segment("<Hello> there.", 0.0, 0.5, words), Segment("Bye.", 0.4, 2.0, ()))

    async def check(self) -> Health:
        return Health()

    async def identity(self) -> str:
        return f"{self.name} {self.weights}"

    async def recognize(self, audio: Path, *, language: str | None, on_heard: OnHeard) -> Transcript:
        self.asked.append((audio.name, language))
        self.bytes.append(await asyncio.to_thread(audio.read_bytes))
        self.waiting.set()
        await self.go_on.wait()
        await on_heard(2.0, 2.0)
        return Transcript(
            language=language or "en",
            language_probability=0.75,
            duration=2.0,
            segments=self.said,
            engine=self.name,
        )

    async def close(self) -> None:
        pass


async def _nobody(host: str, port: int) -> Sequence[str]:
    """A resolver without a network."""
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


class Place:
    """One data directory, one allowed folder, and a forbidden one."""

    def __init__(self, root: Path) -> None:
        self.allowed = root / "allowed"
        self.secret = root / "secret"
        self.allowed.mkdir()
        self.secret.mkdir()
        self.artifacts = Artifacts(root / "data")
        self.artifacts.open()
        self.listener = Listener()
        self.egress = Egress(Outgoing(), _nobody)
        self.heard: list[tuple[float, float]] = []

    def file(self, name: str = "talk.wav", content: bytes = SOUND) -> Path:
        path = self.allowed / name
        path.write_bytes(content)
        return path

    async def note(self, end: float, whole: float) -> None:
        self.heard.append((end, whole))

    async def __call__(self, source: object, *, language: str | None = None, max_bytes: int = 1000) -> Heard:
        return await transcribe(
            self.listener,
            self.artifacts,
            str(source),
            allowed_roots=[self.allowed],
            egress=self.egress,
            language=language,
            max_bytes=max_bytes,
            on_heard=self.note,
        )

    async def refusal(self, source: object, kind: type[HybridError], **options: Any) -> HybridError:
        with pytest.raises(kind) as refused:
            await self(source, **options)
        assert self.listener.asked == []
        assert self.artifacts.ids("transcript") == []
        assert refused.value.text("ja") != refused.value.text("en")
        return refused.value


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def encoded(content: bytes = SOUND) -> str:
    return base64.b64encode(content).decode()


async def test_a_recording_becomes_a_transcript_in_four_formats(place: Place) -> None:
    heard = await place(place.file())
    assert heard.artifact.files == ("transcript.json", "transcript.srt", "transcript.txt", "transcript.vtt")
    assert heard.artifact.read_text("transcript.txt") == "<Hello> there.\nBye.\n"
    assert json.loads(heard.artifact.read_text("transcript.json")) == json.loads(json.dumps(heard.transcript.to_json()))
    assert heard.artifact.read_text("transcript.srt").startswith("1\n00:00:00,000 --> 00:00:00,550\n<Hello> there.\n")
    vtt = heard.artifact.read_text("transcript.vtt")
    assert vtt.startswith("WEBVTT\n\n")
    assert "&lt;Hello&gt; there." in vtt
    assert "00:00:00.550 --> 00:00:02.000\nBye." in vtt
    assert heard.artifact.summary == {
        "language": "en",
        "language_probability": 0.75,
        "duration": 2.0,
        "segments": 2,
        "words": 2,
        "characters": 19,
        "engine": "listener 1",
    }
    assert place.heard == [(2.0, 2.0)]


async def test_no_subtitle_stays_longer_than_the_recording(place: Place) -> None:
    place.listener.said = (Segment("Yes.", 1.9, 2.0, ()),)
    srt = (await place(place.file())).artifact.read_text("transcript.srt")
    assert srt == "1\n00:00:01,900 --> 00:00:02,000\nYes.\n"


async def test_the_same_recording_is_heard_once_under_any_name(place: Place) -> None:
    first = await place(place.file("a.wav"))
    second = await place(place.file("b.wav"))
    third = await place(f"data:audio/wav;base64,{encoded()}")
    assert first == second == third
    assert len(place.listener.asked) == 1


async def test_other_bytes_another_language_or_another_engine_are_heard_anew(place: Place) -> None:
    path = place.file()
    ids = {
        (await place(path)).artifact.id,
        (await place(path, language="ja")).artifact.id,
        (await place(place.file("b.wav", b"other"))).artifact.id,
    }
    place.listener.name = "listener 2"
    ids.add((await place(path)).artifact.id)
    place.listener.weights = "def"
    ids.add((await place(path)).artifact.id)
    assert len(ids) == len(place.listener.asked) == 5


async def test_new_rules_for_subtitles_make_another_transcript(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    path = place.file()
    before = await place(path)
    monkeypatch.setattr(verb, "_LAYOUT", verb._LAYOUT + 1)
    assert (await place(path)).artifact.id != before.artifact.id


@pytest.mark.parametrize("written", [" JA-jp ", "Japanese", "日本語", "ja_JP.UTF-8", "japanese (Japan)", "ＪＡ"])
async def test_a_language_may_be_written_in_several_ways(place: Place, written: str) -> None:
    path = place.file()
    assert (await place(path, language="ja")) == (await place(path, language=written))
    assert place.listener.asked == [("talk.wav", "ja")]


@pytest.mark.parametrize("written", [None, "", " ", "auto", "Auto", "自動"])
async def test_a_language_may_be_left_to_the_engine(place: Place, written: str | None) -> None:
    await place(place.file(), language=written)
    assert place.listener.asked == [("talk.wav", None)]


@pytest.mark.parametrize(
    ("written", "nearest"),
    [
        ("jp", "Japanese (ja)"),
        ("Japanes", "Japanese (ja)"),
        ("日本", "Japanese (ja)"),
        ("germn", "German (de)"),
        ("klingon", "Lingala (ln)"),
        ("x" * 5000, "English (en)"),
    ],
)
async def test_an_unknown_language_is_refused_with_the_nearest_before_anything_is_read(
    place: Place, written: str, nearest: str
) -> None:
    refused = await place.refusal(place.file(), NotFound, language=written)
    assert nearest in refused.text("en")
    assert "自動で判定" in refused.text("ja")
    assert len(refused.text("ja")) < 400


def test_every_language_whisper_hears_has_names() -> None:
    assert set(_LANGUAGE_CODES) == set(NAMES)
    for code, name in NAMES.items():
        assert code_of(name.en) == code_of(name.ja) == code_of(code.upper()) == code
    assert unheard("ja", ["en"]).text("en").count("(en)") == 1


async def test_two_who_ask_at_once_share_the_work(place: Place) -> None:
    path = place.file()
    async with asyncio.timeout(30):
        one, other = await asyncio.gather(place(path), place(path))
    assert one == other
    assert len(place.listener.asked) == 1


async def test_what_is_heard_is_a_private_copy_with_the_files_name(place: Place) -> None:
    place.listener.go_on.clear()
    path = place.file("講演 2026.wav")
    task = asyncio.create_task(place(path))
    async with asyncio.timeout(30):
        await place.listener.waiting.wait()
    path.write_bytes(b"something else")
    place.listener.go_on.set()
    heard = await task
    assert place.listener.asked == [("講演 2026.wav", None)]
    assert place.listener.bytes == [SOUND]
    assert not list(heard.artifact.folder.glob("heard*"))


async def test_a_recording_rewritten_between_two_readings_is_refused(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place.file()
    digest = recording.Recording.digest

    def then_rewrite(opened: recording.Recording, max_bytes: int, copy_to: Path | None = None) -> str:
        found = digest(opened, max_bytes, copy_to)
        path.write_bytes(SOUND[::-1])
        return found

    monkeypatch.setattr(recording.Recording, "digest", then_rewrite)
    assert "changed" in (await place.refusal(path, MediaRefused)).text("en")


async def test_cancelling_leaves_nothing_behind(place: Place) -> None:
    place.listener.go_on.clear()
    task = asyncio.create_task(place(place.file()))
    async with asyncio.timeout(30):
        await place.listener.waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list(place.artifacts.root.iterdir()) == []


@pytest.mark.parametrize(
    "form", ["{}", "  {}\n", '"{}"', " '{}' ", "“{}”", "「{}」", "file://{}", "file://localhost{}", "FILE://{}"]
)
async def test_a_path_may_be_written_in_several_ways(place: Place, form: str) -> None:
    assert (await place(form.format(place.file()))).transcript.segments


async def test_a_file_uri_is_percent_decoded(place: Place) -> None:
    path = place.file("a b#é.wav")
    assert (await place(path.as_uri())).transcript.segments
    assert place.listener.asked == [("a b#é.wav", None)]


async def test_a_tilde_is_the_home_folder(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.file()
    monkeypatch.setenv("HOME", str(place.allowed))
    monkeypatch.setenv("USERPROFILE", str(place.allowed))
    assert (await place("~/talk.wav")).transcript.segments


async def test_a_file_in_the_data_directory_may_be_read(place: Place) -> None:
    path = place.artifacts.root / "loose.wav"
    path.write_bytes(SOUND)
    assert (await place(path)).transcript.segments


async def test_an_allowed_root_may_itself_be_a_link(place: Place, tmp_path: Path) -> None:
    place.file()
    link = tmp_path / "link"
    link.symlink_to(place.allowed)
    place.allowed = link
    assert (await place(link / "talk.wav")).transcript.segments


async def test_a_link_that_stays_inside_is_followed(place: Place) -> None:
    (place.allowed / "deep").mkdir()
    (place.allowed / "deep" / "talk.wav").write_bytes(SOUND)
    link = place.allowed / "link.wav"
    link.symlink_to(Path("deep") / "talk.wav")
    assert (await place(link)).transcript.segments
    assert (await place(place.allowed / "deep" / ".." / "link.wav")).transcript.segments


def refused_path(place: Place, how: str) -> Path:
    inside = place.allowed / "x.wav"
    outside = place.secret / "x.wav"
    outside.write_bytes(SOUND)
    match how:
        case "outside" | "dots":
            return outside if how == "outside" else place.allowed / ".." / "secret" / "x.wav"
        case "outside and missing":
            return place.secret / "nothing.wav"
        case "sibling":
            sibling = place.allowed.with_name("allowed-too")
            sibling.mkdir()
            (sibling / "x.wav").write_bytes(SOUND)
            return sibling / "x.wav"
        case "link out":
            inside.symlink_to(outside)
        case "dangling link out":
            inside.symlink_to(place.secret / "nothing.wav")
        case "folder link out":
            (place.allowed / "folder").symlink_to(place.secret)
            return place.allowed / "folder" / "x.wav"
        case "circle":
            inside.symlink_to(inside)
        case "missing":
            pass
        case "below a file":
            inside.write_bytes(SOUND)
            return inside / "y.wav"
        case "folder":
            inside.mkdir()
        case "root":
            return place.allowed
        case "pipe":
            os.mkfifo(inside)
        case "empty":
            inside.touch()
        case "long":
            return place.allowed / ("x" * 300)
    return inside


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("outside", "is outside the allowed folders"),
        ("dots", "is outside the allowed folders"),
        ("outside and missing", "is outside the allowed folders"),
        ("sibling", "is outside the allowed folders"),
        ("link out", "is a link that leads out"),
        ("dangling link out", "is a link that leads out"),
        ("folder link out", "is a link that leads out"),
        ("missing", "does not exist"),
        ("below a file", "does not exist"),
        ("folder", "is a folder"),
        ("root", "is a folder"),
        pytest.param("pipe", "is not a regular file", marks=posix),
        ("empty", "is an empty file"),
    ],
)
async def test_a_path_that_may_not_be_read_is_refused_with_the_reason_and_the_remedy(
    place: Place, how: str, why: str
) -> None:
    path = refused_path(place, how)
    async with asyncio.timeout(30):
        refused = await place.refusal(path, PathRefused)
    assert why in refused.text("en")
    texts = (refused.text("ja"), refused.text("en"))
    for text in texts:
        assert str(path) in text
        assert str(place.allowed) in text
        assert "HYBRID_MCP_ALLOWED_ROOTS" in text
        assert str(place.artifacts.root) not in text


@pytest.mark.parametrize("how", ["circle", "long"])
async def test_a_path_that_leads_nowhere_is_refused(place: Place, how: str) -> None:
    await place.refusal(refused_path(place, how), PathRefused)


@posix
async def test_a_device_is_refused_without_being_opened(place: Place) -> None:
    place.allowed = Path("/dev")
    refused = await place.refusal("/dev/zero", PathRefused)
    assert "is not a regular file" in refused.text("en")


async def test_a_file_this_user_may_not_read_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    path = place.file()
    keep = os.open

    def denied(name: Any, *arguments: Any, **options: Any) -> int:  # root may read anything, so chmod tells nothing
        if str(name).endswith("talk.wav"):
            raise PermissionError(13, "Permission denied", name)
        return keep(name, *arguments, **options)

    monkeypatch.setattr(os, "open", denied)
    monkeypatch.setattr(os, "supports_dir_fd", {denied})
    assert "may not be read by this user" in (await place.refusal(path, PathRefused)).text("en")


@pytest.mark.parametrize("swapped", ["file", "folder"])
async def test_a_link_put_there_between_check_and_opening_is_not_followed(
    place: Place, monkeypatch: pytest.MonkeyPatch, swapped: str
) -> None:
    folder = place.allowed / "folder"
    folder.mkdir()
    path = folder / "x.wav"
    path.write_bytes(SOUND)
    (place.secret / "x.wav").write_bytes(b"the secret")
    open_below = recording._open_below

    def swap_first(root: Path, real: Path) -> int:
        path.unlink()
        if swapped == "file":
            path.symlink_to(place.secret / "x.wav")
        else:
            folder.rmdir()
            folder.symlink_to(place.secret)
        return open_below(root, real)

    monkeypatch.setattr(recording, "_open_below", swap_first)
    await place.refusal(path, PathRefused)


@posix
async def test_a_pipe_put_there_between_check_and_opening_does_not_block(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place.file()
    open_below = recording._open_below

    def swap_first(root: Path, real: Path) -> int:
        path.unlink()
        os.mkfifo(path)
        return open_below(root, real)

    monkeypatch.setattr(recording, "_open_below", swap_first)
    async with asyncio.timeout(30):
        assert "regular" in (await place.refusal(path, PathRefused)).text("en")


@pytest.mark.parametrize("source", ["", "   ", "talk.wav", "./talk.wav", "../x.wav", "a\0b", "/a\0b", "~nobody-here/x"])
async def test_what_is_not_an_absolute_path_is_refused(place: Place, source: str) -> None:
    await place.refusal(source, PathRefused)


@pytest.mark.parametrize(
    "source",
    ["https://example.org/a.wav", "http://localhost/a.wav", "ftp://x/y", "s3://b/k", "file://server/share.wav"],
)
async def test_addresses_elsewhere_are_refused(place: Place, source: str) -> None:
    refused = await place.refusal(source, InvalidInput)
    if source.startswith("http://"):
        assert "https://" in refused.text("en")


@pytest.fixture
async def web(tmp_path: Path) -> AsyncIterator[Web]:
    async with held(Web(tmp_path).open()) as server:
        yield server


@pytest.mark.parametrize("form", ["{}", " {}\n", '"{}"', "「{}」", "{}?token=x#t=1"])
async def test_a_recording_is_heard_by_its_url(place: Place, web: Web, form: str) -> None:
    place.egress = Egress(web.outgoing())
    heard = await place(form.format(web.gives("/talks/talk%201.wav", SOUND, content_type="audio/wav")))
    assert place.listener.asked == [("talk_1.wav", None)]
    assert place.listener.bytes == [SOUND]
    assert heard.artifact.files == ("transcript.json", "transcript.srt", "transcript.txt", "transcript.vtt")


async def test_the_same_bytes_are_heard_once_by_path_and_by_url(place: Place, web: Web) -> None:
    place.egress = Egress(web.outgoing())
    by_path = await place(place.file())
    assert await place(web.gives("/other.wav", SOUND)) == by_path
    assert len(place.listener.asked) == 1
    assert [path.name for path in place.artifacts.root.iterdir()] == [by_path.artifact.id]


@pytest.mark.parametrize("kind", ["text/html", "Text/HTML; charset=utf-8", "application/xhtml+xml"])
async def test_a_web_page_is_no_recording(place: Place, web: Web, kind: str) -> None:
    place.egress = Egress(web.outgoing())
    refused = await place.refusal(web.gives("/watch", b"<html>", content_type=kind) + "?v=x", MediaRefused)
    assert "YouTube" in refused.text("en")
    assert "watch" in refused.text("ja")


async def test_an_empty_missing_or_large_recording_behind_a_url_is_refused(place: Place, web: Web) -> None:
    place.egress = Egress(web.outgoing())
    assert "empty" in (await place.refusal(web.gives("/empty.wav", b""), MediaRefused)).text("en")
    assert "404" in (await place.refusal(web.gives("/gone.wav", status=404), UrlRefused)).text("en")
    large = await place.refusal(web.gives("/large.wav", b"x" * 1001), MediaRefused)
    assert "1000" in large.text("ja")
    assert list(place.artifacts.root.iterdir()) == []


async def test_cancelling_a_download_closes_the_connection_and_leaves_nothing_behind(place: Place, web: Web) -> None:
    begun = asyncio.Event()

    async def slow(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nRIFF")
        await writer.drain()
        begun.set()
        await asyncio.Event().wait()

    place.egress = Egress(web.outgoing())
    with descriptors_kept():
        task = asyncio.create_task(place(web.answers("/slow.wav", slow)))
        async with asyncio.timeout(30):
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await web.gone.wait()
    assert list(place.artifacts.root.iterdir()) == []


async def test_a_full_disk_is_reported_while_downloading(
    place: Place, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    place.egress = Egress(web.outgoing())
    await place.refusal(web.gives("/a.wav", SOUND), StorageError)


async def test_a_recording_over_the_limit_is_refused(place: Place) -> None:
    refused = await place.refusal(place.file(content=b"x" * 1001), MediaRefused)
    assert "HYBRID_MCP_STT__MAX_BYTES" in refused.text("en")
    assert "1000" in refused.text("ja")
    assert (await place(place.file(content=b"x" * 1000))).transcript.segments


async def test_a_recording_that_grows_over_the_limit_while_it_is_read_is_refused(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place.file(content=b"x" * 1000)
    open_below = recording._open_below
    fstat = os.fstat

    def grow_after_check(descriptor: int) -> os.stat_result:
        found = fstat(descriptor)
        with path.open("ab") as file:
            file.write(b"x")
        return found

    def watched(root: Path, real: Path) -> int:
        monkeypatch.setattr(os, "fstat", grow_after_check)
        return open_below(root, real)

    monkeypatch.setattr(recording, "_open_below", watched)
    await place.refusal(path, MediaRefused)


@pytest.mark.parametrize(
    "uri",
    [
        "data:audio/wav;base64,{}",
        "DATA:Audio/X-Wav;BASE64,{}",
        "data:video/mp4;base64,{}",
        "data:application/octet-stream;base64,{}",
        "data:audio/webm;codecs=opus;base64,{}",
    ],
)
async def test_a_data_uri_is_heard(place: Place, uri: str) -> None:
    assert (await place(uri.format(encoded()))).transcript.segments
    assert place.listener.bytes == [SOUND]


async def test_line_breaks_and_percent_signs_in_base64_are_read(place: Place) -> None:
    content = bytes(range(250, 256)) * 5
    text = encoded(content)
    assert "+" in text
    assert "/" in text
    wrapped = "\r\n".join(text[at : at + 10] for at in range(0, len(text), 10))
    percent = text.replace("+", "%2B").replace("/", "%2f")
    await place(f"data:audio/wav;base64,{wrapped}")
    await place(f"data:audio/wav;base64,{percent}")
    assert place.listener.bytes == [content]


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("data:", "no comma"),
        ("data:audio/wav;base64", "no comma"),
        ("data:,hello", "text/plain"),
        ("data:text/html;base64,AAAA", "text/html"),
        ("data:image/png;base64,AAAA", "image/png"),
        ("data:application/json;base64,AAAA", "application/json"),
        ("data:audio/wav,AAAA", ";base64"),
        ("data:audio/wav;base64;x=1,AAAA", ";base64"),
        ("data:audio/wav;base64,", "no data"),
        ("data:audio/wav;base64,%20%0A", "no data"),
        ("data:audio/wav;base64,AAA", "cut off"),
        ("data:audio/wav;base64,AA*A", "not base64"),
        ("data:audio/wav;base64,AA-_", "not base64"),
        ("data:audio/wav;base64,ああああ", "not base64"),
        ("data:audio/wav;base64,A===", "not base64"),
    ],
)
async def test_a_malformed_data_uri_is_refused_with_the_reason(place: Place, uri: str, why: str) -> None:
    refused = await place.refusal(uri, InvalidInput)
    assert why in refused.text("en")
    assert "data: URI" in refused.text("ja")


@pytest.mark.parametrize("size", [1001, 5000])
async def test_a_data_uri_over_the_limit_is_refused(place: Place, size: int) -> None:
    await place.refusal(f"data:audio/wav;base64,{encoded(b'x' * size)}", MediaRefused)


async def test_a_data_uri_of_exactly_the_limit_is_heard(place: Place) -> None:
    assert (await place(f"data:audio/wav;base64,{encoded(b'x' * 1000)}")).transcript.segments


async def narrated(place: Place, *names: str) -> str:
    made_id = f"audio-{hashlib.sha256(repr(names).encode()).hexdigest()[:16]}"
    async with place.artifacts.making(made_id) as draft:
        assert isinstance(draft, Draft)
        for name in names:
            (draft.folder / name).write_bytes(name.encode())
    return made_id


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (("narration.mp3", "narration.wav", "timeline.json"), "narration.wav"),
        (("narration.flac", "timeline.json"), "narration.flac"),
    ],
)
async def test_audio_made_here_is_heard_by_its_id(place: Place, names: tuple[str, ...], chosen: str) -> None:
    await place(f"audio://{await narrated(place, *names)}")
    assert place.listener.asked == [(chosen, None)]
    assert place.listener.bytes == [chosen.encode()]


@pytest.mark.parametrize(
    "form", ["audio://{}", " audio://{}", "audio://{}/", "AUDIO://{}", '"audio://{}"', "audio:{}", "{}", "`{}`"]
)
async def test_audio_made_here_is_known_however_its_id_is_written(place: Place, form: str) -> None:
    made = await narrated(place, "narration.wav")
    heard = await place(form.format(made))
    assert heard.of is not None
    assert heard.of.id == made
    again = await place(place.artifacts.root / made / "narration.wav")
    assert again.artifact == heard.artifact
    assert again.of is None


async def test_an_unknown_audio_id_is_refused_with_the_nearest(place: Place) -> None:
    known = await narrated(place, "narration.wav")
    refused = await place.refusal(f"audio://{known[:-1]}x", NotFound)
    assert known in refused.text("en")
    assert known in (await place.refusal(known[:-1], NotFound)).text("en")
    await place.refusal("audio://../../etc/passwd", NotFound)
    await place.refusal("audio://", NotFound)


async def test_an_audio_artifact_without_narration_is_refused(place: Place) -> None:
    refused = await place.refusal(f"audio://{await narrated(place, 'timeline.json')}", NotFound)
    assert "narration" in refused.text("en")


async def test_a_damaged_kept_transcript_is_reported_with_the_remedy(place: Place) -> None:
    heard = await place(place.file())
    kept = heard.artifact.path("transcript.json")
    kept.write_bytes(b'{"segments": [{}]}'.ljust(kept.stat().st_size))  # another size would be heard anew
    with pytest.raises(StorageError, match="Delete the folder"):
        await place(place.file())


async def test_a_full_disk_is_reported(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    path = place.file()
    keep = Path.open

    def full(self: Path, *arguments: Any, **options: Any) -> Any:
        if self.name == "talk.wav":
            raise OSError(28, "No space left on device", str(self))
        return keep(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", full)
    assert "No space left" in (await place.refusal(path, StorageError)).text("en")


@contextlib.contextmanager
def descriptors_kept() -> Iterator[None]:
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("no /proc here")
    before = len(list(folder.iterdir()))
    yield
    assert len(list(folder.iterdir())) == before


async def test_no_descriptor_stays_open(place: Place) -> None:
    await place(place.file())
    with descriptors_kept():
        await place(place.file("b.wav", b"more"))
        for how in ("folder", "missing"):
            with contextlib.suppress(PathRefused):
                await place(refused_path(place, how))
            (place.allowed / "x.wav").rmdir() if (place.allowed / "x.wav").is_dir() else None
        with pytest.raises(MediaRefused):
            await place(place.file("c.wav", b"x" * 2000))
        with pytest.raises(PathRefused):
            await place(place.file("d.wav", b""))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(
    st.one_of(
        st.text(max_size=60),
        st.text(max_size=40).map("data:audio/wav;base64,{}".format),
        st.text(max_size=30).map("file://{}".format),
        st.text(max_size=30).map("/{}".format),
        st.text(max_size=30).map("data:{}".format),
        st.text(max_size=30).map("https://{}".format),
    )
)
def test_whatever_is_given_is_heard_or_refused_in_words(tmp_path_factory: pytest.TempPathFactory, source: str) -> None:
    place = Place(tmp_path_factory.mktemp("place"))
    with contextlib.suppress(InvalidInput):
        asyncio.run(place(source))
