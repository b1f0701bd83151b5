"""What a source knows of its packets when copies of them come before they are missed."""

from __future__ import annotations

from typing import cast

from media.ahead import Ahead
from media.streams import MOST_AHEAD, End, Owner, Source

NOBODY = cast(Owner, None)


def _source() -> Source:
    source = Source(End(NOBODY, 0.0), video=True)
    source.reception.received(10, 0, 0.0)
    return source


def test_a_copy_that_was_asked_for_ahead_is_news() -> None:
    """It is the packet itself, as long as that has not come; and then it is no longer missing."""
    source = _source()
    assert not source.is_news(11)  # nothing was asked for
    source.ahead = Ahead()
    assert source.is_news(11)
    assert source.history is not None
    source.history.put(11, b"\x80\x60\x00\x0b")
    assert not source.is_news(11)
    source.note_gap(11, 2, 1.0)
    assert source.missing.due(1.0, 0.1) == [12]


def test_a_large_gap_costs_no_more_than_a_small_one() -> None:
    """A sender that jumps by thousands with each packet does not keep the worker busy with looking for copies."""
    source = _source()
    looked = 0

    class Counting:
        def get(self, _sequence: int) -> None:
            nonlocal looked
            looked += 1

    source.history = Counting()  # type: ignore[assignment]
    source.note_gap(11, 60_000, 1.0)
    assert looked <= MOST_AHEAD


def test_what_is_far_ahead_or_past_is_no_news() -> None:
    """Only numbers that may just have been asked for are taken."""
    source = _source()
    source.ahead = Ahead()
    assert not source.is_news(10)
    assert not source.is_news(9)
    assert not source.is_news(1_000)
