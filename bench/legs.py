"""What a leg costs without its packets: memory while it stands and after it went, and the CPU to set it up."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Sequence

from bench.client import Client
from bench.figures import Row, Unfit, at_most, spread
from bench.forwarding import connected
from bench.janus import Janus
from bench.load import Load
from bench.machine import cpu_ns, rss_bytes
from bench.relay import Relay

MB = 1e6
LEGS = 200
LEG_LIMIT_MB = 0.6
LEFT_LIMIT_MB_PER_LEG = 0.06
"""A tenth of what a leg may have. Allocators keep some pages; a leak would add the same again in the second round."""

WARM_UP_LEGS = 20
FILL_S = 6.0
FILL_FRAME_S, FILL_AUDIO_S = 0.041, 0.2
"""73 video packets a second: 207 within the 3 s of a history, 0.2 MB. Little audio, of which nothing is kept."""

FILL_TRIES = 3
LEAST_RETURNED = 0.95  # full histories are asked for here, not an exact count
SET_UP_LEGS, SET_UP_ROUNDS = 40, 3
FREED_TIMEOUT_S = 10.0
SETTLE_S = 3.0
"""A worker gives memory back a moment after the last leg went."""


async def _disconnect(server: Relay | Janus, clients: list[Client]) -> None:
    for client in clients:
        await server.disconnect(client)
    deadline = asyncio.get_running_loop().time() + FREED_TIMEOUT_S
    while isinstance(server, Relay) and (await server.stats()).legs:
        if asyncio.get_running_loop().time() > deadline:
            raise Unfit("legs that were closed are still there")
        await asyncio.sleep(0.05)
    await asyncio.sleep(SETTLE_S)


async def _fill(server: Relay | Janus, load: Load, seconds: float) -> None:
    """Let media flow until a run came through whole: a server that was held up kept less than it would."""
    for _ in range(FILL_TRIES):
        outcome = await load.run(seconds)
        if outcome.returned_share >= LEAST_RETURNED:
            return
    raise Unfit(f"only {outcome.returned_share:.1%} of the packets came back from {server.name}")


async def _round(server: Relay | Janus, legs: int, fill_s: float) -> tuple[int, int]:
    """Resident bytes with so many legs after `fill_s` of media, and after they went."""
    with Load(await connected(server, legs, FILL_FRAME_S, FILL_AUDIO_S)) as load:
        await _fill(server, load, fill_s)
        full = rss_bytes(server.pid)
        await _disconnect(server, load.clients)
    return full, rss_bytes(server.pid)


async def memory() -> Sequence[Row]:
    """The section `memory`: 200 legs with full histories, twice over for the relay."""
    async with Relay() as relay:
        _, base = await _round(relay, WARM_UP_LEGS, 1.0)  # loads what a first leg loads
        full, after = await _round(relay, LEGS, FILL_S)
        _, again = await _round(relay, LEGS, FILL_S)
    async with Janus() as janus:
        _, janus_base = await _round(janus, WARM_UP_LEGS, 1.0)
        janus_full, janus_after = await _round(janus, LEGS, FILL_S)
    note = f"{LEGS} legs in calls of two, {FILL_S:.0f} s of media"
    left = max(after - base, 0) / MB
    return [
        Row("relay, base", f"{base / MB:.1f} MB", note=f"after {WARM_UP_LEGS} first legs came and went"),
        at_most("relay, a leg with its history", (full - base) / LEGS / MB, LEG_LIMIT_MB, "MB", note=note),
        at_most(f"relay, left after {LEGS} legs went", left, LEFT_LIMIT_MB_PER_LEG * LEGS, "MB",
                note=f"{after / MB:.1f} MB"),
        at_most(f"relay, left by {LEGS} more", max(again - after, 0) / MB, LEFT_LIMIT_MB_PER_LEG * LEGS / 4, "MB",
                note=f"{again / MB:.1f} MB: a leak would show here again"),
        Row("Janus, a handle", f"{(janus_full - janus_base) / LEGS / MB:.2f} MB", note=note),
        Row(f"Janus, left after {LEGS} handles went", f"{(janus_after - janus_base) / MB:.1f} MB",
            note=f"{janus_after / MB:.1f} MB"),
    ]  # fmt: skip


async def _set_up_ms(server: Relay | Janus) -> float:
    before = cpu_ns(server.pid)
    clients = await connected(server, SET_UP_LEGS)
    took = cpu_ns(server.pid) - before
    await _disconnect(server, clients)
    for client in clients:
        client.close()
    return took / SET_UP_LEGS / 1e6


async def set_up() -> Sequence[Row]:
    """The section `setup`: control requests, ICE check, DTLS, SRTP keys and join, one leg after another."""
    relay_ms: list[float] = []
    janus_ms: list[float] = []
    async with Relay() as relay, Janus() as janus:
        await _set_up_ms(relay)
        await _set_up_ms(janus)
        for _ in range(SET_UP_ROUNDS):
            relay_ms.append(await _set_up_ms(relay))
            janus_ms.append(await _set_up_ms(janus))
    ratio = statistics.median(relay_ms) / statistics.median(janus_ms)
    return [
        Row("relay, CPU to set up a leg", f"{spread(relay_ms)} ms", note="create, answer, ICE, DTLS, join",
            values=relay_ms),
        Row("Janus, CPU to set up a handle", f"{spread(janus_ms)} ms", note="attach, offer, ICE, DTLS",
            values=janus_ms),
        Row("relay / Janus", f"{ratio:.2f}", values=[ratio]),
    ]  # fmt: skip
