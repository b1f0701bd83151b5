"""`/api/linktest`: what anybody may ask for without a login, and how much of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from media.client import RelayRefused, RelayUnreachable
from media.control import AnswerLeg, CloseLeg, CreateLeg, Done, LegOffer, LegStats, LinkState
from server.answers import Answers
from server.api import add_routes
from server.linktest.service import FINAL_AFTER_S, LIFETIME_S, MAX_TESTS, MAX_TESTS_PER_ADDRESS, LinkTests, measure_of
from server.pages import Pages
from server.settings import Settings
from signaling.turn import Turn
from tests.server.conftest import Clock

Client = TestClient[web.Request, web.Application]


@dataclass
class FakeRelay:
    """A relay that only keeps names; whoever asks it for a room finds that it has none."""

    legs: dict[str, str | None] = field(default_factory=dict)
    """Names and answers."""
    is_away: bool = False

    async def create_leg(self, request: CreateLeg) -> LegOffer:
        if self.is_away:
            raise RelayUnreachable
        self.legs[request.leg] = None
        return LegOffer(leg=request.leg, call=request.call, epoch=request.epoch, restart=0, sdp="offer")

    async def answer(self, leg: str, request: AnswerLeg) -> Done:
        self._known(leg)
        if request.sdp == "bad":
            raise RelayRefused("bad_sdp")
        self.legs[leg] = request.sdp
        return Done()

    async def leg(self, leg: str) -> LegStats:
        self._known(leg)
        return stats(leg)

    async def close(self, leg: str, request: CloseLeg) -> Done:
        del request
        self.legs.pop(leg, None)
        return Done()

    def _known(self, leg: str) -> None:
        if leg not in self.legs:
            raise RelayRefused("not_found")


def stats(leg: str, up: LinkState | None = None, down: LinkState | None = None) -> LegStats:
    """A connected leg."""
    return LegStats(
        leg=leg, call=leg, epoch=1, restart=0, state="connected", transport="udp", room=None, srtp_profile=None,
        rtt_s=0.25, remb_bps=None, idle_s=0.0, up=up, down=down, received=[], sent=[],
    )  # fmt: skip


def link(rate_bps: int, *, known: bool = True, loss: float = 0.0) -> LinkState:
    """One direction as the relay tells it."""
    return LinkState(rate_bps=rate_bps, carried_bps=0, known=known, loss=loss, queue_ms=0.0, overusing=False)


@dataclass
class Bench:
    """The endpoints over a fake relay."""

    client: Client
    relay: FakeRelay
    tests: LinkTests
    clock: Clock

    async def begin(self, address: str = "203.0.113.1") -> tuple[int, dict[str, object]]:
        """Begin a test from an address; status and body."""
        answer = await self.client.post("/api/linktest", json={}, headers={"X-Forwarded-For": address})
        return answer.status, await answer.json()

    async def test(self, address: str = "203.0.113.1") -> str:
        """A test that has begun: its id."""
        status, body = await self.begin(address)
        assert status == 200, body
        return str(body["id"])


@pytest_asyncio.fixture
async def bench(dist: object) -> AsyncIterator[Bench]:
    """Endpoints, a fake relay, and a clock moved by hand."""
    clock, relay = Clock(), FakeRelay()
    turn = Turn(["turn:turn.example:3478"], "s" * 16, 3600, clock)
    tests = LinkTests(relay, turn, Settings().trusted_proxies, clock)  # type: ignore[arg-type]
    app = web.Application()
    Answers(Pages(dist)).install(app)  # type: ignore[arg-type]
    add_routes(app, tests.endpoints())
    async with TestClient(TestServer(app)) as client:
        yield Bench(client, relay, tests, clock)


async def test_a_test_is_a_leg_of_its_own_in_no_room(bench: Bench) -> None:
    """Its name says what it is, TURN comes with credentials, and the relay is asked for nothing but the leg."""
    status, body = await bench.begin()
    assert (status, body["sdp"]) == (200, "offer")
    assert list(bench.relay.legs) == [f"linktest-{body['id']}"]
    servers = body["ice_servers"]
    assert isinstance(servers, list)
    assert servers[0]["urls"] == ["turn:turn.example:3478"]
    assert not hasattr(bench.relay, "join")


async def test_what_was_found_is_read_until_the_end(bench: Bench) -> None:
    """Answer, read, end; then there is no such test."""
    test = await bench.test()
    assert (await bench.client.post(f"/api/linktest/{test}/answer", json={"sdp": "mine"})).status == 200
    assert bench.relay.legs == {f"linktest-{test}": "mine"}
    measure = await (await bench.client.get(f"/api/linktest/{test}")).json()
    assert (measure["state"], measure["rtt_ms"], measure["final"]) == ("connected", 250, False)
    bench.clock.now_s += FINAL_AFTER_S
    assert (await (await bench.client.get(f"/api/linktest/{test}")).json())["final"] is True
    assert (await (await bench.client.post(f"/api/linktest/{test}/end")).json())["final"] is True
    assert bench.relay.legs == {}
    assert (await bench.client.get(f"/api/linktest/{test}")).status == 404


async def test_no_more_than_so_many_run_at_a_time(bench: Bench) -> None:
    """The fifth is refused until one has ended; nobody has more than their part of them."""
    tests = [await bench.test(f"203.0.113.{number}") for number in range(MAX_TESTS)]
    status, body = await bench.begin("203.0.113.99")
    assert (status, body) == (503, {"error": {"code": "unavailable", "message": body["error"]["message"]}})  # type: ignore[index]
    await bench.client.post(f"/api/linktest/{tests[0]}/end")
    assert (await bench.begin("203.0.113.99"))[0] == 200
    for test in tests[1:]:
        await bench.client.post(f"/api/linktest/{test}/end")
    for _ in range(MAX_TESTS_PER_ADDRESS - 1):
        await bench.test("203.0.113.99")
    assert (await bench.begin("203.0.113.99"))[0] == 503


async def test_a_test_that_is_not_ended_ends_by_itself(bench: Bench) -> None:
    """After a minute its leg is freed, and its place is another's."""
    test = await bench.test()
    bench.clock.now_s += LIFETIME_S - 1
    await bench.tests.expire()
    assert f"linktest-{test}" in bench.relay.legs
    bench.clock.now_s += 1
    await bench.tests.expire()
    assert (bench.relay.legs, len(bench.tests)) == ({}, 0)


async def test_a_leg_that_has_gone_before_holds_no_place(bench: Bench) -> None:
    """The connection may say goodbye before its test is ended."""
    test = await bench.test()
    bench.relay.legs.clear()
    assert (await bench.client.post(f"/api/linktest/{test}/end")).status == 404
    assert len(bench.tests) == 0


async def test_one_address_is_told_to_wait(bench: Bench) -> None:
    """Beginning and ending again and again is refused with the time to come back; others go on."""
    statuses = []
    for _ in range(10):
        status, body = await bench.begin()
        statuses.append(status)
        if status == 200:
            await bench.client.post(f"/api/linktest/{body['id']}/end")
    assert statuses == sorted(statuses)
    assert statuses[-1] == 429
    assert (await bench.begin("203.0.113.7"))[0] == 200


@pytest.mark.parametrize(
    "test", ["x", "A" * 22 + ".00000000", "A" * 22 + ".6b49d200", "..%2Fp1.n1", "A" * 300, "visit.p1"]
)
async def test_another_ones_test_is_not_to_be_found(bench: Bench, test: str) -> None:
    """Neither by guessing nor by naming a leg of a visit."""
    await bench.test()
    bench.relay.legs["visit.p1"] = None
    for method, path in (("GET", ""), ("POST", "/end"), ("POST", "/answer")):
        body = {"json": {"sdp": "mine"}} if path == "/answer" else {}
        answer = await bench.client.request(method, f"/api/linktest/{test}{path}", **body)  # type: ignore[arg-type]
        assert answer.status == 404
    assert "visit.p1" in bench.relay.legs


async def test_bad_input_is_refused_by_name(bench: Bench) -> None:
    """No JSON, other fields, too much, and an answer that the relay does not take."""
    assert (await bench.client.post("/api/linktest", data="x")).status == 400
    assert (await bench.client.post("/api/linktest", json={"leg": "visit.p1"})).status == 400
    test = await bench.test()
    path = f"/api/linktest/{test}/answer"
    assert (await bench.client.post(path, json={"sdp": "bad"})).status == 400
    assert (await bench.client.post(path, json={"sdp": ""})).status == 400
    assert (await bench.client.post(path, json={"sdp": "x" * 20_000})).status == 413


async def test_without_a_relay_there_is_no_test(bench: Bench) -> None:
    """It says so, and holds no place."""
    bench.relay.is_away = True
    assert (await bench.begin())[0] == 503
    assert len(bench.tests) == 0


def test_a_direction_has_a_rung_once_it_is_known() -> None:
    """Rate and loss together say which; before that nothing is claimed."""
    measure = measure_of(stats("l", link(2_000_000), link(64_000, loss=0.05)), final=False)
    assert measure.up is not None
    assert measure.down is not None
    assert (measure.up.rung, measure.down.rung) == (5, 2)
    unknown = measure_of(stats("l", link(300_000, known=False)), final=False)
    assert unknown.up is not None
    assert (unknown.up.rate_bps, unknown.up.rung, unknown.down) == (None, None, None)
