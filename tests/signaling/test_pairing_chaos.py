"""The waiting room while the processes that use it are killed."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest

from signaling.pairing import Pairing
from signaling.store import Store, find_server, open_store
from tests.signaling.pairing_invariants import Room, replay
from tests.signaling.pairing_worker import DEADLINES

WORKERS = 3
KILLS = 12
ENOUGH_S = 20.0
JOINS_BEFORE_DEATH = 4

pytestmark = pytest.mark.skipif(find_server() is None, reason="no redis-server on this machine")


class Herd:
    """Processes that are killed one after the other, each after it has done something, and replaced."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.acknowledged: set[str] = set()
        self.kills = 0

    async def live_and_die(self, place: int, until_s: float) -> None:
        """Keep one place filled until enough have died."""
        while self.kills < KILLS and time.monotonic() < until_s:
            name = f"w{place}.{self.kills}.{time.monotonic_ns()}"
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "tests.signaling.pairing_worker", self._url, name, str(self.kills * 10 + place)),
                stdout=asyncio.subprocess.PIPE,
            )
            assert process.stdout is not None
            try:
                for _ in range(JOINS_BEFORE_DEATH):
                    async with asyncio.timeout_at(asyncio.get_running_loop().time() + until_s - time.monotonic() + 5):
                        line = await process.stdout.readline()
                    assert line, "the worker has died by itself"
                    self.acknowledged.add(line.decode().strip())
            finally:
                process.kill()
            self.kills += 1
            rest = await process.stdout.read()
            self.acknowledged |= set(rest.decode().split("\n")[:-1])
            await process.wait()


async def test_killing_processes_neither_loses_nor_doubles_anybody(tmp_path: Path) -> None:
    """With kill -9 of one after the other the invariants hold at every instant and over the whole audit stream."""
    store: Store = await open_store(None, tmp_path)
    try:
        assert store._server is not None
        herd = Herd(store._server.url)
        pairing = Pairing(store.client, "chaos", DEADLINES)
        until_s = time.monotonic() + ENOUGH_S
        looks = 0
        async with asyncio.TaskGroup() as group:
            dying = [group.create_task(herd.live_and_die(place, until_s)) for place in range(WORKERS)]
            while not all(task.done() for task in dying):
                room = await Room.at_this_instant(store.client, pairing.prefix)
                assert room.faults() == []
                looks += 1
                await asyncio.sleep(0.1)
        assert herd.kills >= WORKERS
        assert looks > WORKERS

        # Nobody is left to come back: time alone must bring every visit to an end with a reason.
        async with asyncio.timeout(20):
            while True:
                await pairing.tick(200)
                room = await Room.at_this_instant(store.client, pairing.prefix)
                assert room.faults() == []
                if all(p["st"] == "ended" for p in room.patients.values()):
                    break
                await asyncio.sleep(0.05)
        joined, ended, faults = replay(await store.client.xrange(pairing.prefix + "ev"))
        assert faults == []
        assert herd.acknowledged <= joined
        assert ended == joined
    finally:
        await store.close()
