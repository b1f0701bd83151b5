"""The client of the control API: what it raises, when it tries again, and events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from media.client import RelayClient, RelayRefused, RelayUnreachable
from media.control import CloseLeg, CreateLeg, JoinRoom, LeaveRoom, RestartLeg, SetLeg
from media.events import KEPT, EventLog
from media.relay import Relay
from media.worker import Control
from tests.media.client import until


@pytest.fixture
async def served(relay: Relay, tmp_path: Path) -> AsyncIterator[RelayClient]:
    control = Control(relay, f"unix:{tmp_path}/control")
    await control.open()
    client = RelayClient(f"unix:{tmp_path}/control")
    yield client
    await client.aclose()
    await control.close()


async def test_every_method(served: RelayClient, relay: Relay) -> None:
    """Each request of the API has its method and gets the model that the contract names."""
    offer = await served.create_leg(CreateLeg(leg="a", call="c", epoch=1))
    again = await served.restart("a", RestartLeg(call="c", epoch=1, restart=1))
    assert (offer.restart, again.restart) == (0, 1)
    assert (await served.set("a", SetLeg(call="c", epoch=1, audio=False, video_cap_bps=90_000))).ok
    assert relay.legs["a"].video_cap_bps == 90_000
    assert (await served.join("r", JoinRoom(call="c", epoch=1, leg="a"))).members[0].leg == "a"
    assert (await served.leg("a")).room == "r"
    assert (await served.leave("r", LeaveRoom(call="c", epoch=1, leg="a"))).members == []
    assert (await served.close("a", CloseLeg(call="c", epoch=1))).ok
    assert (await served.stats()).legs == 0
    assert (await served.drain()).ok
    assert "puente_relay_draining 1.0" in await served.metrics()


async def test_refusals_have_their_code(served: RelayClient) -> None:
    """A refusal is an exception that carries the contract's code."""
    with pytest.raises(RelayRefused) as refused:
        await served.set("none", SetLeg(call="c", epoch=1))
    assert refused.value.code == "not_found"


async def test_nobody_there(tmp_path: Path) -> None:
    """No socket, and no port, are both unreachable."""
    for address in (f"unix:{tmp_path}/none", "http://127.0.0.1:1"):
        client = RelayClient(address, b"x" * 16)
        with pytest.raises(RelayUnreachable):
            await client.stats()
        await client.aclose()
    with pytest.raises(ValueError, match="secret"):
        RelayClient("http://127.0.0.1:1")


class Odd:
    """A server that is not a worker: it does what a test tells it to."""

    def __init__(self) -> None:
        self.requests = 0
        self.behave = lambda _request: web.Response(text="hello")
        self.released = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        answer = self.behave(request)
        return await answer if asyncio.iscoroutine(answer) else answer


@pytest.fixture
async def odd(tmp_path: Path) -> AsyncIterator[tuple[Odd, RelayClient]]:
    server = Odd()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", server.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, f"{tmp_path}/odd").start()
    client = RelayClient(f"unix:{tmp_path}/odd", timeout_s=0.3)
    yield server, client
    server.released.set()
    await client.aclose()
    await runner.cleanup()


@pytest.mark.parametrize("status", [200, 404, 500])
async def test_answers_that_are_no_workers(odd: tuple[Odd, RelayClient], status: int) -> None:
    """Whatever is not in the contract's words is unreachable, not a crash."""
    server, client = odd
    server.behave = lambda _request: web.Response(status=status, text="<html>")
    with pytest.raises(RelayUnreachable):
        await client.stats()
    assert server.requests == 1


async def test_slow_answers_are_not_asked_for_again(odd: tuple[Odd, RelayClient]) -> None:
    """No answer in time is unreachable; the request is not sent twice, it may have had its effect."""
    server, client = odd

    async def never(_request: web.Request) -> web.Response:
        await server.released.wait()
        return web.Response()

    server.behave = never
    with pytest.raises(RelayUnreachable, match="in time"):
        await client.stats()
    assert server.requests == 1


async def test_broken_connection_is_tried_once_more(odd: tuple[Odd, RelayClient]) -> None:
    """A connection that breaks before the answer is made anew, once."""
    server, client = odd

    def breaks(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    server.behave = breaks
    with pytest.raises(RelayUnreachable):
        await client.drain()
    assert server.requests == 2


# ---- events


async def test_events_wake_those_who_wait(served: RelayClient, relay: Relay) -> None:
    """A long poll returns with the event, and the next one goes on after it."""
    start = await served.events("", 0, 0)
    assert (start.boot, start.lost, start.events) == (relay.boot, True, [])
    waiting = asyncio.ensure_future(served.events(start.boot, start.next, 10))
    await until(lambda: relay.events._waiting)
    await served.create_leg(CreateLeg(leg="a", call="c", epoch=1))
    await served.close("a", CloseLeg(call="c", epoch=1))
    answer = await waiting
    assert [(event.leg, event.kind, event.reason) for event in answer.events] == [("a", "gone", "closed")]
    assert not answer.lost
    empty = await served.events(answer.boot, answer.next, 0.05)
    assert (empty.next, empty.events, empty.lost) == (answer.next, [], False)


async def test_ring_is_bounded_and_says_what_is_lost() -> None:
    """Who comes too late is told so and gets what is left, in parts."""
    events = EventLog()
    for number in range(KEPT + 100):
        events.add(leg=f"l{number}", call="c", epoch=1, kind="media")
    late = events.after(events.boot, 50)
    assert late.lost
    assert late.events[0].seq == 101
    seen, after = 0, 100
    while found := events.after(events.boot, after).events:
        seen, after = seen + len(found), found[-1].seq
    assert (seen, after) == (KEPT, KEPT + 100)
    assert events.after("another boot", 5).lost
    assert events.after(events.boot, 10**9).lost


async def test_release_lets_go_of_those_who_wait() -> None:
    """The end of the worker does not leave anybody waiting, nor does a cancelled poll leave anything."""
    events = EventLog()
    first, second = (asyncio.ensure_future(events.wait(events.boot, 0, 10)) for _ in range(2))
    await until(lambda: len(events._waiting) == 2)
    second.cancel()
    await asyncio.wait({second})
    assert len(events._waiting) == 1
    events.release()
    assert (await first).events == []
    assert not events._waiting
