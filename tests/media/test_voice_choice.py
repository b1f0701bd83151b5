"""The voice: safe at once, rich with patience, and hardly ever to and fro."""

from __future__ import annotations

import random

import pytest

from media.control import AudioShape
from media.shapes import voice_bps
from media.voice_choice import CHANGE_EVERY_S, RED_OFF_AFTER_S, RICHER_AFTER_S, VoiceChoice


def told(choice: VoiceChoice, from_s: float, seconds: float, kbps: float, loss: float = 0.0, concealed: float = 0.0):  # type: ignore[no-untyped-def]
    """Look five times a second; return each change with its time."""
    changes: list[tuple[float, AudioShape]] = []
    for tick in range(round(seconds * 5)):
        before, now_s = choice.shape, from_s + tick / 5
        if choice.step(now_s, kbps * 1000, kbps * 1000, loss, concealed) != before:
            changes.append((now_s, choice.shape))
    return changes


@pytest.mark.parametrize(
    ("kbps", "loss", "frame_ms", "bitrate_bps", "red"),
    [(1000, 0, 20, 32_000, False), (200, 0, 40, 24_000, False), (100, 0, 60, 16_000, False),
     (30, 0, 120, 12_000, False), (500, 0.05, 20, 32_000, True), (64, 0.05, 60, 12_000, True),
     (45, 0.05, 60, 12_000, True), (38, 0.05, 120, 12_000, True),
     (20, 0.05, 120, 12_000, False), (1000, 0.3, 20, 24_000, True), (350, 0.3, 20, 16_000, True)],
)  # fmt: skip
def test_begins_as_the_link_is(kbps: int, loss: float, frame_ms: int, bitrate_bps: int, red: bool) -> None:
    """Rate picks the richness, loss the protection, and what does not fit goes unprotected."""
    shape = VoiceChoice(0.0, kbps * 1000, loss).shape
    assert (shape.frame_ms, shape.bitrate_bps, shape.red) == (frame_ms, bitrate_bps, red)
    if kbps >= 25:
        assert voice_bps(shape) <= kbps * 1000


def test_gives_way_at_once_and_comes_back_with_patience() -> None:
    """A link that became thin gets the thin voice at the next look; a wide one waits ten seconds for the rich one."""
    choice = VoiceChoice(0.0, 1e6, 0.0)
    changes = told(choice, 1.0, 1.0, 30)
    assert [(at_s, shape.frame_ms) for at_s, shape in changes] == [(1.0, 120)]
    back = told(choice, 2.0, 60, 1000)
    assert [shape.frame_ms for _, shape in back] == [20]
    assert back[0][0] - 1.0 >= max(CHANGE_EVERY_S, RICHER_AFTER_S)


def test_dip_of_a_second_changes_nothing() -> None:
    """An estimate that is below the voice for a second is a queue that drains."""
    choice = VoiceChoice(0.0, 64_000, 0.05)
    told(choice, 0.0, 20, 60, 0.05)
    assert told(choice, 20.0, 1.0, 38, 0.05) == []
    assert told(choice, 21.0, 5.0, 60, 0.05) == []


def test_one_per_cent_is_worth_a_thinner_protected_voice_and_less_is_not() -> None:
    """Two packets lost within seconds now and then are not one per cent; when it is that, protection comes."""
    choice = VoiceChoice(0.0, 100_000, 0.0)
    for begin_s in range(0, 60, 20):
        assert told(choice, begin_s, 2, 100, 0.025) == []
        assert told(choice, begin_s + 2, 18, 100, 0.0) == []
    assert [shape.red for _, shape in told(choice, 60.0, 30, 100, 0.01)] == [True]


def test_protection_comes_soon_and_stays_a_while() -> None:
    """From 3 % loss on RED within ten seconds, from 5 % within two; off half a minute after the loss."""
    choice = VoiceChoice(0.0, 80_000, 0.0)
    on = told(choice, 0.0, 12, 80, 0.03)
    assert [shape.red for _, shape in on] == [True]
    assert told(choice, 12.0, 27, 80, 0.005) == []
    off = told(choice, 39.0, 60, 80, 0.005)
    assert [shape.red for _, shape in off] == [False]
    assert off[0][0] - 12 >= RED_OFF_AFTER_S
    again = told(choice, 110.0, 4, 80, 0.06)
    assert again[0][1].red
    assert again[0][0] - 110 < 2


def test_what_listeners_miss_counts_as_loss() -> None:
    """Reported concealment turns protection on at less loss than it takes else, and not where nothing is lost."""
    lossy, clean = VoiceChoice(0.0, 100_000, 0.012), VoiceChoice(0.0, 100_000, 0.0)
    assert [shape.red for _, shape in told(lossy, 0.0, 30, 100, 0.012, 0.05)] == [True]
    assert told(clean, 0.0, 30, 100, 0.0, 0.05) == []


def test_one_per_cent_is_worth_protection_where_there_is_room() -> None:
    """At 1 % loss a direction of 120 kbit/s takes up RED and keeps it; one of 64 kbit/s keeps its room for stills."""
    roomy, thin = VoiceChoice(0.0, 120_000, 0.0), VoiceChoice(0.0, 64_000, 0.0)
    assert [shape.red for _, shape in told(roomy, 0.0, 120, 120, 0.01)] == [True]
    assert told(thin, 0.0, 120, 64, 0.01) == []


def test_what_is_not_proven_makes_no_richer_voice() -> None:
    """An estimate that nothing was sent for changes nothing."""
    choice = VoiceChoice(0.0, 60_000, 0.0)
    for tick in range(600):
        choice.step(tick / 5, 900_000, 90_000, 0.0, 0.0)
    assert choice.shape.frame_ms == 60


def test_restless_link_has_few_changes() -> None:
    """On a link that is rich and poor every few seconds the wait for the rich voice doubles."""
    choice = VoiceChoice(0.0, 500_000, 0.0)
    chance = random.Random(5)
    changes = []
    for at_s in range(0, 600, 20):
        changes += told(choice, float(at_s), 16, 500 + chance.random() * 100)
        changes += told(choice, at_s + 16.0, 4, 50)
    assert len(changes) <= 12
