"""The longest packet that a path carries whole, by bisection (RFC 8899's idea; the relay's feedback is the answer)."""

from __future__ import annotations

SIZES = (
    1500,
    1492,
    1480,
    1472,
    1460,
    1440,
    1420,
    1400,
    1380,
    1358,
    1340,
    1320,
    1300,
    1280,
    1240,
    1200,
    1100,
    1000,
    800,
    576,
)
"""IP packets worth telling apart: Ethernet, PPPoE, tunnels within tunnels, mobile networks, IPv6's least, and what a
browser's packets of pictures need (1200)."""

TRIES = 2
"""Of each size, with two packets each time: four lost in a row are 1 in 100 at 30 % loss."""


class MtuSearch:
    """Ask for `size`, say whether it came through, until `over`."""

    def __init__(self) -> None:
        self._low = len(SIZES)  # index of the largest that came through
        self._high = -1  # index of the smallest that did not
        self._tried = 0
        self._at = 0  # most paths carry the largest: it is asked for first

    @property
    def over(self) -> bool:
        """Whether nothing is left to ask."""
        return self._low - self._high <= 1

    @property
    def size(self) -> int:
        """The size to try now: of a whole IP packet, in bytes."""
        return SIZES[self._at]

    @property
    def found(self) -> int | None:
        """The largest that came through; None if none has."""
        return SIZES[self._low] if self._low < len(SIZES) else None

    def answered(self) -> None:
        """The size came through."""
        self._low = self._at
        self._move()

    def refused(self) -> None:
        """This host would not even send it."""
        self._high = self._at
        self._move()

    def missed(self) -> None:
        """It did not come through this time."""
        self._tried += 1
        if self._tried >= TRIES:
            self.refused()

    def _move(self) -> None:
        self._tried = 0
        self._at = (self._low + self._high) // 2
