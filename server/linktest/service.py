"""`/api/linktest`: a relay leg for whoever wants to know what their link carries. No login, hence hostile by default.

A test is a leg named `linktest-…` that is never put into a room, so it can hear and see nobody. Its id is a random name
and the time it began; as the relay keeps the leg under that very name, any process of the server can answer for it, and
an id that was made up belongs to no leg. Beginning one is limited by address and for all, only few run at a time, and
each is ended after `LIFETIME_S` by the process that began it.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import structlog
from aiohttp import web

from media.client import RelayRefused, RelayUnreachable
from media.control import AnswerLeg, CloseLeg, CreateLeg, LegStats, LinkState
from media.measure import rung_of
from server.api import Endpoint, Refused, json_answer, read_body
from server.linktest.models import BeginLinkTest, LinkDirection, LinkTestAnswer, LinkTestBegun, LinkTestMeasure
from server.rates import Rates, client_address
from server.settings import IpNetwork
from signaling.ports import Relay
from signaling.turn import Turn

LIFETIME_S = 60.0
"""The longest test, with all ways tried in turn on a satellite link, takes 45 s."""
FINAL_AFTER_S = 40.0
"""From the beginning; the relay's own measuring takes 12 s of that."""
MAX_TESTS = 4
"""At a time: each may send and receive 3 Mbit/s, and calls matter more than tests."""
MAX_TESTS_PER_ADDRESS = 2

BEGIN_PER_MINUTE, BEGIN_BURST = 6, 6
ALL_PER_MINUTE, ALL_BURST = 20, 12
"""Of all addresses together: what four at a time of 15 s each could use."""
ASK_PER_MINUTE, ASK_BURST = 240, 120
"""Reading the measure once a second, of two tests behind one address, with some to spare."""

EXPIRE_EVERY_S = 1.0
ALL = "all"

_ID = re.compile(r"[A-Za-z0-9_-]{22}\.[0-9a-f]{8}")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Running:
    address: str
    ends_s: float


class LinkTests:
    """The endpoints. `clock` gives Unix seconds."""

    def __init__(
        self,
        relay: Relay,
        turn: Turn,
        trusted_proxies: Sequence[IpNetwork] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._relay = relay
        self._turn = turn
        self._trusted = tuple(trusted_proxies)
        self._clock = clock
        self._running: dict[str, _Running] = {}
        self._begin_rates = Rates(BEGIN_PER_MINUTE, BEGIN_BURST, clock)
        self._all_rates = Rates(ALL_PER_MINUTE, ALL_BURST, clock)
        self._ask_rates = Rates(ASK_PER_MINUTE, ASK_BURST, clock)

    def __len__(self) -> int:
        return len(self._running)

    def install(self, app: web.Application) -> None:
        """End tests in time for as long as the app runs, and those that stand when it stops."""
        app.cleanup_ctx.append(self._context)

    async def _context(self, _app: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(self._keep_expiring(), name="linktest-expire")
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.gather(*(self._close(test) for test in list(self._running)))

    async def _keep_expiring(self) -> None:
        while True:
            await asyncio.sleep(EXPIRE_EVERY_S)
            await self.expire()

    async def expire(self) -> None:
        """End the tests whose time is over."""
        now_s = self._clock()
        await asyncio.gather(*(self._close(test) for test, at in list(self._running.items()) if at.ends_s <= now_s))

    def endpoints(self) -> list[Endpoint]:
        """What to serve."""
        return [
            Endpoint(
                "POST", "/api/linktest", self._begin, "Begin a link test: a connection that belongs to no visit",
                body=BeginLinkTest, answer=LinkTestBegun, refusals=("unavailable",),
            ),
            Endpoint(
                "POST", "/api/linktest/{id}/answer", self._answer, "Answer a link test's offer",
                body=LinkTestAnswer, answer=LinkTestMeasure, refusals=("not_found", "unavailable"),
            ),
            Endpoint(
                "GET", "/api/linktest/{id}", self._measure, "What a link test has found out so far",
                answer=LinkTestMeasure, refusals=("not_found", "unavailable"),
            ),
            Endpoint(
                "POST", "/api/linktest/{id}/end", self._end, "End a link test; the answer is what it has found out",
                answer=LinkTestMeasure, refusals=("not_found", "unavailable"),
            ),
        ]  # fmt: skip

    # ---- the four requests

    async def _begin(self, request: web.Request) -> web.Response:
        address = client_address(request, self._trusted)
        for rates, key in ((self._begin_rates, address), (self._all_rates, ALL)):
            self._limit(rates, key)
        await read_body(request, BeginLinkTest)
        await self.expire()
        mine = sum(test.address == address for test in self._running.values())
        if len(self._running) >= MAX_TESTS or mine >= MAX_TESTS_PER_ADDRESS:
            first_ends_s = min((test.ends_s for test in self._running.values()), default=self._clock())
            raise Refused("unavailable", "as many link tests as may be are running", first_ends_s - self._clock())
        now_s = self._clock()
        test = f"{secrets.token_urlsafe(16)}.{int(now_s):08x}"
        # Counted before the relay is asked: requests that come meanwhile are counted against it.
        self._running[test] = _Running(address, now_s + LIFETIME_S)
        try:
            leg = _leg(test)
            offer = await self._relay.create_leg(CreateLeg(leg=leg, call=leg, epoch=1))
        except (RelayRefused, RelayUnreachable):
            del self._running[test]
            raise Refused("unavailable", "there is no relay to test with now", retry_after_s=5) from None
        begun = LinkTestBegun(
            id=test,
            sdp=offer.sdp,
            ice_servers=self._turn.servers(),
            server_time_ms=round(now_s * 1000),
            ends_at_ms=round((now_s + LIFETIME_S) * 1000),
        )
        return json_answer(begun)

    async def _answer(self, request: web.Request) -> web.Response:
        test = self._named(request)
        body = await read_body(request, LinkTestAnswer)
        leg = _leg(test)
        try:
            await self._relay.answer(leg, AnswerLeg(call=leg, epoch=1, restart=0, sdp=body.sdp))
        except RelayRefused as refused:
            raise _refused(refused) from None
        except RelayUnreachable:
            raise _away() from None
        return json_answer(await self._look(test))

    async def _measure(self, request: web.Request) -> web.Response:
        return json_answer(await self._look(self._named(request)))

    async def _end(self, request: web.Request) -> web.Response:
        test = self._named(request)
        try:
            measure = await self._look(test)
        finally:
            await self._close(test)  # its place is free also when its leg has gone before, as by the browser's goodbye
        return json_answer(measure.model_copy(update={"final": True}))

    # ---- what they share

    def _named(self, request: web.Request) -> str:
        self._limit(self._ask_rates, client_address(request, self._trusted))
        test = request.match_info["id"]
        if not _ID.fullmatch(test):
            raise Refused("not_found", "there is no such link test")
        return test

    async def _look(self, test: str) -> LinkTestMeasure:
        try:
            stats = await self._relay.leg(_leg(test))
        except RelayRefused as refused:
            raise _refused(refused) from None
        except RelayUnreachable:
            raise _away() from None
        began_s = int(test.rpartition(".")[2], 16)
        return measure_of(stats, final=self._clock() - began_s >= FINAL_AFTER_S)

    async def _close(self, test: str) -> None:
        """End a test's leg. A relay that cannot be told ends it by itself once nothing comes from it."""
        self._running.pop(test, None)
        leg = _leg(test)
        try:
            await self._relay.close(leg, CloseLeg(call=leg, epoch=1))
        except (RelayRefused, RelayUnreachable) as error:
            log.warning("linktest.not_closed", reason=type(error).__name__)

    def _limit(self, rates: Rates, key: str) -> None:
        wait_s = rates.take(key)
        if wait_s > 0:
            raise Refused("rate_limited", "too many link tests", retry_after_s=wait_s)


def measure_of(stats: LegStats, *, final: bool) -> LinkTestMeasure:
    """What a leg's state says of its link."""
    return LinkTestMeasure(
        state=stats.state,
        transport=stats.transport,
        rtt_ms=None if stats.rtt_s is None else round(1000 * stats.rtt_s),
        up=_direction(stats.up),
        down=_direction(stats.down),
        final=final,
    )


def _direction(link: LinkState | None) -> LinkDirection | None:
    if link is None:
        return None
    return LinkDirection(
        rate_bps=link.rate_bps if link.known else None,
        carried_bps=link.carried_bps,
        loss=min(max(link.loss, 0.0), 1.0),
        queue_ms=link.queue_ms,
        rung=rung_of(link.rate_bps, link.loss) if link.known else None,
    )


def _leg(test: str) -> str:
    return f"linktest-{test}"


def _refused(refused: RelayRefused) -> Refused:
    if refused.code in {"not_found", "stale_epoch"}:
        return Refused("not_found", "there is no such link test")
    if refused.code in {"bad_sdp", "bad_request"}:
        return Refused("bad_request", "bad body: sdp")
    return _away()


def _away() -> Refused:
    return Refused("unavailable", "the relay does not answer", retry_after_s=2)
