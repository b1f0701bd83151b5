"""Who somebody is, remembered for a short while."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from signaling.ports import Directory, Person

FRESH_S = 30.0
KEPT = 5000


class People:
    """The directory with a short memory: a snapshot needs the other side's name, and there are many snapshots."""

    def __init__(self, directory: Directory, clock: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, Person | None]] = OrderedDict()

    async def now(self, person_id: str) -> Person | None:
        """Ask the directory itself."""
        person = await self._directory.person(person_id)
        self._known[person_id] = (self._clock(), person)
        self._known.move_to_end(person_id)
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
        return person

    async def person(self, person_id: str) -> Person | None:
        """The person as of at most `FRESH_S` ago."""
        known = self._known.get(person_id)
        if known is not None and self._clock() - known[0] < FRESH_S:
            return known[1]
        return await self.now(person_id)
