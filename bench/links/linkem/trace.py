"""What happens to a link with time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bench.links.linkem.settings import DIRECTIONS, Settings


@dataclass(frozen=True, slots=True)
class Event:
    """A change of settings, a cut, or both at once, `at_s` after the trace began."""

    at_s: float
    directions: tuple[str, ...] = DIRECTIONS
    change: Mapping[str, Any] = field(default_factory=dict)
    cut_s: float = 0.0
    hold: bool = False
    """Whether a cut keeps what is sent meanwhile in the queue (a stall) or loses it."""

    def __post_init__(self) -> None:
        Settings().changed(self.change)
        if self.at_s < 0 or self.cut_s < 0 or not set(self.directions) <= set(DIRECTIONS):
            raise ValueError(f"bad event {self}")


@dataclass(frozen=True, slots=True)
class Trace:
    """Events in the order of their times, over and over if it loops."""

    events: Sequence[Event] = ()
    loop_s: float | None = None

    def __post_init__(self) -> None:
        times = [event.at_s for event in self.events]
        if times != sorted(times) or (self.loop_s is not None and times and times[-1] > self.loop_s):
            raise ValueError("events must be in order, and within the loop")

    def shifted(self, by_s: float) -> Trace:
        """The same events later (earlier: negative)."""
        return replace(self, events=tuple(replace(event, at_s=event.at_s + by_s) for event in self.events))

    @property
    def ends_s(self) -> float:
        """When the last cut of a trace that does not loop is over."""
        return max((event.at_s + event.cut_s for event in self.events), default=0.0)

    def to_json(self) -> dict[str, Any]:
        """For the emulator's process."""
        return {
            "loop_s": self.loop_s,
            "events": [
                {"at_s": e.at_s, "directions": e.directions, "change": dict(e.change), "cut_s": e.cut_s, "hold": e.hold}
                for e in self.events
            ],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Trace:
        """What `to_json` wrote, or a person by hand; ValueError or TypeError where it is not a trace."""
        events = [
            Event(**{**event, "directions": tuple(event.get("directions", DIRECTIONS))}) for event in value["events"]
        ]
        return cls(tuple(events), value.get("loop_s"))
