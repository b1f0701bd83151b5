"""The test as `puente linktest` does it: which ways reach the relay, then what the best of them carries."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from media.dtls import Certificate
from server.linktest.checks import Checks, RoundTrips
from server.linktest.client import LinkTestClient, NoTestError
from server.linktest.leg import Leg, LegError
from server.linktest.models import LinkTestMeasure
from server.linktest.mtu import MtuSearch
from server.linktest.offer import Address, OfferError, RelayOffer, Sender, read_offer, write_answer
from server.linktest.ramp import Ramp, jitter_s, outcome, steady
from server.linktest.report import DirectionResult, LinkReport, RoundTrip, WayResult, direction
from server.linktest.ways import TcpWay, TurnWay, UdpWay, Way, WayError
from signaling.protocol_media import IceServer

Only = Literal["udp", "tcp"]

REACH_S = 5.0
"""For each way; all are tried at once. A satellite with a lost packet needs 2 s."""
MAX_TURN = 4

MEASURE_S = 25.0
"""From the handshake's end on; what has not been found out by then stays unknown."""
CHECKS = 20
LISTEN_S = 5.0
"""For the relay's probes of the downlink to be judged: three trains, each with a round trip and a report."""
LISTEN_FIRST_S = 1.0
LISTEN_MORE_S = 1.0
ASK_EVERY_S = 0.6
DRAIN_S = 3.0
DRAINED_FACTOR, DRAINED_MS = 1.5, 60.0
MTU_S = 6.0
FULL_BPS = 2_500_000
"""The relay's probes end at 3 Mbit/s; from here on the link may carry more than they showed."""
THIN_BPS = 250_000
"""Below the speed of the relay's first train, with what arrives unevenly allowed for."""
GAPS_WANTED = 60
"""From fewer reports of the relay's the loss of the downlink is not told alone: 1 in 60 is 1.7 %."""

_FIRST_MTU = 1_000_000  # numbers of steps that are no steps


@dataclass(frozen=True, slots=True)
class _Open:
    """A way on which the relay answers."""

    way: Way
    checks: Checks
    rtt_s: float


Opening = Callable[[], Coroutine[Any, Any, Way]]


class _Ways:
    """Opens ways and keeps those that reach the relay."""

    def __init__(self, offer: RelayOffer, sender: Sender) -> None:
        self._offer = offer
        self._sender = sender
        self.open: list[_Open] = []

    async def first(self, openings: Sequence[Opening]) -> _Open | None:
        """Try all at once; the first on which the relay answers is kept, the others are closed."""
        tasks = [asyncio.create_task(self._one(opening)) for opening in openings]
        try:
            for next_done in asyncio.as_completed(tasks):
                found = await next_done
                if found is not None:
                    self.open.append(found)
                    return found
            return None
        finally:
            for task in tasks:
                task.cancel()
            for late in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(late, _Open) and late not in self.open:
                    late.way.close()

    async def _one(self, opening: Opening) -> _Open | None:
        way: Way | None = None
        reached = False
        try:
            async with asyncio.timeout(REACH_S):
                way = await opening()
                checks = Checks(way, self._sender.ice, self._offer.ice)
                way.receive = checks.feed
                rtt_s = await checks.reach(REACH_S)
                if rtt_s is not None:
                    reached = True
                    return _Open(way, checks, rtt_s)
        except (WayError, TimeoutError):
            pass
        finally:
            if way is not None and not reached:
                way.close()
        return None

    def close(self) -> None:
        """Close all that are open."""
        for one in self.open:
            one.way.close()


async def run_test(server: str, only: Only | None = None) -> LinkReport:
    """Test the link to a server. Raises NoTestError when there is no test at all."""
    begun_s = time.monotonic()
    async with LinkTestClient(server) as client:
        begun = await client.begin()
        try:
            offer = read_offer(begun.sdp)
        except OfferError:
            raise NoTestError("not_puente") from None
        sender, certificate = Sender.fresh(), Certificate()
        await client.answer(write_answer(sender, certificate.fingerprint))
        ways = _Ways(offer, sender)
        try:
            udp, tcp, (turn, through) = await asyncio.gather(
                ways.first([_udp(address) for address in offer.udp]) if only != "tcp" else _nothing(),
                ways.first([_tcp(address) for address in offer.tcp]) if only != "udp" else _nothing(),
                _turn(ways, begun.ice_servers, offer.udp) if only is None else _no_turn(),
            )
            report = LinkReport(
                server=server,
                udp=_result(udp, tried=only != "tcp"),
                tcp=_result(tcp, tried=only != "udp"),
                turn=turn,
            )
            best = udp or tcp or through
            if best is not None:
                report = await _measured(report, best, Leg(best.way, offer, sender, certificate, best.checks), client)
        finally:
            ways.close()
    return report.model_copy(update={"seconds": round(time.monotonic() - begun_s, 1)})


# ---- ways


def _udp(address: Address) -> Opening:
    return lambda: UdpWay.open(address)


def _tcp(address: Address) -> Opening:
    return lambda: TcpWay.open(address)


async def _nothing() -> None:
    return None


async def _no_turn() -> tuple[WayResult, None]:
    return WayResult(outcome="not_tried"), None


def _result(found: _Open | None, *, tried: bool) -> WayResult:
    if not tried:
        return WayResult(outcome="not_tried")
    return WayResult(outcome="no") if found is None else WayResult(outcome="yes", rtt_ms=round(1000 * found.rtt_s, 1))


async def _turn(ways: _Ways, servers: Sequence[IceServer], peers: Sequence[Address]) -> tuple[WayResult, _Open | None]:
    """Try the TURN servers in their order, towards the relay's first address."""
    urls = [(url, one.username, one.credential) for one in servers for url in one.urls][:MAX_TURN]
    if not urls:
        return WayResult(outcome="not_configured"), None
    allocated: list[str] = []

    def through(url: str, username: str, credential: str) -> Opening:
        async def open_it() -> Way:
            way = await TurnWay.open(url, username, credential, peers[0])
            allocated.append(url)
            return way

        return open_it

    for url, username, credential in urls:
        found = await ways.first([through(url, username, credential)])
        if found is not None:
            return WayResult(outcome="yes", rtt_ms=round(1000 * found.rtt_s, 1), detail=url), found
    if allocated:
        return WayResult(outcome="relay_unreached", detail=allocated[0]), None
    return WayResult(outcome="no"), None


# ---- what the best of them carries


async def _measured(report: LinkReport, best: _Open, leg: Leg, client: LinkTestClient) -> LinkReport:
    """The report with what the way carries, as far as that could be found out."""
    trips = await best.checks.series(CHECKS, min(2.0, 2 * best.rtt_s + 0.5))
    if trips is None:
        return report
    rtt_s = trips.median_ms / 1000
    until_s = time.monotonic() + MEASURE_S
    up, mtu = direction(None, None), None
    try:
        if await best.checks.reach(REACH_S, nominate=True) is None:
            return report
        await leg.connect()
        await _listen(client, rtt_s)
        up = await _up(leg, trips, until_s)
        last = await _asked(client)
        if isinstance(best.way, UdpWay):
            mtu = await _mtu(leg, best.way, rtt_s, min(until_s, time.monotonic() + MTU_S))
    except LegError:
        return report
    finally:
        await leg.close()
    rtcp_ms = None if leg.rtcp_rtt_s is None else round(1000 * leg.rtcp_rtt_s, 1)
    return report.model_copy(
        update={
            "used": best.way.kind,
            "round_trip": RoundTrip(
                least_ms=trips.least_ms,
                median_ms=trips.median_ms,
                most_ms=trips.most_ms,
                jitter_ms=trips.jitter_ms,
                loss=round(trips.loss, 3),
                rtcp_ms=rtcp_ms,
            ),
            "up": up,
            "down": _down(leg, last),
            "mtu_bytes": mtu,
        }
    )


async def _asked(client: LinkTestClient) -> LinkTestMeasure | None:
    """What the relay has found out; None when the server cannot be asked now, as behind a queue of our own making."""
    try:
        return await client.measure()
    except NoTestError:
        return None


async def _listen(client: LinkTestClient, rtt_s: float) -> None:
    """Leave the link alone while the relay probes the way down."""
    until_s = time.monotonic() + LISTEN_S + 3 * rtt_s
    await asyncio.sleep(LISTEN_FIRST_S + 2 * rtt_s)  # asking costs room on the very link that is probed
    while time.monotonic() < until_s:
        measure = await _asked(client)
        if measure is not None and measure.down is not None and measure.down.rate_bps is not None:
            await asyncio.sleep(LISTEN_MORE_S + 3 * rtt_s)
            return
        await asyncio.sleep(ASK_EVERY_S)


async def _up(leg: Leg, trips: RoundTrips, until_s: float) -> DirectionResult:
    """Find out what the way up carries, then what it loses below that."""
    rtt_s = trips.median_ms / 1000
    ramp = Ramp(trips.loss / 2)
    number = 0
    while time.monotonic() < until_s and (step := ramp.next()) is not None:
        ramp.conclude(await leg.send_step(step, rtt_s))
        leg.link_bps = ramp.rate_bps
        number = step.number + 1
    if ramp.rate_bps is None:
        return direction(None, None)
    await _drained(leg.checks, trips)
    step = steady(number, ramp.rate_bps)
    results = await leg.send_step(step, rtt_s)
    jitter = jitter_s(results)
    return direction(
        ramp.rate_bps,
        round(outcome(step, results).loss, 3) if results else None,
        jitter_ms=None if jitter is None else round(1000 * jitter, 1),
        at_least=ramp.at_least,
    )


async def _drained(checks: Checks, trips: RoundTrips) -> None:
    """Wait until the queue that the last step left is gone."""
    until_s = time.monotonic() + DRAIN_S
    enough_s = (DRAINED_FACTOR * trips.median_ms + DRAINED_MS) / 1000
    while (left_s := until_s - time.monotonic()) > 0:
        rtt_s = await checks.reach(left_s)
        if rtt_s is not None and rtt_s <= enough_s:
            return


def _down(leg: Leg, measure: LinkTestMeasure | None) -> DirectionResult:
    found = None if measure is None else measure.down
    loss = _loss_down(leg)
    rate_bps = None if found is None else found.rate_bps
    if rate_bps is None or rate_bps < THIN_BPS:
        # Of a thin link the relay's estimate is cautious until a call has proven more: what came is nearer to the link.
        rate_bps = max((bps for bps in (rate_bps, leg.train.rate_bps) if bps is not None), default=None)
    return direction(rate_bps, loss, at_least=rate_bps is not None and rate_bps >= FULL_BPS)


def _loss_down(leg: Leg) -> float | None:
    """What the relay's reports lost on their way, and on thin links, where they are few, its padding too."""
    expected, missing = leg.rtcp_gaps.expected, leg.rtcp_gaps.missing
    if expected < GAPS_WANTED:
        expected += leg.padding_gaps.expected
        missing += leg.padding_gaps.missing
    return round(missing / expected, 3) if expected else None


async def _mtu(leg: Leg, way: UdpWay, rtt_s: float, until_s: float) -> int | None:
    search = MtuSearch()
    if not way.probe_mtu(on=True):
        return None
    # A path's headers are counted as they are, a packet's length as if they were IPv4's.
    extra = way.header_bytes - 28
    number = _FIRST_MTU
    while not search.over and time.monotonic() < until_s:
        number += 1
        through = await leg.came_through(search.size - extra, 2, number, rtt_s)
        answer: dict[bool | None, Callable[[], None]] = {
            True: search.answered, False: search.missed, None: search.refused,
        }  # fmt: skip
        answer[through]()
    way.probe_mtu(on=False)
    return search.found
