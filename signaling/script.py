"""The script of the waiting room, in `waiting_room/`: every transition is one atomic call of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib import resources

from redis.asyncio import Redis
from redis.client import NEVER_DECODE
from redis.exceptions import NoScriptError

from signaling.deadlines import Deadlines

PARTS = ("state", "stills", "matching", "transitions", "operations", "quality", "views", "time")
"""Files of the script, in the order in which each uses what stands before it."""

SCRIPT = "\n".join(
    resources.files("signaling").joinpath("waiting_room", f"{part}.lua").read_text(encoding="utf-8") for part in PARTS
)
SCRIPT_SHA = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()


class Script:
    """The script for one programme.

    Args:
        client: a Redis that decodes to text.
        programme: tenant; its keys share one cluster slot.
        deadlines: how long states last.
        clock: Unix ms; 0 means the server's own clock.

    Every method raises `redis.exceptions.RedisError` when the store does not answer; calling again is safe.
    """

    def __init__(self, client: Redis, programme: str, deadlines: Deadlines, clock: Callable[[], int]) -> None:
        self.client = client
        self.prefix = f"{{tc:{programme}}}:"
        self._deadlines = deadlines.argument()
        self._clock = clock

    async def run(self, operation: str, *arguments: str | bytes) -> object:
        """Call an operation; texts of its answer are decoded."""
        full = (self.prefix, operation, str(self._clock()), self._deadlines, *arguments)
        try:
            return await self.client.evalsha(SCRIPT_SHA, 1, *full)
        except NoScriptError:
            return await self.client.eval(SCRIPT, 1, *full)

    async def run_for_bytes(self, operation: str, *arguments: str) -> object:
        """Call an operation whose answer is bytes as they are, or a number."""
        full = (1, self.prefix, operation, str(self._clock()), self._deadlines, *arguments)
        as_it_is = {NEVER_DECODE: True}
        try:
            return await self.client.execute_command("EVALSHA", SCRIPT_SHA, *full, **as_it_is)  # type: ignore[no-untyped-call]
        except NoScriptError:
            return await self.client.execute_command("EVAL", SCRIPT, *full, **as_it_is)  # type: ignore[no-untyped-call]
