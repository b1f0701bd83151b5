"""What bursts say of a link: spread by a full one, unchanged by one with room, nothing where chance is larger."""

from __future__ import annotations

import random

import pytest

from media.dispersion import Dispersion


def burst(
    bursts: Dispersion,
    *,
    link_bps: float,
    sent_bps: float,
    packets: int = 6,
    from_s: float = 0.0,
    jitter_s: float = 0.0,
    chance: random.Random | None = None,
) -> None:
    """Send packets of 1000 bytes at a rate through a link of another."""
    free_s = last_s = 0.0
    for index in range(packets):
        sent_s = from_s + index * 8_000 / sent_bps
        free_s = max(free_s, sent_s) + 8_000 / link_bps
        last_s = max(last_s, free_s + (chance.uniform(0, 2 * jitter_s) if chance else 0.0))
        bursts.add(sent_s, 70.0 + last_s, 1000, jitter_s)
    bursts.end(jitter_s)


def test_a_full_link_is_measured_by_what_it_spreads() -> None:
    """A keyframe at twice the link's rate comes at the link's rate."""
    bursts = Dispersion()
    burst(bursts, link_bps=128_000, sent_bps=260_000)
    assert bursts.full_bps == pytest.approx(128_000, rel=0.02)
    assert bursts.through_bps is None


def test_a_link_with_room_shows_how_much_at_least() -> None:
    """A burst that comes as it left proves its own rate, and says nothing of more."""
    bursts = Dispersion()
    burst(bursts, link_bps=2_000_000, sent_bps=260_000)
    assert bursts.full_bps is None
    assert bursts.through_bps == pytest.approx(260_000, rel=0.02)


@pytest.mark.parametrize("at", [1, 3, 5])
def test_a_pause_is_no_thin_link(at: int) -> None:
    """A burst that somebody held up for 0.15 s, at whatever packet, says nothing of what the link carries."""
    bursts = Dispersion()
    for index in range(6):
        sent_s = index * 8_000 / 800_000
        bursts.add(sent_s, 70.0 + sent_s + (0.15 if index >= at else 0.0), 1000, 0.005)
    bursts.end(0.005)
    assert bursts.full_bps is None
    assert not bursts.spread


def test_jitter_makes_no_link_too_thin() -> None:
    """Of several bursts the fastest counts: with 25 ms of jitter a link is not taken for less than nine tenths."""
    bursts, chance = Dispersion(), random.Random(3)
    for index in range(3):
        burst(bursts, link_bps=128_000, sent_bps=300_000, packets=8, from_s=10.0 * index, jitter_s=0.025, chance=chance)
    assert bursts.full_bps is not None
    assert 0.9 * 128_000 < bursts.full_bps < 1.25 * 128_000


def test_short_bursts_say_nothing() -> None:
    """Three packets, small ones, or what comes within the link's jitter are no measurement."""
    bursts = Dispersion()
    burst(bursts, link_bps=128_000, sent_bps=300_000, packets=3)
    burst(bursts, link_bps=3_000_000, sent_bps=9_000_000, from_s=5.0, jitter_s=0.03)
    for index, came_s in enumerate((0.0, 0.011, 0.028, 0.04, 0.062)):  # jitter of a good link
        bursts.add(9 + index * 0.01, 79 + came_s, 1000, 0.004)
    bursts.end(0.004)
    for index in range(20):
        bursts.add(20 + index * 0.02, 90 + index * 0.03, 90, 0.0)
    bursts.end(0.0)
    assert bursts.full_bps is None
    assert bursts.through_bps is None


def test_a_burst_that_waited_behind_others_proves_nothing() -> None:
    """The first packet came late, so the rest seem to have come fast: that is not the link's rate."""
    bursts = Dispersion()
    for index in range(6):
        bursts.add(index * 0.05, 70.0 + max(0.15, index * 0.05), 1000, 0.0)
    bursts.end(0.0)
    assert bursts.through_bps is None


def test_a_link_that_carries_more_than_before_is_believed() -> None:
    """What comes through above the old limit ends it."""
    bursts = Dispersion()
    burst(bursts, link_bps=128_000, sent_bps=260_000)
    burst(bursts, link_bps=2_000_000, sent_bps=260_000, from_s=9.0)
    assert bursts.full_bps is None
