"""Stills from one side of a call to the other, over real sockets and through the store."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from signaling.store import Store
from tests.signaling.conftest import Live, Start
from tests.signaling.live_fakes import FakeRelay, Page
from tests.signaling.test_live_bad_input import counted, raw
from tests.signaling.test_live_calls import in_call, ringing, waiting

PART = 16_384
JPEG = b"\xff\xd8\xff\xc0\x00\x11\x08\x01\xe0\x02\x80" + bytes(range(256)) * 200
"""A baseline frame header of 640x480, and 50 KB that are not text."""
STILL = {"type": "image/jpeg", "width": 640, "height": 480, "kind": "document"}


PLACEHOLDER = '{"data":{"_placeholder":true,"num":0}}'


async def begin(page: Page, still: str = "still-0001", size: int = len(JPEG), **other: Any) -> int:
    """Announce a still; return from where to send."""
    return int((await page.ok("still.begin", id=still, bytes=size, **{**STILL, **other}))["offset"])


async def send(page: Page, still: str = "still-0001", data: bytes = JPEG, offset: int = 0) -> None:
    """Send pieces as they are acknowledged."""
    while offset < len(data):
        answer = await page.ok("still.part", id=still, offset=offset, data=data[offset : offset + PART])
        assert answer["offset"] > offset
        offset = answer["offset"]


async def fetch(page: Page, still: str = "still-0001", max_bytes: int = PART) -> bytes:
    """Fetch all there is."""
    got = b""
    while True:
        piece = (await page.ok("still.want", id=still, offset=len(got), max_bytes=max_bytes))["data"]
        if not piece:
            return got
        assert len(piece) <= max_bytes
        got += piece


async def keys(store: Store) -> list[str]:
    """What the store holds of stills."""
    return [key for letters in ("st", "sm:*", "sd:*", "sl:*") for key in await store.client.keys(f"*:{letters}")]


async def test_a_still_goes_to_the_other_side(live: Live) -> None:
    """It is announced, its progress is shown, and what arrives is what was sent, in pieces of the asked size."""
    patient, nurse = await in_call(live)
    assert await begin(patient) == 0
    view = await nurse.hears("still")
    assert (view["id"], view["bytes"], view["have"], view["kind"]) == ("still-0001", len(JPEG), 0, "document")
    await send(patient)
    await nurse.hears("still", lambda view: view["have"] == len(JPEG))
    assert sum(event == "still" for event, _ in nurse.heard) <= 5
    assert not any(event == "still" for event, _ in patient.heard)
    assert await fetch(nurse) == JPEG
    assert await fetch(nurse, max_bytes=5000) == JPEG


async def test_a_still_is_resumed_from_where_it_broke_off(live: Live) -> None:
    """Beginning again, and a piece that is not the next one, are answered with how much is there."""
    patient, nurse = await in_call(live)
    await begin(patient)
    await patient.ok("still.part", id="still-0001", offset=0, data=JPEG[:PART])
    assert (await patient.ok("still.part", id="still-0001", offset=0, data=JPEG[:PART]))["offset"] == PART
    assert (await patient.ok("still.part", id="still-0001", offset=9, data=b"x"))["offset"] == PART
    again = await live.page("pat1").connect(leg=patient.snapshot["leg"]["leg"])
    await again.state("in_call")
    offset = await begin(again)
    assert offset == PART
    await send(again, offset=offset)
    assert await fetch(nurse) == JPEG


async def test_a_still_crosses_processes_and_is_in_the_snapshot(start: Start, store: Store) -> None:
    """Sender and receiver are at different processes; a page that connects later finds the still in its snapshot."""
    relay = FakeRelay()
    here, there = await start(relay=relay, store=store), await start(relay=relay)
    patient, nurse = await waiting(here), await ringing(there)
    await nurse.ok("offer.accept", generation=nurse.snapshot["generation"])
    await patient.state("in_call")
    await begin(patient)
    await send(patient)
    await nurse.hears("still", lambda view: view["have"] == len(JPEG))
    again = await here.page("nur1").connect(leg=nurse.snapshot["leg"]["leg"])
    [view] = (await again.until(lambda shot: shot["call"] and shot["call"]["stills"]))["call"]["stills"]
    assert (view["id"], view["have"]) == ("still-0001", len(JPEG))
    assert (await patient.state("in_call"))["call"]["stills"] == []
    assert await fetch(again) == JPEG
    await again.ok("call.end", generation=again.snapshot["generation"])
    await patient.state("ended")
    assert await keys(store) == []
    assert await store.client.get(next(iter(await store.client.keys("*:sb")))) == "0"


async def test_asking_for_a_still_or_its_original(live: Live) -> None:
    """The other side hears it; only a still of theirs can be asked for."""
    patient, nurse = await in_call(live)
    await nurse.ok("still.ask", id=None)
    assert (await patient.hears("still.asked"))["id"] is None
    assert await nurse.refused("still.ask", id="still-0001") == "stale"
    await begin(patient)
    await nurse.ok("still.ask", id="still-0001")
    await patient.hears("still.asked", lambda asked: asked["id"] == "still-0001")
    assert await patient.refused("still.ask", id="still-0001") == "stale"


async def test_nobody_else_reaches_a_still(live: Live) -> None:
    """Not one who waits, not the people of another call, not the sender as its receiver, not after the end."""
    patient, nurse = await in_call(live)
    await begin(patient)
    await send(patient)
    want = {"id": "still-0001", "offset": 0}
    other = await waiting(live, "pat2")
    assert await other.refused("still.want", **want) == "not_allowed"
    assert await other.refused("still.begin", id="still-0002", bytes=100, **STILL) == "not_allowed"
    attending = await ringing(live, "nur2")
    assert await attending.refused("still.want", **want) == "not_allowed"
    await attending.ok("offer.accept", generation=attending.snapshot["generation"])
    await other.state("in_call")
    assert await attending.refused("still.want", **want) == "stale"
    assert await other.refused("still.want", **want) == "stale"
    assert await other.refused("still.part", id="still-0001", offset=0, data=JPEG[:PART]) == "stale"
    assert await patient.refused("still.want", **want) == "stale"
    await nurse.ok("call.end", generation=nurse.snapshot["generation"])
    await patient.state("ended")
    assert await nurse.refused("still.want", **want) == "not_allowed"
    assert await patient.refused("still.begin", id="still-0003", bytes=100, **STILL) == "not_allowed"


async def test_what_is_no_picture_or_too_much_is_refused(live: Live) -> None:
    """Other files, another type than announced, more than announced, and an id used for another still."""
    patient, _ = await in_call(live)
    await begin(patient, size=PART)
    part = {"id": "still-0001", "offset": 0}
    assert await patient.refused("still.part", **part, data=b"<svg>" * 20) == "bad_request"
    webp = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\x7f\x02\x00\xdf\x01\x00" + bytes(20)
    assert await patient.refused("still.part", **part, data=webp) == "bad_request"
    assert await patient.refused("still.part", **part, data="text") == "bad_request"
    assert await patient.refused("still.part", **part) == "bad_request"
    await patient.ok("still.part", **part, data=JPEG[: PART - 1])
    assert await patient.refused("still.part", id="still-0001", offset=PART - 1, data=b"ab") == "too_large"
    assert await patient.refused("still.begin", id="still-0001", bytes=PART, **{**STILL, "width": 7}) == "stale"
    assert await patient.refused("still.begin", id="still-0002", bytes=(4 << 20) + 1, **STILL) == "bad_request"
    assert await patient.refused("still.part", id="never-begun", offset=0, data=JPEG[:PART]) == "stale"


async def test_three_stills_and_six_megabytes_of_each_side_are_kept(live: Live) -> None:
    """The oldest of the same side make room; those of the other side are not touched."""
    patient, nurse = await in_call(live)
    await begin(nurse, "still-nurse")
    for number in range(4):
        await begin(patient, f"still-000{number}")
    await nurse.hears("still", lambda view: view["id"] == "still-0003")
    assert await nurse.refused("still.want", id="still-0000", offset=0) == "stale"
    await nurse.ok("still.want", id="still-0001", offset=0)
    await begin(patient, "still-big-1", size=4 << 20)
    await begin(patient, "still-big-2", size=4 << 20)
    for gone in ("still-0003", "still-big-1"):
        assert await nurse.refused("still.want", id=gone, offset=0) == "stale"
    await nurse.ok("still.want", id="still-big-2", offset=0)
    await patient.ok("still.want", id="still-nurse", offset=0)


async def test_who_asked_hears_of_a_no(live: Live) -> None:
    """The other side only, and in a call only."""
    patient, nurse = await in_call(live)
    await nurse.ok("still.ask", id=None)
    await patient.hears("still.asked")
    await patient.ok("still.refuse")
    await nurse.hears("still.refused")
    assert not any(event == "still.refused" for event, _ in patient.heard)
    assert await (await waiting(live, "pat2")).refused("still.refuse") == "not_allowed"


async def test_views_make_room_before_what_was_asked_for(live: Live) -> None:
    """Pictures that come by themselves every few seconds do not push a document out."""
    patient, nurse = await in_call(live)
    await begin(patient, "still-paper")
    for number in range(5):
        await begin(patient, f"still-view{number}", kind="view")
    await nurse.hears("still", lambda view: view["id"] == "still-view4")
    for kept in ("still-paper", "still-view3", "still-view4"):
        await nurse.ok("still.want", id=kept, offset=0)
    assert await nurse.refused("still.want", id="still-view2", offset=0) == "stale"


async def test_all_stills_together_have_a_bound(live: Live) -> None:
    """When the programme's bytes are used up, the oldest still of anybody goes."""
    patient, nurse = await in_call(live)
    await begin(patient)
    client, prefix = live.signaling.pairing.script.client, live.signaling.pairing.prefix
    await client.set(prefix + "sb", 256 << 20)
    await begin(patient, "still-0002")
    assert await nurse.refused("still.want", id="still-0001", offset=0) == "stale"
    await nurse.ok("still.want", id="still-0002", offset=0)


@pytest.mark.parametrize(
    "lines",
    [
        [f'451-/patient,1["still.part",{PLACEHOLDER}]', b"x" * (PART + 1)],
        [f'451-/patient,1["still.part",{PLACEHOLDER}]', "2"],
        [f'451-/patient,1["chat.send",{PLACEHOLDER}]', b"x" * 100, "6", "x" * 70_000],
        [b"x" * 100, "6", "x" * 70_000],
    ],
)
async def test_other_binary_messages_are_dropped(live: Live, lines: list[str | bytes]) -> None:
    """Only the one piece that was announced, and only of a piece's size; the rest is counted and never kept."""
    before = counted("puente_live_dropped_total", reason="binary")
    async with aiohttp.ClientSession() as session:
        socket = await raw(live, session)
        for line in lines:
            await (socket.send_str(line) if isinstance(line, str) else socket.send_bytes(line))
        async for _message in socket:
            pass
    assert counted("puente_live_dropped_total", reason="binary") > before
    assert live.signaling._sockets._server._binary_packet == {}
