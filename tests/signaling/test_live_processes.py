"""Several processes, and processes that end."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import aiohttp
from engineio import packet

from signaling.outqueue import MAX_WAITING
from signaling.protocol import Closing
from signaling.sockets import CONNECT_WITHIN_S
from signaling.store import open_store
from tests.signaling.conftest import Live, Start
from tests.signaling.live_fakes import CONSENT, FakeRelay
from tests.signaling.test_live_calls import in_call, ringing, waiting


async def test_draining_lets_nobody_in_and_says_so(live: Live) -> None:
    """Pages are told to come back, new visits and connects are refused, a call goes on."""
    patient, nurse = await in_call(live)
    idle = await live.nurse("nur2")
    late = await live.patient("pat2")
    await live.signaling.drain(1500)
    assert (await patient.hears("closing"))["retry_ms"] == 1500
    assert (await idle.hears("closing"))["retry_ms"] == 1500
    assert await idle.refused("available") == "closing"
    assert await late.refused("join", consent=CONSENT) == "closing"
    page = live.page("pat3")
    assert await page.refused_connect({"v": 1, "ticket": page.ticket()}) == "closing"
    assert page.refusal["data"]["retry_ms"] == 1500
    assert "closing" in live.signaling.ready()
    await nurse.ok("chat.send", id="line-0001", text="sigo aquí")
    await patient.hears("chat")


async def test_stopping_moves_a_call_to_another_process(start: Start) -> None:
    """After an orderly stop both pages go on with their legs elsewhere, and nobody was counted as lost."""
    relay = FakeRelay()
    first, second = await start(relay=relay), await start(relay=relay)
    patient, nurse = await in_call(first)
    legs = {"pat1": patient.snapshot["leg"]["leg"], "nur1": nurse.snapshot["leg"]["leg"]}
    await first.signaling.drain(100)
    await first.signaling.stop()
    await patient.gone()
    await nurse.gone()
    for person, leg in legs.items():
        page = await second.page(person).connect(leg=leg)
        shot = await page.state("in_call")
        assert (shot["leg"]["leg"], shot["leg"]["sdp"]) == (leg, None)
    await second.journal.kinds()
    assert len(first.signaling._loops) == 0


async def test_people_on_two_processes_meet(start: Start) -> None:
    """A patient here and a nurse there have one call; chat, media and the end cross over."""
    relay = FakeRelay()
    here, there = await start(relay=relay), await start(relay=relay)
    patient, nurse = await waiting(here), await ringing(there)
    await nurse.ok("offer.accept", generation=nurse.snapshot["generation"])
    await patient.state("in_call")
    assert (await nurse.until(lambda shot: shot["call"] and shot["call"]["slots"]))["patient"]["name"] == "Full pat1"
    await patient.until(lambda shot: shot["call"]["slots"])
    await patient.ok("chat.send", id="line-0001", text="hola")
    assert (await nurse.hears("chat"))["text"] == "hola"
    await nurse.ok("call.end", generation=nurse.snapshot["generation"])
    await patient.state("ended")


async def test_a_page_on_another_process_replaces_the_first(start: Start) -> None:
    """The newest page counts, wherever it is connected."""
    relay = FakeRelay()
    here, there = await start(relay=relay), await start(relay=relay)
    patient = await waiting(here)
    second = await there.patient()
    await patient.hears("replaced")
    await patient.gone()
    await second.state("waiting")


async def test_people_of_a_dead_process_are_lost_and_come_back(start: Start) -> None:
    """When a process dies its lease runs out: the other side sees the interruption, and coming back ends it."""
    relay = FakeRelay()
    here, there = await start(relay=relay, lease_s=0.4), await start(relay=relay, lease_s=0.4)
    patient, nurse = await waiting(here), await ringing(there)
    await nurse.ok("offer.accept", generation=nurse.snapshot["generation"])
    await nurse.state("in_call")
    leg = (await patient.state("in_call"))["leg"]["leg"]
    await here.signaling._loops.stop()
    assert (await nurse.state("interrupted"))["call"]["interruption"]["who"] == "patient"
    await there.page("pat1").connect(leg=leg)
    await nurse.state("in_call")


async def test_a_process_that_was_counted_out_binds_its_people_again(live: Live) -> None:
    """When the store has reaped a living process, its next beat brings its people back."""
    patient = await waiting(live)
    pairing = live.signaling.pairing
    await pairing.bye(live.signaling.process, 0)
    await pairing.tick()
    assert (await pairing.patient("pat1")).visit is not None
    live.signaling._ticker._beat_s = float("-inf")
    async with asyncio.timeout(5):
        while True:
            view = await pairing.patient("pat1")
            if view.visit and view.visit.state == "waiting":
                break
            await asyncio.sleep(0.01)
    await patient.ok("leave")
    await patient.state("ended")


async def test_ready_says_what_is_missing(live: Live) -> None:
    """A process is ready once store and relay have answered."""
    async with asyncio.timeout(5):
        while live.signaling.ready():
            await asyncio.sleep(0.01)
    await live.relay.goes_down()
    async with asyncio.timeout(5):
        while live.signaling.ready() != ["relay"]:
            await asyncio.sleep(0.01)


async def test_a_store_that_dies_comes_back_with_everybody(start: Start, tmp_path: Path) -> None:
    """While the store is away requests are *unavailable*; afterwards the same people go on in the same call."""
    store = await open_store(None, tmp_path)
    live = await start(store=store, lease_s=0.5)
    await store.client.config_set("appendfsync", "always")
    patient, nurse = await in_call(live)
    assert store._server is not None
    assert store._server.pid is not None
    os.kill(store._server.pid, signal.SIGKILL)
    codes = set()
    async with asyncio.timeout(20):
        while True:
            answer = await patient.send("chat.send", {"id": "line-0001", "text": "hola"})
            if answer["ok"]:
                break
            codes.add(answer["error"]["code"])
            await asyncio.sleep(0.2)
    assert codes <= {"unavailable", "rate_limited"}
    await nurse.hears("chat")
    await patient.state("in_call")
    await nurse.ok("call.end", generation=nurse.snapshot["generation"])
    assert (await patient.state("ended"))["ended"]["reason"] == "done"


async def test_a_client_that_does_not_read_is_dropped(live: Live) -> None:
    """Beyond 200 waiting messages the socket is closed: the next snapshot replaces all of them."""
    page = await live.patient()
    await page.until(lambda shot: True)
    session = live.signaling.sessions.of_person("p", "pat1")
    assert session is not None
    sockets = live.signaling._sockets
    engine_sid = sockets._manager.eio_sid_from_sid(session.sid, "/patient")
    queue = sockets._engine.sockets[engine_sid].queue
    assert await sockets.emit("/patient", session.sid, "closing", Closing(retry_ms=1))
    for _ in range(MAX_WAITING):
        queue.put_nowait(packet.Packet(packet.NOOP))
    assert not await sockets.emit("/patient", session.sid, "closing", Closing(retry_ms=1))
    await page.gone()
    assert not await sockets.emit("/patient", session.sid, "closing", Closing(retry_ms=1))


async def test_a_socket_that_never_connects_is_closed(live: Live) -> None:
    """Opening a websocket is not enough to keep one."""
    sockets = live.signaling._sockets
    async with aiohttp.ClientSession() as session:
        socket = await session.ws_connect(f"{live.url}/live/?EIO=4&transport=websocket")
        await socket.receive_str()
        await sockets.sweep(1000.0)
        await sockets.sweep(1000.0 + CONNECT_WITHIN_S)
        assert not socket.closed
        await sockets.sweep(1001.0 + CONNECT_WITHIN_S)
        async for _message in socket:
            pass
        assert socket.closed
