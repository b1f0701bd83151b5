"""The first idea of a round trip: taken once, and not from a handshake of which something was sent twice."""

from __future__ import annotations

import pytest

from media.flight import Flight


def test_the_first_answer_tells_the_round_trip_once() -> None:
    """From the first datagram of the flight to the first that answers; later ones tell nothing."""
    flight = Flight()
    assert flight.answered(1.0) is None
    flight.left(2.0)
    flight.left(2.01)
    assert flight.answered(2.6) == pytest.approx(0.6)
    flight.left(2.61)
    assert flight.answered(3.0) is None


def test_a_flight_that_was_repeated_tells_nothing() -> None:
    """On a link that loses, the answer to the second try would make the round trip seem seconds long."""
    flight = Flight()
    flight.left(2.0)
    flight.left(3.0)
    assert flight.answered(3.1) is None
