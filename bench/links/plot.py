"""A picture of one link: what each server sent into it, and what came of it, second by second, as SVG."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.links.linkem.profiles import profile
from bench.links.result import LISTENER, WAYS, Cell

COLOURS = {"puente": "#0b6e5d", "janus": "#c0392b", "janus-capped": "#d68910"}
OTHER_COLOUR = "#555"
FONT = 'font-family="sans-serif" font-size="11"'
LEFT, TOP, GAP = 52, 54, 26
WIDE, HIGH = 380, 96
"""Of a panel."""
PANELS = 4
WIDTH = LEFT + 2 * WIDE + 3 * GAP
HEIGHT = TOP + PANELS * (HIGH + GAP) + 18
TOP_RUNG = 5
TITLES = {"up": "patient → nurse", "down": "nurse → patient"}
Point = tuple[float, float]


@dataclass(frozen=True)
class Panel:
    """Where a panel is, and which values it spans."""

    x: float
    y: float
    from_s: float
    to_s: float
    highest: float

    def place(self, at_s: float, value: float) -> str:
        """A point on the page."""
        x = self.x + (at_s - self.from_s) / (self.to_s - self.from_s) * WIDE
        y = self.y + HIGH - min(1.0, max(0.0, value / self.highest)) * HIGH
        return f"{x:.0f},{y:.1f}"

    def line(self, points: Sequence[Point], style: str) -> str:
        """A polyline through points inside the panel."""
        inside = [self.place(*point) for point in points if self.from_s <= point[0] <= self.to_s]
        return f'<polyline points="{" ".join(inside)}" {style}/>' if inside else ""


def svg(link: str, cells: Mapping[str, Cell]) -> str:
    """The picture of a link by the cells of its servers."""
    longest = max(cells.values(), key=lambda cell: cell.secs)
    from_s, to_s = -longest.warm_s, longest.secs
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {FONT}>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="18" font-size="15">{html.escape(link)}</text>',
        *_legend(cells),
    ]
    for column, way in enumerate(WAYS):
        x = LEFT + column * (WIDE + 2 * GAP)
        parts.append(f'<text x="{x}" y="{TOP - 8}">{TITLES[way]}</text>')
        for row, (title, series, highest) in enumerate(_panels(link, way, cells, from_s, to_s)):
            panel = Panel(x, TOP + row * (HIGH + GAP), from_s, to_s, highest)
            parts += _frame(panel, title if column == 0 else "")
            parts += [panel.line(points, style) for points, style in series]
        for at in _ticks(from_s, to_s):
            middle = x + WIDE * (at - from_s) / (to_s - from_s)
            parts.append(f'<text x="{middle:.0f}" y="{HEIGHT - 8}" text-anchor="middle">{at:g} s</text>')
    return "\n".join(part for part in [*parts, "</svg>"] if part) + "\n"


def _ticks(from_s: float, to_s: float) -> list[float]:
    step = 10 if to_s - from_s < 100 else 60
    return [float(at) for at in range(math.ceil(from_s / step) * step, int(to_s) + 1, step)]


def _legend(cells: Mapping[str, Cell]) -> list[str]:
    x, parts = LEFT + 200, []
    for server in cells:
        parts.append(f'<rect x="{x}" y="9" width="14" height="4" fill="{_colour(server)}"/>')
        parts.append(f'<text x="{x + 18}" y="16">{html.escape(server)}</text>')
        x += 110
    parts.append(f'<text x="{x}" y="16" fill="#888">- - the link carries</text>')
    return parts


def _colour(server: str) -> str:
    return COLOURS.get(server, OTHER_COLOUR)


def _frame(panel: Panel, title: str) -> list[str]:
    zero = panel.place(0, 0).partition(",")[0]
    return [
        f'<rect x="{panel.x}" y="{panel.y}" width="{WIDE}" height="{HIGH}" fill="none" stroke="#ccc"/>',
        f'<line x1="{zero}" x2="{zero}" y1="{panel.y}" y2="{panel.y + HIGH}" stroke="#ccc"/>',
        f'<text x="{panel.x - 4}" y="{panel.y + 9}" text-anchor="end">{panel.highest:g}</text>',
        f'<text x="{panel.x - 4}" y="{panel.y + HIGH}" text-anchor="end">0</text>',
        f'<text x="{panel.x + 4}" y="{panel.y + 12}" fill="#444">{title}</text>' if title else "",
    ]


Lines = list[tuple[list[Point], str]]


def _panels(
    link: str, way: str, cells: Mapping[str, Cell], from_s: float, to_s: float
) -> list[tuple[str, Lines, float]]:
    """Title, lines and highest value of each panel."""
    rate = _carried(link, way, to_s)
    carried = [(from_s, rate[0][1]), *rate]
    most = max((value for _, value in carried), default=0)
    found: list[tuple[str, Lines, float]] = []
    for title, name in (("kbit/s sent", "kbps"), ("pictures a second", "fps"), ("voice lag, ms", "lag_ms")):
        lines = [(_points(cell, way, name), _style(server)) for server, cell in cells.items()]
        values = sorted(value for points, _ in lines for at, value in points if at >= from_s)
        highest = _nice(values[int(0.98 * (len(values) - 1))]) if values else 1.0
        if name == "kbps" and most:
            highest = min(highest, _nice(4 * most))
            lines.append((carried, 'fill="none" stroke="#888" stroke-dasharray="4 3"'))
        found.append((title, lines, highest))
    steps = [
        (_steps(cell, way, to_s), _style(server)) for server, cell in cells.items() if cell.rungs.get(LISTENER[way])
    ]
    found.append(("rung", steps, float(TOP_RUNG)))
    return found


def _style(server: str) -> str:
    return f'fill="none" stroke="{_colour(server)}" stroke-width="{2 if server == "puente" else 1.2}"'


def _points(cell: Cell, way: str, name: str) -> list[Point]:
    """A series, its readings of a second together."""
    seconds: dict[int, list[float]] = {}
    for at, value in cell.way(way).series.get(name, ()):
        seconds.setdefault(math.floor(at), []).append(value)
    return [(float(at), round(sum(values) / len(values), 1)) for at, values in sorted(seconds.items())]


def _steps(cell: Cell, way: str, to_s: float) -> list[Point]:
    """A history of rungs as a staircase."""
    found: list[Point] = []
    for at, rung in cell.rungs[LISTENER[way]]:
        at_s = max(-cell.warm_s, float(at))
        if found:
            found.append((at_s, found[-1][1]))
        found.append((at_s, float(rung)))
    return [*found, (to_s, found[-1][1])]


def _carried(link: str, way: str, to_s: float) -> list[Point]:
    """What the link carries by time, from the window's beginning, as far as its trace says."""
    described = profile(link)
    rate = (described.up if way == "up" else described.down).rate_kbps
    found, base_s = [(0.0, rate)], 0.0
    while described.waits and base_s < to_s:
        for event in described.trace.events:
            at_s = base_s + event.at_s
            after = float(event.change.get("rate_kbps", rate))
            found += [(at_s, rate), (at_s, after)]
            if event.cut_s:
                found += [(at_s, 0.0), (at_s + event.cut_s, 0.0), (at_s + event.cut_s, after)]
            rate = after
        if described.trace.loop_s is None:
            break
        base_s += described.trace.loop_s
    return [point for point in [*found, (to_s, rate)] if point[0] <= to_s]


def _nice(value: float) -> float:
    """A round number that is not less."""
    if value <= 0:
        return 1.0
    power = 10 ** math.floor(math.log10(value))
    return float(next(step * power for step in (1, 2, 3, 5, 10) if step * power >= value))
