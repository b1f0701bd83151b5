"""Loops, the heartbeat, rate limits and short memories: the small parts, with clocks moved by hand."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import ConnectionError as StoreAway

from signaling.limits import Bucket, Buckets
from signaling.loops import Loops
from signaling.pairing import Pairing
from signaling.people import FRESH_S, People
from signaling.presence import Presence
from signaling.ticker import Ticker
from tests.signaling.live_fakes import FakeDirectory


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


async def test_a_failing_loop_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn that fails is followed by another, and stopping ends it."""
    monkeypatch.setattr("signaling.loops.FIRST_PAUSE_S", 0)
    turns: list[int] = []
    enough = asyncio.Event()

    async def turn() -> None:
        turns.append(1)
        if len(turns) == 4:
            enough.set()
            await asyncio.Event().wait()
        raise ValueError

    loops = Loops()
    loops.repeat("test", turn)
    await asyncio.wait_for(enough.wait(), 5)
    await loops.stop()
    assert len(loops) == 0
    loops.repeat("test", turn)
    assert len(loops) == 0


async def test_stopping_ends_what_has_not_begun() -> None:
    """Work that never ran is given up without a trace; failing work is only counted."""
    done: list[str] = []

    async def work() -> None:
        done.append("x")
        raise OSError

    loops = Loops()
    loops.once("test", work)
    await loops.stop()
    assert done == []
    other = Loops()
    other.once("test", work)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert done == ["x"]
    await other.stop()


class FakePairing:
    """Counts beats and ticks; may be away."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.is_away = False
        self.was_out = False
        self.is_out = False

    async def beat(self, _process: str, _lease_ms: int) -> bool:
        if self.is_away:
            raise StoreAway
        self.calls.append("beat")
        return self.was_out

    async def tick(self, _limit: int, _process: str) -> int:
        if self.is_away:
            raise StoreAway
        if self.is_out:
            return -1
        self.calls.append("tick")
        return 0


class FakePresence:
    """Counts what the heartbeat asks for."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    async def attach_all(self) -> None:
        self.calls.append("attach_all")

    async def sweep(self, _now_s: float) -> None:
        self.calls.append("sweep")


async def test_after_an_outage_of_the_store_everybody_beats_before_anybody_is_counted_out() -> None:
    """The first thing after an outage is a beat, and no tick for two leases."""
    pairing, presence, clock = FakePairing(), FakePresence(), Clock()
    ticker = Ticker(cast(Pairing, pairing), cast(Presence, presence), "a", lease_s=5.0, clock=clock)
    await ticker.step()
    assert pairing.calls == ["beat", "tick"]
    clock.now_s += 0.5
    await ticker.step()
    assert pairing.calls == ["beat", "tick", "tick"]
    pairing.is_away = True
    with pytest.raises(StoreAway):
        await ticker.step()
    assert not ticker.is_beating
    pairing.is_away, pairing.was_out = False, True
    pairing.calls.clear()
    for _ in range(19):
        clock.now_s += 0.5
        await ticker.step()
    assert "tick" not in pairing.calls
    assert presence.calls.count("attach_all") == pairing.calls.count("beat")
    clock.now_s += 0.6
    await ticker.step()
    assert pairing.calls[-1] == "tick"
    assert "sweep" in presence.calls


async def test_an_outage_that_nobody_noticed_is_one_too() -> None:
    """When the store says that our own lease has run out, we beat and hold back as after any outage."""
    pairing, clock = FakePairing(), Clock()
    ticker = Ticker(cast(Pairing, pairing), cast(Presence, FakePresence()), "a", lease_s=5.0, clock=clock)
    pairing.is_out = True
    await ticker.step()
    pairing.is_out = False
    clock.now_s += 9.9
    await ticker.step()
    assert set(pairing.calls) == {"beat"}
    clock.now_s += 0.2
    await ticker.step()
    assert pairing.calls[-1] == "tick"


@given(st.lists(st.floats(0, 100), max_size=50))
def test_a_bucket_never_gives_more_than_it_may(pauses: list[float]) -> None:
    """Whatever the rhythm: the burst, and the rate over time."""
    bucket, now_s, taken = Bucket.full(2.0, 5, 0.0), 0.0, 0
    for pause_s in pauses:
        now_s += pause_s
        while (wait_s := bucket.take(now_s)) == 0:
            taken += 1
        assert 0 < wait_s <= 0.5 + 1e-9
    assert taken <= 5 + 2.0 * now_s + 1e-6


def test_buckets_are_forgotten_oldest_first() -> None:
    """A table of buckets has a bound."""
    buckets = Buckets(1.0, 1, kept=2)
    assert buckets.take("a", 0.0) == 0
    assert buckets.take("a", 0.0) > 0
    assert buckets.take("b", 0.0) == 0
    assert buckets.take("c", 0.0) == 0
    assert buckets.take("a", 0.0) == 0
    assert len(buckets._buckets) == 2


async def test_people_are_remembered_for_a_short_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory is asked again after a while, and the memory has a bound."""
    monkeypatch.setattr("signaling.people.KEPT", 2)
    directory, clock = FakeDirectory(), Clock()
    people = People(directory, clock)
    assert await people.person("pat1") is not None
    directory.gone.add("pat1")
    assert await people.person("pat1") is not None
    clock.now_s += FRESH_S
    assert await people.person("pat1") is None
    assert await people.now("pat1") is None
    for person in ("pat2", "pat3", "pat4"):
        await people.person(person)
    assert len(people._known) == 2
