"""Reports of legs on their way to the journal."""

from __future__ import annotations

import pytest

from media.control import EventKind, LegEvent, LegReport, WayReport
from signaling.ports import CallReport
from signaling.reports import WAITING_MAX, Reports, call_report
from tests.signaling.live_fakes import FakeJournal


def event(leg: str, seconds: float = 1, kind: EventKind = "report") -> LegEvent:
    """A relay event with a report."""
    report = LegReport(
        seconds=seconds, transport=None, rtt_ms=None, rtt_max_ms=None, up=WayReport(), down=WayReport(), rungs=[]
    )
    return LegEvent(seq=1, at_ms=7, leg=leg, call="v", epoch=1, kind=kind, report=report)


def made(leg: str, seconds: float = 1) -> CallReport:
    """A report."""
    report = call_report(event(leg, seconds))
    assert report is not None
    return report


def test_whose_report_it_is_stands_in_the_name_of_the_leg() -> None:
    """Visit and side come from the name; legs of other kinds have no report to keep."""
    report = call_report(event("v1.n3", kind="gone"))
    assert report is not None
    assert (report.visit, report.side, report.is_last, report.at_ms) == ("v1", "nurse", True, 7)
    for name in ("probe", "v1.x1", "v1."):
        assert call_report(event(name)) is None
    assert call_report(event("v1.p1").model_copy(update={"report": None})) is None


async def test_only_the_newest_of_a_leg_is_kept() -> None:
    """A report that waits is replaced by the next one of its leg."""
    journal = FakeJournal()
    reports = Reports(journal)
    reports.note(made("v1.p1", 1))
    reports.note(made("v1.p1", 2))
    reports.note(made("v1.n1", 3))
    await reports.flush()
    assert [(kept.leg, kept.report.seconds) for kept in journal.reports] == [("v1.p1", 2), ("v1.n1", 3)]


async def test_one_that_cannot_be_kept_comes_again_behind_the_others() -> None:
    """A failure is the caller's to wait out; nothing is lost by it."""
    journal = FakeJournal(failures=1)
    reports = Reports(journal)
    reports.note(made("v1.p1"))
    reports.note(made("v1.n1"))
    with pytest.raises(OSError, match="away"):
        await reports.turn()
    await reports.flush()
    assert [kept.leg for kept in journal.reports] == ["v1.n1", "v1.p1"]


async def test_what_waits_has_a_bound() -> None:
    """Of more legs than that the oldest report is dropped."""
    journal = FakeJournal()
    reports = Reports(journal)
    for number in range(WAITING_MAX + 1):
        reports.note(made(f"v{number}.p1"))
    await reports.flush()
    assert len(journal.reports) == WAITING_MAX
    assert journal.reports[0].visit == "v1"
