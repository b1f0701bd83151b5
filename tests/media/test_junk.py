"""Twenty thousand datagrams of junk from a stranger during a call: a count each, and nothing of the call is lost."""

from __future__ import annotations

import asyncio
import os
import random
import socket

from media.client import RelayClient
from media.control import AnswerLeg, CreateLeg, JoinRoom
from tests.media.client import RawClient, until
from tests.media.conftest import Worker

JUNK = 20_000
BURST, PAUSE_S = 50, 0.005


async def _member(control: RelayClient, leg: str) -> RawClient:
    offer = await control.create_leg(CreateLeg(leg=leg, call="v", epoch=1))
    client = RawClient(offer.sdp)
    await control.answer(leg, AnswerLeg(call="v", epoch=1, restart=0, sdp=client.answer()))
    await client.connect()
    while (await control.leg(leg)).state != "connected":
        await asyncio.sleep(0.01)
    await control.join("v", JoinRoom(call="v", epoch=1, leg=leg))
    return client


def _junk(rng: random.Random, recorded: list[bytes], valid_check: bytes) -> bytes:
    """One datagram: random, empty, huge, cut off, replayed, or a check that somebody recorded and changed."""
    kind = rng.randrange(6)
    if kind == 0:
        return rng.randbytes(rng.randrange(1, 1400))
    if kind == 1:
        return b""
    if kind == 2:
        return bytes([rng.choice([0x80, 0x90, 0x16, 0x00])]) + bytes(rng.randrange(1500, 9000))
    sample = rng.choice([*recorded, valid_check])
    if kind == 3:
        return sample[: rng.randrange(len(sample))]
    if kind == 4:
        return sample if sample is not valid_check else sample[:-1] + b"\0"
    changed = bytearray(sample)
    changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


async def test_junk_costs_counts_and_no_media(control: RelayClient, worker: Worker) -> None:
    """0 of the call's packets are lost, both stay connected, the stranger gets no answer, and every datagram counts."""
    a, b = await _member(control, "v.a"), await _member(control, "v.b")
    before = await control.stats()
    rng = random.Random(20_000)
    recorded = [os.urandom(60)]
    # A check with a wrong password. (One that is valid in every bit would be the browser's own.)
    check = bytes(a.binding_request(pwd="x" * 32))
    sent = media = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.connect(("127.0.0.1", before.port))
        stranger.setblocking(False)
        while sent < JUNK:
            for _ in range(BURST):
                stranger.send(_junk(rng, recorded, check))
                sent += 1
            media += 1
            for client in (a, b):
                client.send_audio(media)
                recorded.append(client.protected(client.video(media, keyframe=media == 1)))
                client.send(recorded[-1])
            await asyncio.sleep(PAUSE_S)
        await until(lambda: len(a.received) == len(b.received) == 2 * media)
        for client in (a, b):
            assert {p[2] << 8 | p[3] for p in client.received} == set(range(1, media + 1))
        after = await control.stats()
        dropped = {reason: n - before.dropped.get(reason, 0) for reason, n in after.dropped.items()}
        assert sum(dropped.values()) == JUNK
        assert set(dropped) >= {"stranger", "empty", "oversized"}
        assert set(dropped) <= {"stranger", "empty", "oversized", "bad_stun", "unknown_ufrag", "stun_auth_failed"}
        try:
            answer = stranger.recv(100)
        except BlockingIOError:
            answer = None
        assert answer is None
    for leg in ("v.a", "v.b"):
        stats = await control.leg(leg)
        assert (stats.state, sum(track.lost for track in stats.received)) == ("connected", 0)
    await a.close()
    await b.close()
