"""How legs have done, on the way from the relay to what remembers visits: the newest report of each until kept."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from media.control import LegEvent
from signaling.metrics import REPORTS
from signaling.ports import CallReport, VisitJournal

WAITING_MAX = 2000
"""Legs whose report could not be kept yet; the one that waits longest goes first."""
RECORD_TIMEOUT_S = 5.0


def call_report(event: LegEvent) -> CallReport | None:
    """The report that comes with an event; None when there is none, or the leg is not one of a visit."""
    visit, dot, rest = event.leg.rpartition(".")
    if event.report is None or not dot or rest[:1] not in ("p", "n"):
        return None
    return CallReport(
        visit=visit,
        leg=event.leg,
        side="patient" if rest[0] == "p" else "nurse",
        at_ms=event.at_ms,
        is_last=event.kind == "gone",
        report=event.report,
    )


class Reports:
    """What is still to be kept."""

    def __init__(self, journal: VisitJournal) -> None:
        self._journal = journal
        self._waiting: OrderedDict[str, CallReport] = OrderedDict()
        self._news = asyncio.Event()

    def note(self, report: CallReport) -> None:
        """Keep this one as soon as possible, in the place of an older one of the same leg."""
        self._waiting[report.leg] = report
        if len(self._waiting) > WAITING_MAX:
            self._waiting.popitem(last=False)
            REPORTS.labels("dropped").inc()
        self._news.set()

    async def turn(self) -> None:
        """Wait for reports and hand them to the journal. Raises what the journal raises; the report stays."""
        while not self._waiting:
            self._news.clear()
            await self._news.wait()
        leg, report = next(iter(self._waiting.items()))
        try:
            async with asyncio.timeout(RECORD_TIMEOUT_S):
                await self._journal.report(report)
        except Exception:
            REPORTS.labels("again").inc()
            if leg in self._waiting:
                self._waiting.move_to_end(leg)  # one that cannot be kept does not hold up the others
            raise
        REPORTS.labels("ok").inc()
        if self._waiting.get(leg) is report:
            del self._waiting[leg]

    async def flush(self) -> None:
        """Hand over what waits, once; for the end of the process."""
        for _ in range(len(self._waiting)):
            await self.turn()
