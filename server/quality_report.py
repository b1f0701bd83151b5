"""How well the call of a visit went: the reports of its legs, put together. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from media.control import LegReport, Rung, RungStep, VideoCodec, WayReport, Whose, Why
from server.api import Model
from server.reports import VisitQualityRow
from server.visits import VisitEventRow, VisitRow

Side = Literal["patient", "nurse"]
SIDES: tuple[Side, Side] = ("patient", "nurse")


class RungSpan(Model):
    """A rung from a moment on; times in Unix ms. `whose` is seen from the sender."""

    at_ms: int
    rung: Rung
    why: Why
    whose: Whose


class Way(Model):
    """One way between a page and the relay, all legs of that side together. Shares from 0 to 1."""

    packets: int
    bytes: int
    loss: float | None
    repaired: int
    """Lost packets that came after all, or were sent again."""
    jitter_ms: float | None
    """Of the leg where it was worst."""


class Direction(Model):
    """From one person to the other."""

    sender: Side
    rungs: list[RungSpan]
    up: Way
    """From the sender to the relay."""
    down: Way
    """From the relay to the one who hears and sees it, everything that leg was sent."""
    codec: VideoCodec | None
    """Of the picture, as last sent."""
    concealed: float | None
    """Share of the sound that the hearer's page had to make up."""
    frozen_ms: int
    """As the hearer's page saw it."""


class Link(Model):
    """One side's connection."""

    side: Side
    legs: int
    """Connections that came up."""
    reconnects: int
    """New connections and restarts of one after the first."""
    paths: list[Literal["udp", "tcp"]]
    seconds: float
    rtt_ms: float | None
    rtt_max_ms: float | None


class Gap(Model):
    """The call was interrupted; `until_ms` is null when it did not come back."""

    since_ms: int
    until_ms: int | None
    who: str


class VisitQuality(Model):
    """The report on one visit."""

    visit: str
    started_at_ms: int
    connected_at_ms: int | None
    ended_at_ms: int | None
    is_whole: bool
    """Every leg has ended, so nothing more will come."""
    links: list[Link]
    directions: list[Direction]
    interruptions: list[Gap]


def report_of(visit: VisitRow, events: Sequence[VisitEventRow], rows: Sequence[VisitQualityRow]) -> VisitQuality:
    """Put the report together."""
    legs: dict[Side, list[LegReport]] = {side: [] for side in SIDES}
    codecs: dict[Side, VideoCodec | None] = {}
    for row in sorted(rows, key=lambda row: row.at):
        report = LegReport.model_validate(row.report)
        if report.transport is not None and row.side in SIDES:  # one that never came up says nothing of the call
            side: Side = "patient" if row.side == "patient" else "nurse"
            legs[side].append(report)
            codecs[side] = report.up.codec or codecs.get(side)
    return VisitQuality(
        visit=visit.id,
        started_at_ms=_ms(visit.started_at),
        connected_at_ms=_ms(visit.connected_at) if visit.connected_at else None,
        ended_at_ms=_ms(visit.ended_at) if visit.ended_at else None,
        is_whole=visit.ended_at is not None and all(row.is_last for row in rows),
        links=[_link(side, legs[side]) for side in SIDES],
        directions=[
            _direction(sender, legs[sender], legs[hearer], codecs.get(sender))
            for sender, hearer in (SIDES, SIDES[::-1])
        ],
        interruptions=_gaps(events),
    )


def _link(side: Side, legs: Sequence[LegReport]) -> Link:
    seconds = sum(leg.seconds for leg in legs)
    timed = [(leg.rtt_ms, leg.seconds) for leg in legs if leg.rtt_ms is not None]
    return Link(
        side=side,
        legs=len(legs),
        reconnects=max(0, len(legs) - 1) + sum(leg.restarts for leg in legs),
        paths=list(dict.fromkeys(leg.transport for leg in legs if leg.transport)),
        seconds=round(seconds, 1),
        rtt_ms=_mean(timed),
        rtt_max_ms=max((leg.rtt_max_ms for leg in legs if leg.rtt_max_ms is not None), default=None),
    )


def _direction(
    sender: Side, sending: Sequence[LegReport], hearing: Sequence[LegReport], codec: VideoCodec | None
) -> Direction:
    steps: list[RungStep] = sorted((step for leg in sending for step in leg.rungs), key=lambda step: step.at_ms)
    up = [leg.up for leg in sending]
    down = [leg.down for leg in hearing]
    return Direction(
        sender=sender,
        rungs=[RungSpan.model_validate(step.model_dump()) for step in steps],
        up=_way(up),
        down=_way(down),
        codec=codec,
        concealed=_mean([(leg.concealed, leg.seconds) for leg in hearing if leg.concealed is not None]),
        frozen_ms=sum(leg.frozen_ms for leg in hearing),
    )


def _way(ways: Sequence[WayReport]) -> Way:
    packets, lost = sum(way.packets for way in ways), sum(way.lost for way in ways)
    return Way(
        packets=packets,
        bytes=sum(way.bytes for way in ways),
        loss=round(lost / (packets + lost), 4) if packets + lost > 0 else None,
        repaired=sum(way.repaired for way in ways),
        jitter_ms=max((way.jitter_ms for way in ways if way.jitter_ms is not None), default=None),
    )


def _mean(weighted: Sequence[tuple[float, float]]) -> float | None:
    """The mean of values, each with how many seconds it stands for."""
    seconds = sum(weight for _, weight in weighted)
    return round(sum(value * weight for value, weight in weighted) / seconds, 4) if seconds > 0 else None


def _gaps(events: Sequence[VisitEventRow]) -> list[Gap]:
    gaps: list[Gap] = []
    since: tuple[int, str] | None = None
    for event in sorted(events, key=lambda event: event.at):
        if event.kind == "interrupted" and since is None:
            since = (_ms(event.at), event.detail)
        elif event.kind in ("resumed", "requeued", "ended") and since is not None:
            until_ms = _ms(event.at) if event.kind == "resumed" else None
            gaps.append(Gap(since_ms=since[0], until_ms=until_ms, who=since[1]))
            since = None
    if since is not None:
        gaps.append(Gap(since_ms=since[0], until_ms=None, who=since[1]))
    return gaps


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
