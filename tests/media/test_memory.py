"""What a leg costs in memory, and that all of it comes back."""

from __future__ import annotations

import asyncio
import gc
import weakref

from media.client import RelayClient
from media.control import AnswerLeg, CloseLeg, CreateLeg, JoinRoom
from media.history import MAX_BYTES
from media.relay import Relay
from tests.media.client import RawClient, joined, until

AT_A_TIME = 20
LEG_BYTES = 600_000


async def _legs(control: RelayClient, first: int, count: int) -> dict[str, RawClient]:
    """Connected legs, two in each room."""
    clients: dict[str, RawClient] = {}
    for number in range(first, first + count):
        leg, call = f"m{number}", f"m{number // 2}"
        offer = await control.create_leg(CreateLeg(leg=leg, call=call, epoch=1))
        client = clients[leg] = RawClient(offer.sdp)
        await control.answer(leg, AnswerLeg(call=call, epoch=1, restart=0, sdp=client.answer()))
        await client.connect()
        while (await control.leg(leg)).state != "connected":
            await asyncio.sleep(0.002)
        await control.join(call, JoinRoom(call=call, epoch=1, leg=leg))
    return clients


async def _fill_histories(clients: dict[str, RawClient]) -> None:
    """Send from each leg more video than a history keeps."""
    for sequence in range(MAX_BYTES // 800 + 60):
        for client in clients.values():
            client.send_video(sequence, keyframe=sequence == 0)
        if sequence % 4 == 0:
            await asyncio.sleep(0.002)
    await until(lambda: all(client.received for client in clients.values()))


async def _end(control: RelayClient, clients: dict[str, RawClient]) -> None:
    for leg, client in clients.items():
        await control.close(leg, CloseLeg(call=f"m{int(leg[1:]) // 2}", epoch=1))
        await client.close()


async def test_two_hundred_legs_come_and_go(control: RelayClient) -> None:
    """A leg with a full history is within 0.6 MB; after 200 legs the worker is back at its base, tables empty."""
    await _end(control, await _legs(control, 0, AT_A_TIME))  # what is loaded and allocated once
    base = (await control.stats()).rss_bytes
    clients = await _legs(control, 100, AT_A_TIME)
    await _fill_histories(clients)
    full = (await control.stats()).rss_bytes
    assert (full - base) / AT_A_TIME < LEG_BYTES
    await _end(control, clients)
    after = (await control.stats()).rss_bytes
    for round_number in range(9):
        await _end(control, await _legs(control, 200 + round_number * AT_A_TIME, AT_A_TIME))
    stats = await control.stats()
    assert (stats.legs, stats.rooms) == (0, 0)
    # Freed memory is in part kept by the allocator; a leak of 20 KB a leg would show.
    assert stats.rss_bytes - after < 180 * 20_000


async def test_nothing_of_a_leg_is_left(relay: Relay) -> None:
    """Whether it was closed, left, or never connected: no table, no timer, no task and no object of it remains."""
    a, b = await joined(relay, "room", "a"), await joined(relay, "room", "b")
    c = await joined(relay, "room", "c", connect=False)
    for sequence in (1, 2, 5):
        a.send_video(sequence)
    await until(lambda: len(b.received) == 3)
    kept = [weakref.ref(thing) for leg in relay.legs.values() for thing in (leg, leg.dtls)]
    assert relay._asking.waits
    for leg in "abc":
        relay.close_leg(leg, CloseLeg(call="call", epoch=1))
    await relay.settled()
    assert not (relay.legs or relay.rooms or relay._by_ufrag or relay._endings or relay._asking.waits)
    assert not (relay.plane.with_holes or relay.plane.addresses or any(relay._buckets))
    await until(lambda: gc.collect() is not None and not any(ref() for ref in kept))
    for client in (a, b, c):
        await client.close()
