"""What Puente must reach on each link, as data, and the judging of cells by it."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.links.result import WAYS, Cell

LINKS = (
    "good-4g",
    "3g-rural",
    "leo-satellite",
    "geo-satellite",
    "sat-256k",
    "edge-2g",
    "64k-5loss",
    "30-loss",
    "outage-10s",
    "outage-60s",
    "changing",
)
"""Those that are measured, in the order of the tables."""
OURS = "puente"
BESIDE = ("janus", "janus-capped")


@dataclass(frozen=True)
class Bound:
    """A limit of one figure of a direction. A figure that is missing does not keep it."""

    figure: str
    at_least: float | None = None
    at_most: float | None = None

    def kept(self, value: float | None) -> bool:
        """Whether a value is inside."""
        if value is None:
            return False
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    def __str__(self) -> str:
        return (
            f"{self.figure} ≥ {self.at_least:g}" if self.at_least is not None else f"{self.figure} ≤ {self.at_most:g}"
        )


@dataclass(frozen=True)
class Goal:
    """Any of these bounds has to be kept, in these directions."""

    any_of: tuple[Bound, ...]
    ways: tuple[str, ...] = WAYS


def least(figure: str, value: float, *ways: str) -> Goal:
    """A goal with one lower bound."""
    return Goal((Bound(figure, at_least=value),), ways or WAYS)


def most(figure: str, value: float, *ways: str) -> Goal:
    """A goal with one upper bound."""
    return Goal((Bound(figure, at_most=value),), ways or WAYS)


def _voice(stoi: float, pesq: float) -> tuple[Goal, ...]:
    return (least("stoi", stoi), least("pesq", pesq))


GOALS: Mapping[str, tuple[Goal, ...]] = {
    "good-4g": (*_voice(0.97, 3.6), least("fps", 24), least("width_px", 640), least("height_px", 480),
                most("frozen_pct", 0)),
    "3g-rural": (*_voice(0.95, 3.4), least("fps", 12, "up"), least("fps", 20, "down"), most("frozen_pct", 2)),
    "leo-satellite": (),
    "geo-satellite": (*_voice(0.96, 3.3), least("fps", 12), most("frozen_pct", 3)),
    "sat-256k": (*_voice(0.95, 3.1), least("fps", 12), most("frozen_pct", 5)),
    "edge-2g": (*_voice(0.90, 2.4), most("concealed_pct", 4),
                Goal((Bound("fps", at_least=5), Bound("still_gap_s", at_most=10)))),
    "64k-5loss": (*_voice(0.90, 2.2), most("concealed_pct", 4),
                  Goal((Bound("still_gap_s", at_most=10), Bound("fps", at_least=1)))),
    "30-loss": (*_voice(0.90, 2.2), most("longest_gap_ms", 100), most("frozen_pct", 20)),
    "outage-10s": (most("voice_back_ms", 500), most("picture_back_ms", 1000), most("latency_back_p95_ms", 1000)),
    "outage-60s": (most("voice_back_ms", 5000), most("picture_back_ms", 5000)),
    "changing": (most("concealed_pct", 5), most("longest_gap_ms", 500), most("step_down_s", 2)),
}  # fmt: skip
"""By the patient's link, the nurse on good-4g. `leo-satellite` is held to the voice's lag and to the other columns."""

LAG_MS = 250.0
LAG_MORE_MS: Mapping[str, float] = {"edge-2g": 350.0, "64k-5loss": 350.0}
"""Mouth to ear beyond the links' own one-way delay."""
NO_LAG_GOAL = frozenset({"changing"})
"""A link that falls to a thirtieth has its queue full at once: there the silences are what is asked for."""
FLAPS = 0
"""Rises of the rung that are taken back at once, in the changing trace."""
AS_GOOD_STOI, AS_GOOD_PESQ = 0.01, 0.1
"""Two runs of one thing differ by this much, so less is no difference."""
SHOWS_FPS = 1.0
"""A server shows a picture from this on."""


@dataclass(frozen=True)
class Verdict:
    """One goal against the median of what was measured."""

    link: str
    way: str
    asked: str
    measured: float | None
    met: bool

    def __str__(self) -> str:
        value = "-" if self.measured is None else f"{self.measured:g}"
        return f"{self.link} {self.way}: {self.asked}: {value} {'met' if self.met else 'NOT MET'}"


def fit(cells: Sequence[Cell]) -> list[Cell]:
    """The valid ones; all where none is."""
    return [cell for cell in cells if cell.valid] or list(cells)


def median(cells: Sequence[Cell], way: str, figure: str) -> float | None:
    """Of a figure over cells; one that is missing in half of them or more is missing."""
    values = [getattr(cell.way(way), figure) for cell in cells]
    known = [float(value) for value in values if value is not None]
    return statistics.median(known) if known and 2 * len(known) > len(values) else None


def judge(link: str, cells: Sequence[Cell], beside: Mapping[str, Sequence[Cell]]) -> list[Verdict]:
    """Puente's cells of a link by the goals, and by the other columns' cells of it."""
    return [*_absolute(link, cells), *_compared(link, cells, beside)] if cells else []


def _absolute(link: str, cells: Sequence[Cell]) -> Iterator[Verdict]:
    held = statistics.mean(cell.held for cell in cells)
    yield Verdict(link, "both", "the call holds", held, held == 1)
    for goal in GOALS.get(link, ()):
        for way in goal.ways:
            values = [median(cells, way, bound.figure) for bound in goal.any_of]
            kept = [bound.kept(value) for bound, value in zip(goal.any_of, values, strict=True)]
            shown = values[kept.index(True)] if any(kept) else values[0]
            yield Verdict(link, way, " or ".join(map(str, goal.any_of)), shown, any(kept))
    for way in WAYS if link not in NO_LAG_GOAL else ():
        bound = Bound("lag_ms", at_most=cells[0].one_way_ms[way] + LAG_MS + LAG_MORE_MS.get(link, 0.0))
        lag = median(cells, way, "lag_ms")
        yield Verdict(link, way, str(bound), lag, bound.kept(lag))
    if link == "changing":
        flaps = statistics.median(cell.flaps for cell in cells)
        yield Verdict(link, "both", f"flaps ≤ {FLAPS}", flaps, flaps <= FLAPS)


def _compared(link: str, cells: Sequence[Cell], beside: Mapping[str, Sequence[Cell]]) -> Iterator[Verdict]:
    for way in WAYS:
        for figure, tolerance in (("stoi", AS_GOOD_STOI), ("pesq", AS_GOOD_PESQ)):
            theirs = {name: value for name, them in beside.items() if (value := median(them, way, figure)) is not None}
            if theirs:
                best = max(theirs, key=lambda name: theirs[name])
                ours = median(cells, way, figure)
                asked = f"{figure} as good as {best}'s {theirs[best]:g}"
                yield Verdict(link, way, asked, ours, ours is not None and ours >= theirs[best] - tolerance)
        shows = [name for name, them in beside.items() if (median(them, way, "fps") or 0) >= SHOWS_FPS]
        if shows:
            fps = median(cells, way, "fps")
            yield Verdict(link, way, f"shows a picture as {shows[0]} does", fps, (fps or 0) >= SHOWS_FPS)
