"""A signalling process without sockets, to be killed: beats, ticks, takes random steps; prints acknowledged joins.

Usage: python -m tests.signaling.pairing_worker <redis url> <process> <seed>
"""

from __future__ import annotations

import asyncio
import random
import sys
import time

from redis.asyncio import Redis

from signaling.deadlines import Deadlines
from signaling.pairing import Pairing
from tests.signaling.pairing_steps import STEPS, Steps

DEADLINES = Deadlines(
    offer_ms=300,
    connecting_ms=300,
    suspended_ms=1200,
    interrupted_ms=1200,
    nurse_lost_ms=500,
    nurse_gone_ms=300,
    away_gone_ms=1500,
    wrapup_ms=200,
    extension_ms=200,
    declined_ms=400,
)
PATIENTS, NURSES = 24, 8
LEASE_MS = 600


async def work(url: str, process: str, seed: int) -> None:
    """Run until killed."""
    pairing = Pairing(Redis.from_url(url, decode_responses=True), "chaos", DEADLINES)
    steps = Steps(pairing, process, random.Random(seed), PATIENTS, NURSES)
    printed: set[str] = set()
    beat_s = 0.0
    while True:
        if time.monotonic() - beat_s > LEASE_MS / 5000:
            await pairing.beat(process, LEASE_MS)
            await pairing.tick(20)
            beat_s = time.monotonic()
        await steps.take(steps.chance.choice(STEPS))
        for visit in steps.joined - printed:
            sys.stdout.write(visit + "\n")
            sys.stdout.flush()
            printed.add(visit)


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], sys.argv[2], int(sys.argv[3])))
