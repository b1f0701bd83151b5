"""The voice's figures, by sounds that were spoilt in known ways."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bench.links import voice as subject
from bench.links.align import HOP, find, lags
from bench.links.assets import SPEECH_RATE, Sound, phrases
from tests.bench.links.voices import Spoken, late

WINDOW_S = 15.0
LEAD = subject.LEAD_MS * SPEECH_RATE // 1000


@pytest.fixture(autouse=True)
def _no_pesq(monkeypatch: pytest.MonkeyPatch) -> None:
    """PESQ is not installed for tests: it is built with a compiler."""
    monkeypatch.setattr(subject, "_pesq", lambda said, heard: 4.0)


def stretched(sound: Sound, step_ms: float) -> tuple[Sound, list[int]]:
    """The end of each second said twice, and by how many samples each second is late for it."""
    extra, out, truth, lag = int(step_ms * SPEECH_RATE / 1000), [], [], 0
    for i in range(0, len(sound) - SPEECH_RATE, SPEECH_RATE):
        second = sound[i : i + SPEECH_RATE]
        truth.append(lag)
        out += [second, second[-extra:]] if extra else [second]
        lag += extra
    return np.concatenate(out), truth


@pytest.mark.parametrize(("start_s", "step_ms", "loss"), [(0.5, 0, 0), (1, 20, 0), (3, 40, 0), (2, 20, 0.1)])
def test_a_lag_that_changes_is_found(start_s: float, step_ms: float, loss: float) -> None:
    """Whatever the start and the stretching, also with a tenth of the frames missing."""
    said = Spoken(1).sound
    draws = np.random.default_rng(1)
    spoilt, truth = stretched(said, step_ms)
    frames = spoilt[: len(spoilt) // 320 * 320].reshape(-1, 320).copy()
    frames[draws.random(len(frames)) < loss] = 0
    found = lags(said, late(frames.reshape(-1), start_s))
    start = int(start_s * SPEECH_RATE)
    seconds = [i for i in range(len(truth)) if found.recognised[2 * i]]
    errors_ms = [abs(int(found.samples[2 * i]) - start - truth[i]) * 1000 / SPEECH_RATE for i in seconds]
    assert len(seconds) > 0.8 * len(truth)
    assert float(np.median(errors_ms)) <= 1
    assert max(errors_ms) <= step_ms + 1


def test_another_voice_is_not_taken_for_it() -> None:
    """Chance alone recognises next to nothing."""
    found = lags(Spoken(1).sound, late(Spoken(2).sound, 1))
    assert np.mean(found.recognised) < 0.1


def test_a_piece_is_found_where_it_is() -> None:
    """To the sample, and not in silence."""
    sound = Spoken(3).sound
    piece = sound[20_000:40_000]
    assert find(piece, sound) == (20_000, pytest.approx(1, abs=1e-3))
    assert find(piece, np.zeros(60_000, np.float32)) == (0, 0.0)


def measured(spoil: Any = None, lag_s: float = 0.4) -> dict[str, Any]:
    """What `voice` says of a call in which the capture is perfect and the heard sound was spoilt."""
    reference = Spoken(4)
    said = np.concatenate([reference.sound, reference.sound])[: LEAD + int((WINDOW_S + 1) * SPEECH_RATE)]
    heard = said.copy()
    if spoil:
        spoil(heard)
    heard = late(heard, lag_s)
    return subject.voice(reference, said, heard, lags(said, heard), WINDOW_S)


def test_a_perfect_voice_is_perfect() -> None:
    """All of it is understood, as late as it was, without a gap."""
    found = measured()
    assert found["stoi"] > 0.99
    assert found["lag_ms"] == pytest.approx(400, abs=2)
    assert found["longest_gap_ms"] == 0
    assert found["clear_pct"] == 100
    assert found["phrases"] >= 3


def test_missing_sound_is_a_gap_as_long() -> None:
    """400 ms cut out of a phrase are seen as that, to a frame or two, and understood less."""

    def cut(heard: Sound) -> None:
        begin, _ = next(p for p in Spoken(4).phrases if p[0] > LEAD)
        heard[begin + SPEECH_RATE : begin + SPEECH_RATE + 6400] = 0

    found = measured(cut)
    assert found["longest_gap_ms"] == pytest.approx(400, abs=45)
    assert found["stoi"] < 0.99


def test_a_gap_over_several_phrases_counts_the_pauses_between() -> None:
    """A cut of 8 s is one silence of about 8 s."""

    def cut(heard: Sound) -> None:
        heard[LEAD + 2 * SPEECH_RATE : LEAD + 10 * SPEECH_RATE] = 0

    assert measured(cut)["longest_gap_ms"] == pytest.approx(8000, abs=800)


def test_silence_is_not_understood() -> None:
    """Nothing is recognised, and no lag is told."""
    found = measured(lambda heard: heard.fill(0))
    assert found["stoi"] < 0.2
    assert found["lag_ms"] is None
    assert found["recognised_pct"] == 0


def test_a_speaker_who_was_not_captured_is_not_measured() -> None:
    """There is nothing to compare with."""
    nothing = np.zeros(20 * SPEECH_RATE, np.float32)
    assert subject.voice(Spoken(4), nothing, nothing, lags(nothing, nothing), WINDOW_S) == {}


def test_lag_over_time_is_told_where_there_is_speech() -> None:
    """A series for a plot."""
    said = Spoken(5).sound
    series = subject.lag_series(lags(said, late(said, 0.25)))
    assert {round(lag / 10) for _, lag in series} == {25}
    assert len(series) > 0.7 * len(said) / HOP


def test_speech_is_cut_at_its_pauses() -> None:
    """Each phrase is found, none longer than the longest."""
    spoken = Spoken(6)
    found = phrases(spoken.sound)
    assert len(found) == len(spoken.phrases)
    assert all(1.2 * SPEECH_RATE <= len(phrase) <= 5.1 * SPEECH_RATE for phrase in found)


def test_pesq_tells_good_from_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is installed: a clean phrase is near the top, silence counts the lowest."""
    pytest.importorskip("pesq")
    monkeypatch.undo()
    sound = Spoken(7).sound[: 4 * SPEECH_RATE]
    assert (subject._pesq([sound], [sound]) or 0) > 4
    assert subject._pesq([sound], [np.zeros_like(sound)]) == 1.0
