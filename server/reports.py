"""How the legs of visits have done, as they are remembered: one row for each leg, replaced by every newer report."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from prometheus_client import Counter, Histogram
from sqlalchemy.orm import Mapped, mapped_column

from media.control import LegReport
from server.database import Database, Instant, Table
from signaling.ports import CallReport

_SHARES = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5)
_rung_seconds = Counter(
    "puente_call_rung_seconds", "Time that a side of finished legs was to send so much", ["sender", "rung"]
)
_loss = Histogram("puente_call_loss", "Share of packets lost, of finished legs", ["side", "way"], buckets=_SHARES)
_rtt = Histogram(
    "puente_call_rtt_seconds", "Mean round trip between relay and page, of finished legs", ["side"],
    buckets=(0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2.5),
)  # fmt: skip
_concealed = Histogram(
    "puente_call_concealed", "Share of the sound that was made up, of finished legs", ["side"], buckets=_SHARES
)
_jitter = Histogram(
    "puente_call_jitter_seconds", "Jitter between arrivals of voice, of finished legs", ["side", "way"],
    buckets=(0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3),
)  # fmt: skip
_frozen = Histogram(
    "puente_call_frozen", "Share of the time in which the other's picture stood still, of finished legs", ["side"],
    buckets=_SHARES,
)  # fmt: skip
_restarts = Counter("puente_call_reconnects", "Reconnections of finished legs that kept their leg", ["side"])


class VisitQualityRow(Table):
    """The newest report of one leg. A table of its own: it may arrive before the visit's first event does."""

    __tablename__ = "visit_quality"

    visit_id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    leg: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    side: Mapped[str] = mapped_column(sa.String(16))
    at: Mapped[datetime] = mapped_column(Instant())
    is_last: Mapped[bool] = mapped_column(sa.Boolean())
    report: Mapped[dict[str, Any]] = mapped_column(sa.JSON)


class Reports:
    """Keeps reports. Safe to be handed the same one again, or an older one late."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, report: CallReport) -> None:
        """Remember the report unless a newer one is. Raises sqlalchemy's errors."""
        try:
            is_news = await self._write(report)
        except sa.exc.IntegrityError:
            is_news = await self._write(report)  # another process was first with this leg's first one
        if is_news and report.is_last:
            _observe(report)

    async def _write(self, report: CallReport) -> bool:
        async with self._database.begin() as session:
            row = await session.get(VisitQualityRow, (report.visit, report.leg), with_for_update=True)
            if row is None:
                row = VisitQualityRow(visit_id=report.visit, leg=report.leg, side=report.side)
                session.add(row)
            elif row.is_last or LegReport.model_validate(row.report).seconds > report.report.seconds:
                return False
            row.at = datetime.fromtimestamp(report.at_ms / 1000, UTC)
            row.is_last = report.is_last
            row.report = report.report.model_dump(mode="json")
        return True


def _observe(report: CallReport) -> None:
    """Count a finished leg. Labels say which side of a visit, never whose."""
    side, done = report.side, report.report
    until_ms = report.at_ms
    for step in reversed(done.rungs):
        _rung_seconds.labels(side, str(step.rung)).inc(max(0, until_ms - step.at_ms) / 1000)
        until_ms = min(until_ms, step.at_ms)
    for name, way in (("up", done.up), ("down", done.down)):
        if way.packets + way.lost > 0:
            _loss.labels(side, name).observe(way.lost / (way.packets + way.lost))
        if way.jitter_ms is not None:
            _jitter.labels(side, name).observe(way.jitter_ms / 1000)
    if done.rtt_ms is not None:
        _rtt.labels(side).observe(done.rtt_ms / 1000)
    if done.concealed is not None:
        _concealed.labels(side).observe(done.concealed)
    if done.seconds > 0:
        _frozen.labels(side).observe(min(done.frozen_ms / 1000 / done.seconds, 1.0))
    _restarts.labels(side).inc(done.restarts)
