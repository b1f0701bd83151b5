"""Feeding the journal: at least once, in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from signaling.deadlines import Deadlines
from signaling.journal import GROUP, JournalFeed, visit_event
from signaling.loops import Loops
from signaling.pairing import Pairing
from signaling.store import Store
from tests.signaling.live_fakes import FakeJournal


class Feeds:
    """Feeds of several processes into one journal."""

    def __init__(self, store: Store) -> None:
        self.store, self.journal = store, FakeJournal()
        self.pairing = Pairing(store.client, "test", Deadlines())

    def feed(self, process: str) -> JournalFeed:
        """The feed of one process."""
        return JournalFeed(self.store.client, self.store.blocking(2), self.pairing.prefix, process, self.journal)

    async def pending(self) -> int:
        """How many entries are read and not acknowledged."""
        return int((await self.store.client.xpending(self.pairing.prefix + "ev", GROUP))["pending"])


@pytest.fixture
async def feeds(store: Store) -> Feeds:
    """Feeds on each kind of store."""
    return Feeds(store)


@pytest.fixture
async def loops() -> AsyncIterator[Loops]:
    """Background work that ends with the test."""
    running = Loops()
    yield running
    await running.stop()


async def test_what_was_there_before_is_recorded_too(feeds: Feeds, loops: Loops) -> None:
    """The first feed starts from the beginning of the stream."""
    await feeds.pairing.join("pat1", "a", visit="v1", reason="tos", data={"reason": "tos"})
    await feeds.pairing.patient_leave("pat1")
    loops.repeat("journal", feeds.feed("a").turn)
    await feeds.journal.kinds("joined", "ended")
    joined, ended = feeds.journal.events
    assert (joined.visit, joined.patient, joined.nurse, joined.data) == ("v1", "pat1", None, {"reason": "tos"})
    assert (ended.detail, ended.data) == ("left", {})
    assert joined.id < ended.id


async def test_a_journal_that_fails_gets_it_again_in_order(feeds: Feeds, loops: Loops) -> None:
    """Nothing overtakes an event that could not be recorded, and nothing stays behind."""
    feeds.journal.failures = 3
    loops.repeat("journal", feeds.feed("a").turn)
    await feeds.pairing.join("pat1", "a", visit="v1")
    await feeds.pairing.patient_leave("pat1")
    await feeds.pairing.join("pat1", "a", visit="v2")
    await feeds.journal.kinds("joined", "ended", "joined")
    async with asyncio.timeout(5):
        while await feeds.pending():
            await asyncio.sleep(0.01)


async def test_what_a_dead_reader_left_behind_is_recorded_by_the_next(feeds: Feeds) -> None:
    """A process that read and died before recording has lost nothing."""
    dead, heir = feeds.feed("a"), feeds.feed("b")
    await feeds.pairing.join("pat1", "a", visit="v1")
    feeds.journal.failures = 1
    await dead.turn()  # looks for what was left behind
    with suppress(OSError):
        await dead.turn()
    assert await feeds.pending() == 1
    await dead.release()
    await heir.turn()
    assert [event.kind for event in feeds.journal.events] == ["joined"]
    assert await feeds.pending() == 0


async def test_one_process_at_a_time(feeds: Feeds, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one has the lease the others wait, so the order of a visit holds."""
    monkeypatch.setattr("signaling.journal.LEASE_S", 0.05)
    first, second = feeds.feed("a"), feeds.feed("b")
    await feeds.pairing.join("pat1", "a", visit="v1")
    await first.turn()
    await feeds.store.client.persist(feeds.pairing.prefix + "jl")
    await second.turn()
    assert await feeds.store.client.get(feeds.pairing.prefix + "jl") == "a"
    assert feeds.journal.events == []


async def test_an_entry_that_never_can_be_recorded_is_set_aside(feeds: Feeds, monkeypatch: pytest.MonkeyPatch) -> None:
    """After enough tries those behind it get through, and it is kept apart."""
    monkeypatch.setattr("signaling.journal.MAX_TRIES", 2)
    feeds.journal.failures = 2
    feed = feeds.feed("a")
    await feeds.pairing.join("pat1", "a", visit="v1")
    await feed.turn()
    with suppress(OSError):
        await feed.turn()
    await feed.turn()
    assert feeds.journal.events == []
    aside = await feeds.store.client.xrange(feeds.pairing.prefix + "ev:aside")
    assert aside[0][1]["v"] == "v1"
    assert await feeds.pending() == 0


@pytest.mark.parametrize(
    ("fields", "known"),
    [
        ({"e": "queued", "v": "v1"}, False),
        ({"e": "joined", "v": ""}, False),
        ({}, False),
        ({"e": "ended", "v": "v1", "p": "pat1", "n": "", "g": "", "t": "5", "x": "lost"}, True),
    ],
)
def test_only_transitions_of_visits_are_events(fields: dict[str, str], known: bool) -> None:
    """What is not about a visit is not for the journal."""
    assert (visit_event("1-0", fields) is not None) == known


@pytest.mark.parametrize("fields", [{"e": "joined", "v": "v", "p": "p", "t": "x"}, {"e": "joined", "v": "v", "x": "{"}])
def test_a_damaged_entry_is_an_error(fields: dict[str, str]) -> None:
    """It is counted and passed over by the feed."""
    with pytest.raises((ValueError, KeyError)):
        visit_event("1-0", fields)
