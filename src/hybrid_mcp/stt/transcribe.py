"""Writing down what is said in a recording."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hybrid_mcp.artifacts import Artifact, Artifacts, Draft, artifact_id
from hybrid_mcp.egress import Egress
from hybrid_mcp.episode.subtitles import Timed, cues, srt, vtt
from hybrid_mcp.errors import StorageError
from hybrid_mcp.stt.download import open_url
from hybrid_mcp.stt.interface import OnHeard, Recognizer, Segment, Transcript, Word
from hybrid_mcp.stt.recording import bare, open_recording, private_copy, scheme_of
from hybrid_mcp.stt.spoken import code_of
from hybrid_mcp.threads import in_thread

_LAYOUT = 2
"""Raise it whenever the same words would be laid out otherwise (`episode/subtitles.py`, `_write` here): it is
part of a transcript's id, and what was kept under the old rules is then heard and written anew."""
_SHORTEST_PIECE = 0.05
"""Seconds a subtitle piece lasts at least: WebVTT wants every cue to end after it starts."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A transcript, and the folder that holds it as JSON, text, SRT and WebVTT."""

    artifact: Artifact
    transcript: Transcript
    of: Artifact | None
    """The audio made here that was heard, when it was asked for by its id."""


async def transcribe(
    recognizer: Recognizer,
    artifacts: Artifacts,
    source: str,
    *,
    allowed_roots: Sequence[Path],
    egress: Egress,
    language: str | None,
    max_bytes: int,
    on_heard: OnHeard,
) -> Heard:
    """Hear `source`: an absolute path (`~` and `file://` too), an https URL, a base64 `data:` URI, or `audio://<id>`.

    A path must really lie, links followed, under one of `allowed_roots` or among the artifacts. URLs are
    fetched through `egress`, which says which ones may be. What is
    heard is a private copy of the bytes that were hashed, so a file that changes meanwhile changes
    nothing. The same bytes in the same language by the same engine are heard once and then found.
    `language` is a code, with or without a region, or a name (`spoken.code_of`).

    Raises:
        PathRefused: the path is outside the roots, or is not a file that can be read.
        InvalidInput: the URI is malformed or of another kind (`UrlRefused`: the URL may not be asked).
        NotFound: no such audio artifact, or a language the engine does not know.
        MediaRefused: more than `max_bytes`, or what the recogniser refuses.
        EngineError: the recogniser failed, lacks its weights or took too long; or the URL's server did.
        StorageError: the data directory is full or not writable.
    """
    code = code_of(language)
    with contextlib.ExitStack() as closing:
        # Entered in the thread, so that what is opened while we are cancelled is closed too.
        if scheme_of(bare(source)) == "https":
            recording = await open_url(bare(source), egress, artifacts.root, max_bytes, closing)
        else:
            recording = await in_thread(
                lambda: closing.enter_context(open_recording(source, artifacts, allowed_roots, max_bytes))
            )
        sha256 = await in_thread(lambda: recording.digest(max_bytes))
        made_from = {
            "sha256": sha256,
            "language": code or "",
            "engine": await recognizer.identity(),
            "layout": _LAYOUT,
        }
        transcript_id = artifact_id("transcript", made_from)
        async with artifacts.making(transcript_id) as made:
            if isinstance(made, Artifact):
                return Heard(made, await in_thread(partial(_load, made)), recording.of)
            # In a folder of its own, so that the recording keeps its name in messages.
            async with private_copy(recording, made.folder / "heard", sha256, max_bytes) as copy:
                transcript = await recognizer.recognize(copy, language=code, on_heard=on_heard)
            await in_thread(partial(_write, made, transcript))
    return Heard(artifacts.get(transcript_id, "transcript"), transcript, recording.of)


def _write(draft: Draft, transcript: Transcript) -> None:
    subtitles = cues(_pieces(transcript), transcript.language, transcript.duration)
    draft.write_text("transcript.json", json.dumps(transcript.to_json(), ensure_ascii=False, indent=2) + "\n")
    draft.write_text("transcript.txt", transcript.text + "\n" if transcript.segments else "")
    draft.write_text("transcript.srt", srt(subtitles))
    draft.write_text("transcript.vtt", vtt(subtitles))
    draft.summary.update(
        language=transcript.language,
        language_probability=transcript.language_probability,
        duration=transcript.duration,
        segments=len(transcript.segments),
        words=sum(len(segment.words) for segment in transcript.segments),
        characters=len(transcript.text),
        engine=transcript.engine,
    )


def _pieces(transcript: Transcript) -> list[Timed]:
    """The words as pieces of subtitles, in order and without overlap, which Whisper does not promise."""
    pieces: list[Timed] = []
    earliest = 0.0
    for segment in transcript.segments:
        words = segment.words or (Word(segment.text, segment.start, segment.end, 1.0),)
        for place, word in enumerate(words, 1):
            start = max(word.start, earliest)
            earliest = max(word.end, start + _SHORTEST_PIECE)
            pieces.append(Timed(word.text, start, earliest, break_after=place == len(words)))
    return pieces


def _load(artifact: Artifact) -> Transcript:
    try:
        kept = json.loads(artifact.read_text("transcript.json"))
        segments = tuple(
            Segment(**{**segment, "words": tuple(Word(**word) for word in segment["words"])})
            for segment in kept["segments"]
        )
        return Transcript(**{**kept, "segments": segments})
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(
            ja=f"{artifact.path('transcript.json')} が壊れています。フォルダを消して、もう一度文字起こししてください。",
            en=f"{artifact.path('transcript.json')} is damaged. Delete the folder and transcribe again.",
        ) from error
