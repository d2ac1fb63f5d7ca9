"""How well `seconds_of` predicts Open JTalk, and the coefficients that would fit it best.

Run: python benchmarks/planned_length.py
"""

from __future__ import annotations

import asyncio
import json
import unicodedata
from pathlib import Path

import numpy as np

from hybrid_mcp.script.assemble import seconds_of
from hybrid_mcp.script.compose import compose
from hybrid_mcp.script.frames import FRAMES
from hybrid_mcp.script.model import Paper
from hybrid_mcp.script.phrasing import utterances
from hybrid_mcp.script.source import source_of_paper
from hybrid_mcp.script.speakable import speakable
from hybrid_mcp.tts.interface import Prosody
from hybrid_mcp.tts.openjtalk import OpenJTalk


def features(spoken: str) -> list[float]:
    """Kana, kanji, Latin letters and digits, pauses, and one for the line itself."""
    han = sum("CJK" in unicodedata.name(char, "") for char in spoken)
    letters = sum(char.isascii() and char.isalnum() for char in spoken)
    kana = sum(char.isalpha() for char in spoken) - han - sum(char.isascii() and char.isalpha() for char in spoken)
    return [kana, han, letters, sum(char in "、，,;；:：" for char in spoken), 1]


async def main() -> None:
    """Speak every line of the Japanese example in every style, and compare."""
    paper = Paper.model_validate(json.loads(Path("examples/paper.ja.json").read_text(encoding="utf-8")))
    lines = {line.text for style in FRAMES["ja"] for line in compose(source_of_paper(paper), style, "ja").lines}
    engine = OpenJTalk()
    rows, measured, planned = [], [], []
    for text in sorted(lines):
        parts = utterances(text, "ja")
        spoken = [await engine.speak(part, engine.voices[0], Prosody()) for part in parts]
        reading = speakable(text, "ja")
        rows.append(features(reading))
        measured.append(sum(len(speech.samples) for speech in spoken) / engine.sample_rate + 0.45 * (len(parts) - 1))
        planned.append(seconds_of(reading, "ja"))
    await engine.close()
    fit, *_ = np.linalg.lstsq(np.array(rows), np.array(measured), rcond=None)
    errors = np.array(planned) - np.array(measured)
    print(
        f"{len(lines)} lines, {sum(measured):.1f} s spoken, {sum(planned):.1f} s planned ({sum(planned) / sum(measured) - 1:+.1%})"
    )
    print(f"per line: mean absolute error {np.abs(errors).mean():.2f} s, worst {np.abs(errors).max():.2f} s")
    print(
        "best fit: "
        + ", ".join(
            f"{name} {value:.3f} s"
            for name, value in zip(["kana", "kanji", "letter", "pause", "line"], fit, strict=True)
        )
    )


if __name__ == "__main__":
    asyncio.run(main())
