"""A page on a link that takes almost nothing."""

from __future__ import annotations

import asyncio
import fcntl
import json
import socket
import struct
import termios
from typing import Any

import aiohttp
import pytest
from engineio import packet

from media.control import AudioShape
from signaling.outqueue import MAX_WAITING_BYTES
from signaling.protocol import QueuePlace
from signaling.protocol_media import AudioView, LimitsView
from signaling.wire import UNSENT_BYTES, WRITE_BUFFER_BYTES
from tests.signaling.conftest import Live
from tests.signaling.live_fakes import CONSENT
from tests.signaling.test_live_calls import in_call, waiting

SMALL_WINDOW = 4096


def limits(number: int) -> LimitsView:
    """Limits that are told apart by when they began."""
    shape = AudioShape(frame_ms=60, bitrate_bps=16_000, red=False, dtx=True)
    audio = AudioView.model_validate(shape.model_dump())
    return LimitsView(rung=1, why="rate", whose="own", audio=audio, video=None, stills_bps=0, since_ms=number)


async def slow_page(
    live: Live, session: aiohttp.ClientSession, person: str = "pat1"
) -> aiohttp.ClientWebSocketResponse:
    """A connected page that from now on reads nothing by itself."""
    page = await session.ws_connect(f"{live.url}/live/?EIO=4&transport=websocket")
    await page.receive_str()
    ticket = live.tickets.issue("ticket", person, "patient", 60).token
    await page.send_str("40/patient," + json.dumps({"v": 1, "ticket": ticket}))
    while not (await page.receive_str()).startswith('42/patient,["snapshot"'):
        pass
    return page


async def test_what_waits_for_a_slow_reader_is_little_and_the_newest(live: Live) -> None:
    """Of thousands of changes a page that reads late gets a few, the newest among them; little waits meanwhile."""

    def connect(address: Any) -> socket.socket:
        family, kind, protocol, *_ = address
        plain = socket.socket(family, kind, protocol)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_WINDOW)
        return plain

    connector = aiohttp.TCPConnector(socket_factory=connect)
    async with aiohttp.ClientSession(connector=connector, read_bufsize=SMALL_WINDOW) as session:
        page = await slow_page(live, session)
        held = live.signaling.sessions.of_person("p", "pat1")
        assert held is not None
        sockets = live.signaling._sockets
        engine_sid = sockets._manager.eio_sid_from_sid(held.sid, "/patient")
        queue = sockets._engine.sockets[engine_sid].queue
        client = page._response.connection.transport
        client.pause_reading()
        sent = 3000
        for number in range(1, sent + 1):
            assert await sockets.emit("/patient", held.sid, "limits", limits(number))
            assert await sockets.emit("/patient", held.sid, "queue", QueuePlace(position=number, waiting=sent))
            await asyncio.sleep(0)
        assert queue.qsize() <= 2
        assert queue.bytes < 1024
        [connection] = [each for each in live.runner.server.connections if each.transport is not None]
        transport = connection.transport
        assert transport is not None
        plain = transport.get_extra_info("socket")
        (unsent,) = struct.unpack("i", fcntl.ioctl(plain.fileno(), termios.TIOCOUTQ, b"\0" * 4))
        assert transport.get_write_buffer_size() <= WRITE_BUFFER_BYTES + 1024
        assert unsent <= UNSENT_BYTES + 1024
        assert plain.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == UNSENT_BYTES
        client.resume_reading()
        heard: list[int] = []
        while not heard or heard[-1] < sent:
            text = await page.receive_str()
            if text.startswith('42/patient,["limits"'):
                heard.append(json.loads(text.partition(",")[2])[1]["since_ms"])
        assert heard == sorted(heard)
        assert len(heard) < sent / 10
        await page.close()


async def test_a_reader_that_asks_for_much_and_takes_nothing_is_dropped(live: Live) -> None:
    """Acknowledgements cannot be replaced by newer ones, so their bytes have a bound."""
    page = await live.patient()
    held = live.signaling.sessions.of_person("p", "pat1")
    assert held is not None
    sockets = live.signaling._sockets
    engine_sid = sockets._manager.eio_sid_from_sid(held.sid, "/patient")
    queue = sockets._engine.sockets[engine_sid].queue
    for _ in range(3):
        queue.put_nowait(packet.Packet(packet.MESSAGE, data=b"x" * (MAX_WAITING_BYTES // 2)))
    await page.gone()


async def test_a_page_whose_media_fell_silent_must_answer(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """A patient who is gone keeps the place but is offered to nobody; one who answers stays in line."""
    monkeypatch.setattr("signaling.sockets.PROBE_WITHIN_S", 0.3)
    page = await waiting(live)
    async with aiohttp.ClientSession() as session:
        other = await slow_page(live, session, "pat2")
        await other.send_str('42/patient,1["join",' + json.dumps({"consent": CONSENT}) + "]")
        text = ""
        while '"sdp":"offer' not in text:
            text = await other.receive_str()
        for leg in list(live.relay.legs):
            await live.relay.says(leg, "silent")
        pairing = live.signaling.pairing
        async with asyncio.timeout(5):
            while (await pairing.queue(["general"], ["es"])).waiting != 1:
                await asyncio.sleep(0.02)
        view = await pairing.patient("pat2")
        assert view.visit is not None
        assert view.visit.state == "suspended"
        assert page.is_connected
        await other.close()


async def test_a_page_that_connects_is_offered_its_leg_at_once(live: Live) -> None:
    """After the websocket is open one round trip brings the snapshot with the offer: nothing else need be asked."""
    patient, _ = await in_call(live)
    async with aiohttp.ClientSession() as session:
        page = await session.ws_connect(f"{live.url}/live/?EIO=4&transport=websocket")
        assert (await page.receive_str()).startswith("0")
        ticket = live.tickets.issue("ticket", "pat1", "patient", 60).token
        await page.send_str("40/patient," + json.dumps({"v": 1, "ticket": ticket, "leg": None}))
        assert (await page.receive_str()).startswith("40/patient,")
        text = await page.receive_str()
        event, snapshot = json.loads(text.partition(",")[2])
        assert event == "snapshot"
        assert snapshot["leg"]["sdp"].startswith("offer")
        assert snapshot["leg"]["leg"] != patient.snapshot["leg"]["leg"]
        await page.close()
