"""Visits are remembered once, however often and by however many their events are delivered."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime

import pytest

from server.database import Database
from server.visits import Visits
from signaling.ports import VisitEvent, VisitEventKind

T0_MS = 1_795_500_000_000


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp((T0_MS + ms) / 1000, UTC)


def _event(number: int, kind: VisitEventKind, *, nurse: str | None = None, detail: str = "", **data: str) -> VisitEvent:
    return VisitEvent(
        id=f"{T0_MS + number}-{number}", at_ms=T0_MS + number * 1000, kind=kind, visit="v1", patient="p1", nurse=nurse,
        generation=number, detail=detail, data=data,
    )  # fmt: skip


JOINED = _event(
    0, "joined", reason="Presión", languages="es,en", consent_version="2026-1", consent_language="es-MX",
    consent_at_ms=str(T0_MS - 5000),
)  # fmt: skip
VISIT = [
    JOINED,
    _event(1, "offered", nurse="n1"),
    _event(2, "timed_out", nurse="n1"),
    _event(3, "offered", nurse="n2"),
    _event(4, "accepted", nurse="n2"),
    _event(5, "connected", nurse="n2"),
    _event(6, "interrupted", nurse="n2", detail="patient"),
    _event(7, "resumed", nurse="n2"),
    _event(8, "ended", nurse="n2", detail="done"),
]


async def _assert_whole(visits: Visits) -> None:
    visit = await visits.visit("v1")
    assert visit is not None
    assert (visit.programme, visit.patient_id, visit.nurse_id) == ("migrantes", "p1", "n2")
    assert (visit.reason, visit.languages) == ("Presión", ["es", "en"])
    assert (visit.consent_version, visit.consent_language, visit.consented_at) == ("2026-1", "es-MX", _at(-5000))
    assert (visit.started_at, visit.offered_at, visit.accepted_at) == (_at(0), _at(1000), _at(4000))
    assert (visit.connected_at, visit.ended_at, visit.end_reason) == (_at(5000), _at(8000), "done")
    timeline = await visits.timeline("v1")
    assert [(row.id, row.kind, row.nurse_id, row.detail) for row in timeline] == [
        (event.id, event.kind, event.nurse, event.detail) for event in VISIT
    ]


@pytest.fixture
def visits(database: Database) -> Visits:
    """The journal on each kind of database."""
    return Visits(database, "migrantes")


async def test_a_visit_is_remembered_whole(visits: Visits) -> None:
    """Who, why, with what consent, each stage's first time, how it ended, and every transition."""
    for event in VISIT:
        await visits.record(event)
    await _assert_whole(visits)


async def test_events_delivered_again_change_nothing(visits: Visits) -> None:
    """Repeats at once, late, and all over again leave the visit as it was."""
    repeats = random.Random(7)
    for number, event in enumerate(VISIT):
        await visits.record(event)
        for again in repeats.choices(VISIT[: number + 1], k=3):
            await visits.record(again)
    for event in VISIT:
        await visits.record(event)
    await _assert_whole(visits)


async def test_two_processes_may_deliver_the_same_event_at_once(visits: Visits) -> None:
    """The one that comes second finds it done, and does not fail."""
    for event in VISIT:
        await asyncio.gather(*(visits.record(event) for _ in range(4)))
    await _assert_whole(visits)


async def test_a_nurse_who_never_connected_is_not_the_nurse_of_the_visit(visits: Visits) -> None:
    """A failed connection gives the patient back to the line; the next acceptance counts."""
    for event in (
        JOINED,
        _event(1, "accepted", nurse="n1"),
        _event(2, "connect_failed", nurse="n1"),
        _event(3, "requeued"),
    ):
        await visits.record(event)
    visit = await visits.visit("v1")
    assert visit is not None
    assert (visit.nurse_id, visit.accepted_at) == (None, None)
    await visits.record(_event(4, "accepted", nurse="n2"))
    visit = await visits.visit("v1")
    assert visit is not None
    assert (visit.nurse_id, visit.accepted_at) == ("n2", _at(4000))


async def test_a_visit_whose_joining_was_lost_is_still_remembered(visits: Visits) -> None:
    """An event of an unknown visit begins it."""
    await visits.record(_event(4, "accepted", nurse="n2"))
    visit = await visits.visit("v1")
    assert visit is not None
    assert (visit.started_at, visit.nurse_id, visit.consent_version) == (_at(4000), "n2", None)


async def test_text_that_a_database_refuses_does_not_come_again_for_ever(visits: Visits) -> None:
    """NUL, a lone surrogate and too long a text are mended, not raised."""
    await visits.record(_event(0, "joined", reason="a\0b\ud800" + "x" * 500, consent_at_ms="9" * 40))
    visit = await visits.visit("v1")
    assert visit is not None
    assert visit.reason.startswith("ab?xx")
    assert len(visit.reason) == 200
    assert visit.consented_at is None
    await visits.outcome("v1", "n1", "guidance", "c\0d")
    assert (await visits.chosen("v1")).note == "cd"  # type: ignore[union-attr]


async def test_the_outcome_may_come_first_and_again(visits: Visits) -> None:
    """It does not wait for the visit's events; the same nurse may change it, nobody else."""
    await visits.outcome("v1", "n2", "guidance", "")
    await visits.outcome("v1", "n2", "guidance", "")
    await visits.outcome("v1", "n1", "emergency", "not mine")
    chosen = await visits.chosen("v1")
    assert chosen is not None
    assert (chosen.nurse_id, chosen.outcome, chosen.note) == ("n2", "guidance", "")
    await visits.outcome("v1", "n2", "referral", "con nota")
    chosen = await visits.chosen("v1")
    assert chosen is not None
    assert (chosen.outcome, chosen.note) == ("referral", "con nota")


async def test_events_of_one_millisecond_keep_their_order(visits: Visits) -> None:
    """The stream's own number decides: 10 comes after 9."""
    for number in (0, 9, 10, 11):
        event = VisitEvent(f"5-{number}", T0_MS, "suspended", "v1", "p1", None, number)
        await visits.record(event)
    assert [row.generation for row in await visits.timeline("v1")] == [0, 9, 10, 11]
