from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from hybrid_mcp.episode import master
from hybrid_mcp.episode.master import Master
from hybrid_mcp.errors import InvalidInput


def test_two_channels_carry_the_same(tmp_path: Path) -> None:
    sound = np.linspace(-1, 1, 100, dtype=np.float32)
    with Master(tmp_path / "a.wav", 24_000, 2) as written:
        written.write(sound)
    assert written.length == 100
    with wave.open(str(tmp_path / "a.wav")) as wav:
        assert (wav.getnchannels(), wav.getnframes()) == (2, 100)
        frames = np.frombuffer(wav.readframes(100), "<i2").reshape(-1, 2)
    assert (frames[:, 0] == frames[:, 1]).all()


def test_a_recording_no_wav_can_hold_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(master, "_MOST_BYTES", 400)
    with Master(tmp_path / "a.wav", 24_000, 2) as written:
        written.write(np.zeros(100, np.float32))
        with pytest.raises(InvalidInput, match="4 GB"):
            written.write(np.zeros(1, np.float32))
