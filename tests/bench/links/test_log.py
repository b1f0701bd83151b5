"""What the probes collect, put together again."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

from bench.links.assets import SPEECH_RATE
from bench.links.log import Log

RATE = 48_000
CHUNK = 480


def drained(tap: int, sound: np.ndarray[Any, Any], begin_ms: float, late_ms: float = 3) -> dict[str, Any]:
    """A drain with one track in chunks of 10 ms, each as late as chunks are; silent ones without samples."""
    chunks, pcm = [], b""
    for i in range(0, len(sound), CHUNK):
        part = sound[i : i + CHUNK]
        silent = not part.any()
        chunks.append([begin_ms + i / RATE * 1000 + (i // CHUNK % 4) * late_ms, len(part), silent])
        pcm += b"" if silent else part.astype("<i2").tobytes()
    track = {"document": 1.0, "tap": tap, "side": "heard", "rate": RATE, "chunks": chunks}
    empty: dict[str, Any] = {name: [] for name in ("events", "stats", "shown", "sent", "got", "shots", "sync", "page")}
    return {**empty, "audio": [{**track, "pcm": base64.b64encode(pcm).decode()}]}


def tone(seconds: float) -> np.ndarray[Any, Any]:
    return (np.sin(np.arange(int(seconds * RATE)) * 2 * np.pi * 440 / RATE) * 16000).astype(np.int16)


def test_sound_lies_where_the_wall_clock_says() -> None:
    """Lateness of single chunks moves nothing, and silence takes its time."""
    log = Log()
    log.add(drained(1, np.concatenate([tone(1), np.zeros(RATE, np.int16), tone(1)]), begin_ms=2000))
    sound = log.sound("heard", 1000, 6000)
    loud = np.flatnonzero(np.abs(sound) > 0.1) / SPEECH_RATE
    assert loud[0] == pytest.approx(1.0, abs=0.002)
    assert loud[-1] == pytest.approx(4.0, abs=0.002)
    assert not (np.abs(sound[int(2.1 * SPEECH_RATE) : int(2.9 * SPEECH_RATE)]) > 0.01).any()


def test_a_hole_in_the_samples_does_not_move_what_follows() -> None:
    """A track that was paused for 3 s goes on 3 s later."""
    log = Log()
    log.add(drained(1, tone(3), begin_ms=0))
    log.add(drained(1, tone(3), begin_ms=6000))
    sound = log.sound("heard", 0, 10_000)
    loud = np.abs(sound) > 0.1
    assert loud[: 3 * SPEECH_RATE].mean() > 0.8
    assert loud[int(6.6 * SPEECH_RATE) : int(8.9 * SPEECH_RATE)].mean() > 0.8
    assert loud[int(9.1 * SPEECH_RATE) :].mean() < 0.05


def test_samples_that_go_missing_bit_by_bit_do_not_add_up() -> None:
    """A busy machine that skips 10 ms of every 500 moves no sound by more than what a hole is known by."""
    log = Log()
    sound = np.zeros(20 * RATE, np.int16)
    sound[::RATE] = 30_000  # a click each second
    whole = drained(1, sound + 1, begin_ms=0, late_ms=0)
    track = whole["audio"][0]
    pcm = np.frombuffer(base64.b64decode(track["pcm"]), "<i2").reshape(-1, CHUNK)
    kept = [i for i in range(len(pcm)) if i % 50 != 25]
    track["chunks"] = [track["chunks"][i] for i in kept]
    track["pcm"] = base64.b64encode(pcm[kept].tobytes()).decode()
    log.add(whole)
    clicks = np.flatnonzero(np.abs(log.sound("heard", 0, 21_000)) > 0.1) / SPEECH_RATE
    assert len({round(at) for at in clicks}) == 20
    assert max(abs(at - round(at)) for at in clicks) < 0.045


def test_a_page_that_stands_still_moves_nothing() -> None:
    """Chunks that come 2 s late, and then all at once, are in their places."""
    log = Log()
    whole = drained(1, tone(8), begin_ms=0)
    for chunk in whole["audio"][0]["chunks"]:
        chunk[0] = 5000.0 if 3000 <= chunk[0] < 5000 else chunk[0]
    log.add(whole)
    loud = np.abs(log.sound("heard", 0, 10_000)) > 0.1
    assert loud[: 8 * SPEECH_RATE].mean() > 0.8
    assert not loud[int(8.05 * SPEECH_RATE) :].any()


def test_tracks_of_a_side_are_laid_over_each_other() -> None:
    """A replaced connection brings a new track; the other side's is not mixed in."""
    log = Log()
    log.add(drained(1, tone(1), begin_ms=0))
    log.add(drained(2, tone(1), begin_ms=2000))
    assert (np.abs(log.sound("heard", 0, 3000)) > 0.1).sum() > 1.5 * SPEECH_RATE
    assert not log.sound("spoken", 0, 3000).any()
