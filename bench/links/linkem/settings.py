"""What may be set of one direction of a link, and how values from a command line or a trace become settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Settings:
    """One direction. IP bytes count, no link-layer header: a lone packet of n bytes takes n·8/rate + delay + jitter.

    A drop-tail queue, then serialisation at the rate, then loss (a lost packet has used its time on the air), then
    delay with jitter. Packets never overtake each other, as on a radio bearer that delivers in sequence.
    """

    rate_kbps: float = 0.0
    """0: as fast as it comes."""
    delay_ms: float = 0.0
    """One way."""
    jitter_ms: float = 0.0
    """Standard deviation of the delay (Gaussian, cut at three of them)."""
    jitter_tau_ms: float = 30.0
    """Over how long neighbours have similar delays; 0: each packet's own. Radio schedulers work in tens of ms."""
    loss_pct: float = 0.0
    burst: tuple[float, ...] | None = None
    """Gilbert-Elliott by packet: good→bad %, bad→good %, and loss in the bad state (100 % if left out)."""
    fade: tuple[float, ...] | None = None
    """Gilbert-Elliott by time: mean good ms, mean bad ms, and loss % in a fade (100 if left out)."""
    queue_ms: float = 500.0
    """Bound of waiting and serialisation at the present rate; never less than two packets of 1500 bytes."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None and field.name in {"burst", "fade"}:
                continue
            if field.name in {"burst", "fade"}:
                if not isinstance(value, tuple) or not 2 <= len(value) <= 3 or min(value) < 0:
                    raise ValueError(f"{field.name}: two or three numbers, none negative")
            elif isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
                raise ValueError(f"{field.name}: a number, not negative")

    def changed(self, change: Mapping[str, Any]) -> Settings:
        """These settings with some of them replaced; ValueError for an unknown name or a bad value."""
        if unknown := sorted(set(change) - NAMES):
            raise ValueError(f"unknown setting {', '.join(unknown)} (known: {', '.join(sorted(NAMES))})")
        values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in change.items()}
        return replace(self, **values)


NAMES = frozenset(field.name for field in fields(Settings))
DIRECTIONS = ("up", "down")
"""From the client to the server, and back."""


def parse(items: Sequence[str]) -> dict[str, dict[str, Any]]:
    """`["down.rate_kbps=64", "loss_pct=2"]` as changes by direction; one without a direction holds for both."""
    found: dict[str, dict[str, Any]] = {direction: {} for direction in DIRECTIONS}
    for item in items:
        name, equals, text = item.partition("=")
        where, dot, rest = name.partition(".")
        directions, name = ((where,), rest) if dot else (DIRECTIONS, name)
        if not equals or name not in NAMES or not set(directions) <= set(DIRECTIONS):
            raise ValueError(f"{item!r}: expected [up.|down.]NAME=VALUE with NAME of {', '.join(sorted(NAMES))}")
        numbers = tuple(float(part) for part in text.split(","))
        for direction in directions:
            found[direction][name] = numbers if name in {"burst", "fade"} else numbers[0]
    return found
