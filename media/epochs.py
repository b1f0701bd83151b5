"""The highest epoch seen for each leg, so that a request that was delayed on its way cannot undo a later one."""

from __future__ import annotations

from collections import OrderedDict

from media.refusal import Refused

MAX_EPOCHS = 8192
"""Leg names remembered, the least recently changed forgotten first."""


class Epochs:
    """Epochs by leg name, bounded."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        """Return how many names are remembered."""
        return len(self._seen)

    def check(self, leg: str, epoch: int) -> None:
        """Raise Refused if a later epoch of this leg was seen."""
        if epoch < self._seen.get(leg, 0):
            raise Refused("stale_epoch")

    def note(self, leg: str, epoch: int) -> None:
        """Remember the epoch of a leg."""
        self._seen[leg] = epoch
        self._seen.move_to_end(leg)
        if len(self._seen) > MAX_EPOCHS:
            self._seen.popitem(last=False)
