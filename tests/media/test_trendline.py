"""Overuse seen in the slope of the delay."""

from __future__ import annotations

import random

import pytest

from media.trendline import MAX_THRESHOLD_MS, MIN_THRESHOLD_MS, Trend


def _feed(trend: Trend, groups: int, *, every_s: float, grows: float, jitter_s: float = 0.0) -> int:
    """Send a group each `every_s` while the delay grows by `grows` seconds a second; returns how often it rose."""
    noise = random.Random(4)
    rose = 0
    arrived_s = 0.0
    for number in range(groups):
        sent_s = number * every_s
        arrived_s = max(arrived_s, 100 + sent_s + grows * number * every_s + abs(noise.gauss(0, jitter_s)))
        trend.add(sent_s, arrived_s)
        trend.judge(sent_s)
        rose += trend.rising
    return rose


def test_a_steady_delay_is_neither() -> None:
    """Packets that arrive as they were sent show no slope."""
    trend = Trend()
    assert _feed(trend, 200, every_s=0.02, grows=0.0) == 0
    assert not trend.falling


@pytest.mark.parametrize("every_s", [0.006, 0.02, 0.06, 0.12])
def test_a_growing_delay_rises(every_s: float) -> None:
    """A fifth more than goes through is noticed at any packet rate."""
    trend = Trend()
    _feed(trend, 60, every_s=every_s, grows=0.2)
    assert trend.rising


def test_a_shrinking_delay_falls() -> None:
    """A queue that empties is told from one that is empty."""
    trend = Trend()
    _feed(trend, 40, every_s=0.02, grows=-0.2)
    assert trend.falling
    assert not trend.rising


@pytest.mark.parametrize("jitter_s", [0.025, 0.04])
def test_jitter_is_rarely_overuse(jitter_s: float) -> None:
    """Voice with the jitter of a radio link seldom looks like a queue; the standing queue decides then."""
    assert _feed(Trend(), 1000, every_s=0.06, grows=0.0, jitter_s=jitter_s) < 50


def test_the_threshold_stays_in_its_bounds() -> None:
    """However wild the slopes, the threshold stays between its limits."""
    trend = Trend()
    noise = random.Random(2)
    for number in range(2000):
        trend.add(number * 0.02, number * 0.02 + noise.random() * 3)
        trend.judge(number * 0.02)
        assert MIN_THRESHOLD_MS <= trend._threshold_ms <= MAX_THRESHOLD_MS


def test_a_picture_sent_at_once_is_one_group() -> None:
    """Packets of one picture that the link spreads out are no growing queue."""
    trend = Trend()
    for picture in range(100):
        for packet in range(5):
            trend.add(picture * 0.05 + packet * 0.0005, picture * 0.05 + packet * 0.008)
        trend.judge(picture * 0.05)
        assert not trend.rising


def test_a_burst_released_by_the_radio_is_one_group() -> None:
    """Packets held back together and released at once are no sign of a queue."""
    trend = Trend()
    for number in range(400):
        trend.add(number * 0.01, (number // 4 + 1) * 0.04 + number % 4 * 0.0005)
        trend.judge(number * 0.01)
        assert not trend.rising


def test_a_pause_begins_anew() -> None:
    """What the delay did before a pause of seconds is forgotten."""
    trend = Trend()
    _feed(trend, 60, every_s=0.02, grows=0.3)
    assert trend.rising
    trend.add(50.0, 500.0)
    assert not trend.rising
