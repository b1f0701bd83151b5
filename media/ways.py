"""What the relay knows of the links on a picture's way: the words in which estimators speak to the controller."""

from __future__ import annotations

from dataclasses import dataclass

CONGESTED_QUEUE_S = 0.25
"""A queue that long is no jitter: more is sent than the link carries."""


@dataclass(frozen=True, slots=True)
class Way:
    """One direction of one leg's link, as the relay estimates it."""

    rate_bps: int | None
    """What it carries in all, IP bytes; None: no idea. It must not sink only because little is sent."""
    known: bool
    """The rate was found by traffic or probes, and is not a mere starting value."""
    loss: float = 0.0
    queue_s: float = 0.0
    """How much later than without a queue packets arrive, the relay's own queue included."""
    overusing: bool = False
    jitter_s: float = 0.0
    rtt_s: float = 0.0
    remb_bps: int | None = None
    """What a receiver without transport-wide feedback asks for; used where `rate_bps` is None."""

    def carries_bps(self) -> int | None:
        """Return the rate, or the receiver's own idea of it where there is none."""
        return self.rate_bps if self.rate_bps is not None else self.remb_bps


@dataclass(frozen=True, slots=True)
class Receiver:
    """One who hears and sees the sender."""

    key: str
    downlink: Way
    share_bps: int | None
    """What this downlink has for this sender, its voice INCLUDED and after everybody else's (`allocation.Share.bps`;
    with one sender simply the downlink's rate). None: not known."""
    concealed: float | None = None
    """As the receiver's page reported it of this sender or of all it hears."""
    copies: int = 0
    """How often the relay repeats each voice packet there (`allocation.repeats`)."""
    shown: bool = True
    """The allocation shows this sender's picture there (`allocation.Share.shown`)."""
    wants_video: bool = True
    """As the receiver's page reported it of its own sending; tells whose choice voice only was."""
    fell: bool = False
    """The way there has just become far thinner, and nothing is known of it yet but that."""
