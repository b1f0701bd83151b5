"""Background work of a process: every task is known, has an end, and its failures are counted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from signaling.metrics import LOOP_FAILURES

log = structlog.get_logger(__name__)

FIRST_PAUSE_S = 0.1
LAST_PAUSE_S = 5.0


class Loops:
    """The tasks of a process, so that stopping it stops them all."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_stopped = False

    def repeat(self, name: str, turn: Callable[[], Awaitable[None]]) -> None:
        """Run `turn` again and again; after a failure with a pause that grows to `LAST_PAUSE_S`."""
        self._start(name, self._repeat(name, turn))

    def once(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` beside everything else."""
        self._start(name, self._once(name, work))

    def _start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        if self._is_stopped:
            work.close()
            return
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _repeat(self, name: str, turn: Callable[[], Awaitable[None]]) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._is_stopped:
            try:
                await turn()
                pause_s = FIRST_PAUSE_S
            except Exception as error:
                # The edge of the loop: whatever it was, the next turn may do better. Only the kind is logged, since the
                # text of an error may hold what a client sent.
                LOOP_FAILURES.labels(name).inc()
                log.warning("live.loop_failed", loop=name, error=type(error).__name__)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, LAST_PAUSE_S)

    async def _once(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:
            LOOP_FAILURES.labels(name).inc()
            log.warning("live.task_failed", task=name, error=type(error).__name__)

    async def stop(self) -> None:
        """Cancel everything and wait for its end. Nothing starts any more."""
        self._is_stopped = True
        while self._tasks:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            # Said again when it was not heard: redis-py swallows a cancellation that comes while it connects.
            await asyncio.wait(tasks, timeout=0.5)

    def __len__(self) -> int:
        return len(self._tasks)
