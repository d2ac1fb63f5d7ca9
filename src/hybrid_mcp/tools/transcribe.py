"""The tool `transcribe`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from mcp.server.mcpserver import Context
from pydantic import BaseModel, Field

from hybrid_mcp.app import App
from hybrid_mcp.languages import Bilingual, Language
from hybrid_mcp.script.model import CleanText
from hybrid_mcp.threads import in_thread
from hybrid_mcp.tools.context import LentApp, Progress

if TYPE_CHECKING:
    from hybrid_mcp.stt.transcribe import Heard

_SHOWN = 6000
"""Characters of the transcript in the answer; the rest is in its file."""
_HEARD = Bilingual(ja="{total} 秒のうち {done} 秒を聞き取りました", en="{done} of {total} seconds heard")
_HEARD_BACK = Bilingual(
    ja="heard_back_error_rate は目安で、音声の良し悪しを決めるものではありません。聞き取る側 (Whisper) の間違いや、漢字とかなの"
    "書き方の違いも、誤りに数えられます。",
    en="heard_back_error_rate is a hint and no verdict on the audio: what Whisper itself mishears counts as an error, "
    "and so does kanji written for kana.",
)
_NOTHING = Bilingual(ja="音声から言葉は聞き取れませんでした。", en="No speech was heard.")


class TranscriptAnswer(BaseModel):
    """What was heard."""

    transcript_id: str
    text: str
    """In the format asked for; cut when long."""
    truncated: bool
    path: str
    """The whole text in the format asked for."""
    json_path: str
    srt_path: str
    vtt_path: str
    language: str
    language_probability: float
    duration_seconds: float
    words: int
    engine: str
    heard_back_error_rate: float | None = None
    """Only for audio:// ids: share of the spoken characters heard differently."""
    note: str = ""


async def transcribe(
    ctx: Context[App],
    app: LentApp,
    source: Annotated[
        CleanText,
        Field(
            min_length=1,
            max_length=64_000_000,
            description="Absolute path, https:// URL of a file, data: URI (base64), or audio://id.",
        ),
    ],
    language: Annotated[
        CleanText | None,
        Field(max_length=20, description="Language such as ja, en-US or Japanese; default: told from the sound."),
    ] = None,
    format: Annotated[  # noqa: A002
        Literal["text", "srt", "vtt", "json"],
        Field(description="What text is returned; all four are written as files."),
    ] = "text",
) -> TranscriptAnswer:
    """Write down what is said in a recording, with times for every word.

    Reads any audio or video file under the allowed folders or on the web, or audio made here (audio://id). Silence
    gives an empty transcript. With the embedded model (Whisper base) expect roughly one wrong character in six in
    Japanese.
    """
    from hybrid_mcp.stt.transcribe import transcribe as hear

    heard = await hear(
        app.recognizer,
        app.artifacts,
        source,
        allowed_roots=app.settings.allowed_roots,
        egress=app.egress,
        language=language,
        max_bytes=app.settings.stt.max_bytes,
        on_heard=Progress(ctx, _HEARD),
    )
    # A thread's work: the file, and the comparison of two long texts.
    return await in_thread(lambda: _answer(heard, format, app.settings.language))


def _answer(heard: Heard, form: str, language: Language) -> TranscriptAnswer:
    from hybrid_mcp.stt.score import character_error_rate

    transcript = heard.transcript
    name = "transcript.txt" if form == "text" else f"transcript.{form}"
    text = heard.artifact.read_text(name).strip()
    rate = None
    notes = [] if transcript.segments else [_NOTHING]
    if heard.of is not None:
        rate = round(character_error_rate(heard.of.summary["spoken_text"], transcript.text), 4)
        notes.append(_HEARD_BACK)
    return TranscriptAnswer(
        transcript_id=heard.artifact.id,
        text=text[:_SHOWN],
        truncated=len(text) > _SHOWN,
        path=str(heard.artifact.path(name)),
        json_path=str(heard.artifact.path("transcript.json")),
        srt_path=str(heard.artifact.path("transcript.srt")),
        vtt_path=str(heard.artifact.path("transcript.vtt")),
        language=transcript.language,
        language_probability=round(transcript.language_probability, 3),
        duration_seconds=round(transcript.duration, 3),
        words=sum(len(segment.words) for segment in transcript.segments),
        engine=transcript.engine,
        heard_back_error_rate=rate,
        note="\n".join(note.in_(language) for note in notes),
    )
