"""What is wrong gets a typed error, changes nothing, and leaves no words of anybody in the log."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import aiohttp
import pytest
import socketio
from prometheus_client import REGISTRY

from signaling.protocol import CLIENT_EVENTS, MAX_MESSAGE_BYTES
from signaling.tickets import Tickets
from tests.signaling.conftest import KEY, Live
from tests.signaling.live_fakes import CONSENT, Page
from tests.signaling.test_live_calls import in_call, ringing, waiting


def counted(name: str, **labels: str) -> float:
    """The value of a counter."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


TICKETS = Tickets([KEY])
OF_PATIENT = ("pat1", "patient", 3600)


@pytest.mark.parametrize(
    ("auth", "code"),
    [
        (None, "bad_request"),
        ("a string", "bad_request"),
        ({"v": 2, "ticket": "x" * 20}, "bad_request"),
        ({"v": 1}, "bad_request"),
        ({"v": 1, "ticket": "x" * 20, "more": 1}, "bad_request"),
        ({"v": 1, "ticket": 7}, "bad_request"),
        ({"v": 1, "ticket": "x" * 5000}, "bad_request"),
        ({"v": 1, "ticket": "x" * 20}, "ticket_invalid"),
        ({"v": 1, "ticket": Tickets(["f" * 32]).issue("ticket", *OF_PATIENT).token}, "ticket_invalid"),
        ({"v": 1, "ticket": TICKETS.issue("link", *OF_PATIENT).token}, "ticket_invalid"),
        ({"v": 1, "ticket": TICKETS.issue("session", *OF_PATIENT).token}, "ticket_invalid"),
        ({"v": 1, "ticket": TICKETS.issue("ticket", "nur1", "nurse", 3600).token}, "ticket_invalid"),
        ({"v": 1, "ticket": TICKETS.issue("ticket", "nur1", "patient", 3600).token}, "ticket_invalid"),
        ({"v": 1, "ticket": TICKETS.issue("ticket", "zzz", "patient", 3600).token}, "ticket_invalid"),
        ({"v": 1, "ticket": TICKETS.issue("ticket", "pat1", "patient", -60).token}, "ticket_expired"),
        ({"v": 1, "ticket": TICKETS.issue("ticket", *OF_PATIENT).token, "leg": "a b"}, "bad_request"),
        ({"v": 1, "ticket": TICKETS.issue("ticket", *OF_PATIENT).token, "seq": 2**60}, "bad_request"),
    ],
)
async def test_a_connect_that_is_not_right_is_refused(live: Live, auth: object, code: str) -> None:
    """A typed error with the code as message and the whole body as data, and nobody is connected."""
    before = counted("puente_live_connects_total", namespace="/patient", result=code)
    assert await live.page("pat1").refused_connect(auth) == code
    assert counted("puente_live_connects_total", namespace="/patient", result=code) == before + 1
    assert len(live.signaling.sessions) == 0


async def test_connecting_again_and_again_is_slowed_down(live: Live) -> None:
    """A person who connects without end is told when to try again."""
    page = live.page("pat1")
    auth = {"v": 1, "ticket": TICKETS.issue("ticket", *OF_PATIENT).token}
    for _ in range(40):  # ten at once, and one every two seconds
        with contextlib.suppress(socketio.exceptions.ConnectionError):
            await page.connect_with(auth)
            await page.client.disconnect()
        if page.refusal:
            break
    assert page.refusal["data"]["code"] == "rate_limited"
    assert page.refusal["data"]["retry_ms"] > 0


WRONG: list[Any] = [None, 1, "text", [], [{}], {"unknown": 1}, {"generation": "1"}, {"generation": -1}, {"consent": 3}]


async def test_every_event_refuses_what_its_model_does_not_say(live: Live) -> None:
    """Whatever the event, wrong types and unknown fields are a bad request."""
    for person, namespace in (("pat1", "/patient"), ("nur1", "/staff")):
        page = await live.page(person).connect()
        for event in CLIENT_EVENTS[namespace]:
            for data in WRONG[: CLIENT_EVENTS[namespace][event].burst]:
                if data is not None:
                    answer = await page.send(event, data)
                    assert answer["error"]["code"] == "bad_request", (event, data, answer)
        shot = await page.until(lambda shot: True)
        assert shot["state"] in ("new", "offline")


async def test_events_that_do_not_exist_are_refused(live: Live) -> None:
    """Also those that have a meaning inside the library, or belong to the other namespace."""
    page = await live.patient()
    for name in ("nonsense", "connect", "disconnect", "__class__", "trigger_event", "available", "x" * 1000):
        assert await page.refused(name) == "unknown_event"
    assert await page.refused("leave") == "not_allowed"


async def test_what_is_too_long_is_refused(live: Live) -> None:
    """A field longer than the model allows is too large."""
    patient, _ = await in_call(live)
    assert await patient.refused("chat.send", id="line-0001", text="x" * 2001) == "too_large"
    assert await patient.refused("join", consent=CONSENT, reason="x" * 201) == "too_large"


async def test_several_arguments_or_binary_are_refused(live: Live) -> None:
    """An event has one object, and no attachments."""
    page = await live.patient()
    answer = await page.client.call("leave", ({}, {}), namespace="/patient")
    assert answer["error"]["code"] == "bad_request"
    answer = await page.client.call("chat.send", {"id": "line-0001", "text": b"\x00\xff"}, namespace="/patient")
    assert answer["error"]["code"] == "bad_request"
    assert await page.refused("leave") == "not_allowed"


async def test_an_event_sent_too_often_is_refused(live: Live) -> None:
    """Beyond the burst of the registry the client is told when to try again."""
    page = await live.patient()
    answers = [await page.send("leave") for _ in range(6)]
    assert [answer["error"]["code"] for answer in answers] == ["not_allowed"] * 5 + ["rate_limited"]
    assert answers[-1]["error"]["retry_ms"] > 0


async def raw(live: Live, session: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
    """A websocket that speaks Engine.IO by hand."""
    socket = await session.ws_connect(f"{live.url}/live/?EIO=4&transport=websocket", max_msg_size=0)
    assert (await socket.receive_str()).startswith("0")
    return socket


@pytest.mark.parametrize("size", [MAX_MESSAGE_BYTES + 1, 10_000_000])
async def test_a_message_that_is_too_big_closes_the_socket(live: Live, size: int) -> None:
    """The socket is closed (1009 *message too big*, where it is still heard); others do not notice."""
    page = await live.patient()
    before = counted("puente_live_dropped_total", reason="too_large_or_malformed")
    async with aiohttp.ClientSession() as session:
        socket = await raw(live, session)
        with contextlib.suppress(ConnectionError):  # the server does not wait for the end of the ten megabytes
            await socket.send_str("4" + "x" * size)
        async for _message in socket:
            pass
        assert socket.close_code in (1009, 1006)
    assert await page.refused("leave") == "not_allowed"
    assert counted("puente_live_dropped_total", reason="too_large_or_malformed") == before + 1


LINES = [
    "",
    "4",
    "9",
    "4{}",
    '42/patient,"x"',
    "42/patient,[]",
    "42/patient,7[",
    '45-/patient,["x"]',
    "4" + "[" * 60_000,
]
LINES += [
    "40/nowhere,{}",
    "43/patient,1[]",
    "41/patient,",
    "\x00",
    '42/patient,{"a":1}',
    "42/patient,99999999999[null]",
]


@pytest.mark.parametrize("line", LINES)
async def test_rubbish_on_the_wire_harms_nobody(live: Live, line: str) -> None:
    """Whatever is not Socket.IO, before or after connecting, is dropped; a client with it and one beside it live on."""
    page = await live.patient()
    async with aiohttp.ClientSession() as session:
        for connects in (False, True):
            socket = await raw(live, session)
            if connects:
                auth = json.dumps({"v": 1, "ticket": live.tickets.issue("ticket", "pat2", "patient", 60).token})
                await socket.send_str("40/patient," + auth)
                assert (await socket.receive_str()).startswith("40/patient,")
            await socket.send_str(line)
            await socket.send_bytes(b"\x00" * 100)
            await socket.close()
    assert await page.refused("leave") == "not_allowed"


async def test_a_flood_closes_the_socket(live: Live) -> None:
    """More messages than any page sends end the connection."""
    before = counted("puente_live_dropped_total", reason="flood")
    async with aiohttp.ClientSession() as session:
        socket = await raw(live, session)
        for _ in range(1000):
            await socket.send_str("6")
        async for _message in socket:
            pass
        assert socket.close_code == 1008
    assert counted("puente_live_dropped_total", reason="flood") > before


async def test_polling_and_other_origins_are_not_served(live: Live) -> None:
    """Only websockets, only pages of the same origin, and never compressed."""
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{live.url}/live/?EIO=4&transport=polling") as answer:
            assert answer.status == 400
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(
                f"{live.url}/live/?EIO=4&transport=websocket", headers={"Origin": "https://elsewhere.example"}
            )
        socket = await session.ws_connect(
            f"{live.url}/live/?EIO=4&transport=websocket", headers={"Origin": live.url}, compress=15
        )
        assert not socket.compress
        await socket.close()


async def test_a_stale_generation_changes_nothing(live: Live) -> None:
    """Accepting, declining, ending or leaving a call that is not the current one is stale."""
    patient, nurse = await waiting(live), await ringing(live)
    wrong = nurse.snapshot["generation"] + 1
    for event in ("offer.accept", "offer.decline", "call.end"):
        assert await nurse.refused(event, generation=wrong) == "stale"
    assert await patient.refused("away", generation=wrong) == "stale"
    assert (nurse.snapshot["state"], patient.snapshot["state"]) == ("offered", "offered")


async def test_another_ones_call_and_leg_are_out_of_reach(live: Live) -> None:
    """Somebody else's generation, leg and visit are refused, whoever asks."""
    patient, nurse = await in_call(live)
    leg = patient.snapshot["leg"]
    thief, other = await waiting(live, "pat2"), await live.nurse("nur2")
    stolen = {"leg": leg["leg"], "epoch": leg["epoch"]}
    assert await thief.refused("leg.answer", **stolen, restart=0, sdp="answer") == "not_allowed"
    assert await thief.refused("leg.restart", **stolen) == "not_allowed"
    assert await thief.refused("leg.renew", leg=leg["leg"]) == "not_allowed"
    assert await thief.refused("chat.send", id="line-0001", text="hola") == "not_allowed"
    generation = nurse.snapshot["generation"]
    assert await thief.refused("away", generation=generation) == "stale"
    assert await other.refused("call.end", generation=generation) == "stale"
    assert await other.refused("wrapup.done", visit=patient.snapshot["visit"], outcome="guidance") == "not_allowed"
    assert await other.refused("wrapup.extend") == "stale"
    assert (patient.snapshot["state"], nurse.snapshot["call_state"]) == ("in_call", "in_call")


async def test_an_old_leg_of_ones_own_is_stale(live: Live) -> None:
    """An answer to a leg that has been given up comes too late."""
    page = await waiting(live)
    old = page.snapshot["leg"]
    await page.ok("leg.renew", leg=old["leg"])
    await page.until(lambda shot: shot["leg"] and shot["leg"]["leg"] != old["leg"])
    answer = {"leg": old["leg"], "epoch": old["epoch"], "restart": 0, "sdp": "answer"}
    assert await page.refused("leg.answer", **answer) == "stale"


async def test_an_answer_that_the_relay_refuses_is_a_bad_request(live: Live) -> None:
    """The offer stays open and a right answer is still taken."""
    page = await live.patient()
    await page.ok("join", consent=CONSENT)
    shot = await page.until(lambda shot: shot["leg"])
    mine = {"leg": shot["leg"]["leg"], "epoch": shot["leg"]["epoch"], "restart": 0}
    assert await page.refused("leg.answer", **mine, sdp="rubbish") == "bad_request"
    await live.relay.goes_down()
    assert await page.refused("leg.answer", **mine, sdp="answer") == "unavailable"
    await live.relay.goes_down(False)
    await page.ok("leg.answer", **mine, sdp="answer")


async def test_nothing_personal_is_logged(live: Live, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither names nor words nor tickets nor descriptions come into the log, whatever goes wrong."""

    async def fails(*_arguments: object) -> None:
        raise OSError("Full pat1 said secreto")

    patient, nurse = await in_call(live)
    await patient.ok("chat.send", id="line-0001", text="secreto")
    live.journal.outcome = fails  # type: ignore[method-assign]
    await nurse.ok("call.end", generation=nurse.snapshot["generation"])
    shot = await nurse.state("wrapup")
    done = {"visit": shot["wrapup"]["visit"], "outcome": "guidance", "note": "secreto"}
    assert await nurse.refused("wrapup.done", **done) == "unavailable"
    await live.page("pat1").refused_connect({"v": 1, "ticket": "secreto" * 10})
    await _send_raw(live, '42/patient,["secreto"')
    logged = "".join(capfd.readouterr())
    for word in ("secreto", "Full", "Given", "answer", "eyJ"):
        assert word not in logged


async def _send_raw(live: Live, line: str) -> None:
    async with aiohttp.ClientSession() as session:
        socket = await raw(live, session)
        await socket.send_str(line)
        await socket.close()


async def test_the_library_leaves_nothing_behind(live: Live) -> None:
    """After pages have come and gone nothing of them is kept: what the index relies on still holds."""
    for number in range(3):
        page: Page = await live.patient(f"pat{number}")
        await page.close()
        await page.gone()
    manager = live.signaling._sockets._manager
    engine = live.signaling._sockets._engine
    async with aiohttp.ClientSession() as session:
        await (await raw(live, session)).close()
    assert manager._rooms_of == {}
    assert not manager.pending_connect
    assert not manager.pending_disconnect
    assert engine._async["websocket"].__name__ == "BoundedWebSocket"
