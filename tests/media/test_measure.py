"""What a link will carry, as told before a call."""

from __future__ import annotations

import pytest

from media.controller import Way
from media.measure import MEASURE_FOR_S, TOLD_EVERY_S, Measurement, rung_of

GOOD = Way(2_000_000, True, rtt_s=0.1)
UNKNOWN = Way(100_000, False)


@pytest.mark.parametrize(
    ("rate_bps", "loss", "rungs"),
    [
        (8_000, 0.0, {0}),
        (24_000, 0.0, {1}),
        (64_000, 0.05, {1, 2}),
        (128_000, 0.01, {4}),
        (400_000, 0.0, {5}),
    ],
)
def test_rates_mean_rungs(rate_bps: int, loss: float, rungs: set[int]) -> None:
    """A rate is told as what a person will get of it."""
    assert rung_of(rate_bps, loss) in rungs


def test_nothing_is_told_before_something_is_known() -> None:
    """A starting value is not a measure."""
    measurement = Measurement(0.0)
    assert measurement.look(1.0, UNKNOWN, UNKNOWN, rtt_s=None) is None


def test_each_direction_is_told_when_it_is_known() -> None:
    """First what is known, then the rest, and in the end that there is no more."""
    measurement = Measurement(0.0)
    first = measurement.look(1.0, UNKNOWN, GOOD, rtt_s=0.1)
    assert first is not None
    assert (first.up_bps, first.down_bps, first.rtt_ms, first.final) == (None, 2_000_000, 100, False)
    assert measurement.look(1.5, GOOD, GOOD, rtt_s=0.1) is None
    second = measurement.look(1.0 + TOLD_EVERY_S, GOOD, GOOD, rtt_s=0.1)
    assert second is not None
    assert second.rung_up == 5
    last = measurement.look(MEASURE_FOR_S, GOOD, GOOD, rtt_s=0.1)
    assert last is not None
    assert last.final
    assert measurement.over
    assert measurement.look(MEASURE_FOR_S + 5, GOOD, GOOD, rtt_s=0.1) is None


def test_the_same_is_not_told_twice() -> None:
    """Small changes are no news."""
    measurement = Measurement(0.0)
    assert measurement.look(1.0, GOOD, GOOD, rtt_s=0.1) is not None
    assert measurement.look(5.0, Way(2_100_000, True), GOOD, rtt_s=0.1) is None
    assert measurement.look(5.0, Way(900_000, True), GOOD, rtt_s=0.1) is not None
