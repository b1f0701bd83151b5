"""How long each state of a visit or a nurse may last. Given to the pairing script with every call."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Deadlines:
    """All in milliseconds. The order of the fields is the order in which `waiting_room/state.lua` reads them."""

    offer_ms: int = 20_000
    """An offer rings; then the patient goes to the next nurse and this one is away (`no_answer`)."""
    connecting_ms: int = 30_000
    """Accepted, but the media of both sides never came up."""
    suspended_ms: int = 900_000
    """A patient lost in the waiting room keeps the place so long."""
    interrupted_ms: int = 900_000
    """A patient lost in a call keeps the seat so long; the nurse may end before."""
    nurse_lost_ms: int = 60_000
    """A nurse lost in a call; then the patient is first in line, this nurse preferred."""
    nurse_gone_ms: int = 30_000
    """A nurse lost outside of a call keeps the turn so long."""
    away_gone_ms: int = 900_000
    """A nurse on a break whose link is lost is off shift after this."""
    wrapup_ms: int = 120_000
    """After a call no offer rings so long."""
    extension_ms: int = 120_000
    """What *more time* adds to the wrap-up."""
    declined_ms: int = 120_000
    """A nurse who declined a patient is not offered the same patient for so long."""

    def __post_init__(self) -> None:
        """Refuse a deadline that would fire at once or never.

        Raises:
            ValueError: when one is not between 1 ms and 24 h.
        """
        for field in fields(self):
            if not 1 <= getattr(self, field.name) <= 86_400_000:
                raise ValueError(f"{field.name} must be between 1 and 86400000 ms")

    def argument(self) -> str:
        """The form in which the script takes them."""
        return ",".join(str(getattr(self, field.name)) for field in fields(self))
