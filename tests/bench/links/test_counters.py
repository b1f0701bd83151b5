"""Counters over a window."""

from __future__ import annotations

from typing import Any

import pytest

from bench.links import counters
from bench.links.log import Log


def stats(at_ms: float, **inbound: Any) -> list[Any]:
    audio = {"type": "inbound-rtp", "kind": "audio", "id": "IA", "codecId": "C"} | inbound
    return [at_ms, 0, [audio, {"type": "codec", "id": "C", "mimeType": "audio/opus"}]]


def test_only_the_window_counts() -> None:
    """What was concealed before and after is left out."""
    log = Log()
    for second, concealed in enumerate((0, 900, 900, 1000, 5000)):
        log.stats.append(stats(second * 1000, totalSamplesReceived=second * 1000, concealedSamples=concealed))
    found = counters.rtp(log, 1000, 3000)
    assert found["concealed_pct"] == 5.0
    assert found["audio_codec"] == "opus"


def test_a_browser_that_could_not_keep_up_is_seen() -> None:
    """The share of the window in which the CPU limited an encoder."""
    log = Log()
    for second in range(11):
        video = {"type": "outbound-rtp", "kind": "video", "id": "OV", "qualityLimitationDurations": {"cpu": second / 2}}
        log.stats.append([second * 1000, 0, [video]])
    assert counters.rtp(log, 0, 10_000)["cpu_limited"] == 0.5


def link(at_ms: float, sent_bytes: int, dropped: int = 0) -> tuple[float, dict[str, Any]]:
    return at_ms, {"up": {"sent_bytes": sent_bytes, "queue_dropped": dropped, "lost": 0}}


def test_what_was_sent_into_the_link() -> None:
    """As a rate over the window, with what the queue dropped."""
    samples = [link(second * 1000.0, second * 1000, second) for second in range(20)]
    found = counters.link(samples, "up", 5000, 15_000)
    assert found == {"sent_kbps": 8.0, "queue_dropped": 10, "link_lost": 0}
    assert counters.kbps_series(samples, "up", 5000)[0] == [-4.0, 8.0]


@pytest.mark.parametrize(
    ("kbps", "took_s"), [([500, 500, 500, 60, 60], 1.5), ([500, 60, 60, 60, 60], 0.5), ([500] * 5, 2.5)]
)
def test_how_long_a_step_down_takes(kbps: list[float], took_s: float) -> None:
    """Until what is sent fits for two readings; to the series' end where it never does."""
    series = [[0.5 * (i + 1), value] for i, value in enumerate(kbps)]
    assert counters.step_down_s(series, [(0.0, 64)]) == took_s
    assert counters.step_down_s(series, [(50.0, 64)]) is None


def page(*rows: tuple[float, int | None, list[str]]) -> Log:
    log = Log()
    log.page = [[at * 1000, rung, ids, "connected"] for at, rung, ids in rows]
    return log


def test_rungs_are_told_by_their_changes() -> None:
    """Not second by second; a page that shows none tells none."""
    log = page((0, None, []), (1, 3, []), (2, 3, []), (3, 1, []), (4, 1, []))
    assert counters.rungs(log, 2000) == [[-1.0, 3], [1.0, 1]]


def test_a_rise_that_is_taken_back_is_a_flap() -> None:
    """Within ten seconds; later it was a new fall of the link, and before the window it does not count."""
    assert counters.flaps([[0, 1], [5, 2], [8, 1], [40, 2], [60, 1]], 0) == 1
    assert counters.flaps([[-9, 1], [-5, 2], [-3, 1], [40, 2]], 0) == 0


def test_stills_and_the_longest_wait_for_one() -> None:
    """The same one again is no new one, and the window's ends count."""
    log = page((11, 2, ["a"]), (12, 2, ["a"]), (18, 2, ["b"]), (19, 2, []), (20, 2, ["b"]))
    assert counters.stills(log, 10_000, 25_000) == {"stills": 2, "still_gap_s": 7.0}
    assert counters.stills(page((11, 2, [])), 10_000, 25_000) == {"stills": 0, "still_gap_s": None}


def test_pictures_by_the_second() -> None:
    """A point for each second from before the window."""
    assert counters.fps_series([1100, 1200, 2500], 2000, -1, 1) == [[-1.0, 2.0], [0.0, 1.0]]
