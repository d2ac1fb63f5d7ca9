import asyncio
import errno
import json
import os
import time
from pathlib import Path

import pytest

from hybrid_mcp.artifacts import Artifact, Artifacts, Draft, artifact_id, storage_errors
from hybrid_mcp.errors import NotFound, StorageError


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    store = Artifacts(tmp_path)
    store.open()
    return store


ID = artifact_id("script", {"text": "海馬"})


async def make(artifacts: Artifacts, artifact: str = ID, text: str = "海馬") -> bool:
    """Whether the work was done, rather than found."""
    async with artifacts.making(artifact) as draft:
        if isinstance(draft, Artifact):
            return False
        draft.write_text("script.md", text)
        draft.summary["title"] = text
        await asyncio.sleep(0)
        return True


def test_the_same_inputs_give_the_same_id_in_any_order() -> None:
    assert artifact_id("script", {"a": 1, "b": "海"}) == artifact_id("script", {"b": "海", "a": 1})
    assert artifact_id("script", {"a": 1}) != artifact_id("audio", {"a": 1})


async def test_what_is_made_is_found_with_its_files_hashed_and_no_clock(artifacts: Artifacts) -> None:
    assert await make(artifacts)
    assert not await make(artifacts)
    found = artifacts.get(ID, "script")
    assert found.read_text("script.md") == "海馬"
    assert found.summary == {"title": "海馬"}
    manifest = json.loads(found.path("manifest.json").read_text(encoding="utf-8"))
    assert manifest["files"]["script.md"]["bytes"] == 6
    assert len(manifest["files"]["script.md"]["sha256"]) == 64
    assert set(manifest) == {"id", "summary", "files"}


async def test_two_callers_at_once_do_the_work_once(artifacts: Artifacts) -> None:
    assert sorted(await asyncio.gather(*(make(artifacts) for _ in range(5)))) == [False] * 4 + [True]


async def test_another_process_may_finish_first(artifacts: Artifacts, tmp_path: Path) -> None:
    other = Artifacts(tmp_path)
    async with artifacts.making(ID) as draft:
        assert isinstance(draft, Draft)
        assert await make(other, text="先")
        draft.write_text("script.md", "後")
    assert artifacts.get(ID, "script").read_text("script.md") == "先"


async def test_a_failure_leaves_nothing(artifacts: Artifacts) -> None:
    with pytest.raises(RuntimeError):
        async with artifacts.making(ID) as draft:
            assert isinstance(draft, Draft)
            draft.write_text("script.md", "半分")
            raise RuntimeError
    assert list(artifacts.root.iterdir()) == []
    assert await make(artifacts)


async def test_cancelling_leaves_nothing(artifacts: Artifacts) -> None:
    started = asyncio.Event()

    async def hang() -> None:
        async with artifacts.making(ID):
            started.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hang())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list(artifacts.root.iterdir()) == []


async def test_an_unknown_id_names_the_newest(artifacts: Artifacts) -> None:
    await make(artifacts)
    wrong = ID[:-1] + ("0" if ID[-1] != "0" else "1")
    with pytest.raises(NotFound, match=ID):
        artifacts.get(wrong, "script")
    for odd in ("", "../../etc/passwd", "audio-0123456789abcdef", ID + "/..", "script-" + "z" * 16):
        with pytest.raises(NotFound):
            artifacts.get(odd, "script")
    for number in range(5):
        await make(artifacts, newest := artifact_id("script", {"number": number}))
        os.utime(artifacts.root / newest, (9e9 + number, 9e9 + number))
    with pytest.raises(NotFound, match=rf"The newest: {newest}, ") as refused:
        artifacts.get(wrong, "script")
    assert ID not in str(refused.value)


async def test_a_damaged_one_is_called_damaged_and_not_unknown(artifacts: Artifacts) -> None:
    await make(artifacts)
    (artifacts.root / ID / "script.md").write_text("cut")
    with pytest.raises(StorageError, match=f"{ID} is damaged"):
        artifacts.get(ID, "script")


@pytest.mark.parametrize(
    "manifest",
    [
        "{",
        "{}",
        "[]",
        "null",
        "[" * 100_000,
        '{"files": {"script.md": 1}, "summary": {}}',
        '{"files": {}, "summary": []}',
        '{"files": {"../other": {"bytes": 0}}, "summary": {}}',
    ],
)
async def test_what_is_damaged_is_made_anew(artifacts: Artifacts, manifest: str) -> None:
    await make(artifacts)
    (artifacts.root / "other").write_text("")
    (artifacts.root / ID / "manifest.json").write_text(manifest, encoding="utf-8")
    assert artifacts.find(ID) is None
    assert await make(artifacts)
    assert artifacts.get(ID, "script").read_text("script.md") == "海馬"


@pytest.mark.parametrize("left", [None, "半"])
async def test_a_missing_or_cut_file_is_made_anew(artifacts: Artifacts, left: str | None) -> None:
    await make(artifacts)
    path = artifacts.root / ID / "script.md"
    path.unlink()
    if left is not None:
        path.write_text(left, encoding="utf-8")
    assert await make(artifacts)
    assert artifacts.get(ID, "script").read_text("script.md") == "海馬"


@pytest.mark.parametrize("name", ["manifest.json", "script.md"])
@pytest.mark.parametrize("kind", ["link", "loop", "pipe", "folder"])
async def test_what_stands_in_the_place_of_a_file_is_neither_followed_nor_waited_for(
    artifacts: Artifacts, name: str, kind: str
) -> None:
    await make(artifacts)
    found, path = artifacts.get(ID, "script"), artifacts.root / ID / name
    aside = path.rename(artifacts.root / "aside")
    match kind:
        case "link":
            path.symlink_to(aside)
        case "loop":
            path.symlink_to(path)
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
    assert artifacts.find(ID) is None
    with pytest.raises(StorageError, match="is damaged"):
        found.read_text(name)
    assert await make(artifacts)


async def test_a_loop_of_links_in_the_place_of_a_folder_is_damage(artifacts: Artifacts) -> None:
    (artifacts.root / ID).symlink_to(artifacts.root / ID)
    assert artifacts.find(ID) is None
    assert await make(artifacts)


async def test_a_file_that_is_no_text_is_called_damaged(artifacts: Artifacts) -> None:
    await make(artifacts)
    (artifacts.root / ID / "script.md").write_bytes(b"\xff" * 6)
    with pytest.raises(StorageError, match=r"script\.md is damaged"):
        artifacts.get(ID, "script").read_text("script.md")


async def test_a_file_in_the_place_of_a_folder_is_moved_away(artifacts: Artifacts) -> None:
    (artifacts.root / ID).write_text("", encoding="utf-8")
    assert await make(artifacts)
    assert not await make(artifacts)


async def test_only_old_leftovers_are_swept(artifacts: Artifacts) -> None:
    old, fresh = artifacts.root / ".making-1-a", artifacts.root / ".making-2-b"
    for left in (old, fresh):
        left.mkdir()
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    artifacts.open()
    assert not old.exists()
    assert fresh.exists()
    fresh.rmdir()


def test_a_data_directory_that_is_a_file_is_refused_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(StorageError):
        Artifacts(tmp_path / "data").open()


@pytest.mark.parametrize(
    ("number", "says"), [(errno.ENOSPC, "full"), (errno.EROFS, "HYBRID_MCP_DATA_DIR"), (errno.EIO, "failed")]
)
def test_what_the_disk_says_becomes_a_sentence_with_a_remedy(number: int, says: str) -> None:
    with pytest.raises(StorageError, match=says), storage_errors():
        raise OSError(number, os.strerror(number), "/data/x")


async def test_the_newest_of_the_kinds_asked_for_come_first_and_damaged_ones_not_at_all(artifacts: Artifacts) -> None:
    made = [artifact_id("script" if n % 2 else "audio", {"n": n}) for n in range(6)]
    for age, artifact in enumerate(reversed(made)):
        await make(artifacts, artifact)
        os.utime(artifacts.root / artifact, (1000 - age, 1000 - age))
    await make(artifacts, artifact_id("source", {}))
    (artifacts.root / made[5] / "script.md").write_text("cut off")
    recent = artifacts.recent(("script", "audio"), 3)
    assert [(found.id, at) for found, at in recent] == [(made[4], 999), (made[3], 998), (made[2], 997)]
    assert artifacts.ids("script") == [made[5], made[3], made[1]]


async def test_who_watches_hears_of_what_is_made_and_not_of_what_is_found(artifacts: Artifacts) -> None:
    heard: list[str] = []
    artifacts.watch(heard.append)
    await make(artifacts)
    await make(artifacts)
    assert heard == [ID]
    with pytest.raises(RuntimeError):
        async with artifacts.making(artifact_id("script", {"never": "made"})):
            raise RuntimeError
    assert heard == [ID]
