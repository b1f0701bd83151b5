"""Cells in words: a row of figures for each direction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bench.links.result import LISTENER, WAYS, Cell, Way


def number(value: float | None, digits: int = 0) -> str:
    """A figure, or a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def _pair(first: float | None, second: float | None) -> str:
    return f"{number(first)}/{number(second)}"


COLUMNS: Sequence[tuple[str, Callable[[Cell, str, Way], str]]] = (
    ("link", lambda cell, name, way: cell.link),
    ("server", lambda cell, name, way: cell.server),
    ("way", lambda cell, name, way: name),
    ("STOI", lambda cell, name, way: number(way.stoi, 3)),
    ("PESQ", lambda cell, name, way: number(way.pesq, 2)),
    ("concealed %", lambda cell, name, way: number(way.concealed_pct, 1)),
    ("silence ms", lambda cell, name, way: number(way.longest_gap_ms)),
    ("lag ms", lambda cell, name, way: number(way.lag_ms)),
    ("fps", lambda cell, name, way: number(way.fps, 1)),
    ("frozen %", lambda cell, name, way: number(way.frozen_pct, 1)),
    ("latency ms p50/p95", lambda cell, name, way: _pair(way.latency_p50_ms, way.latency_p95_ms)),
    ("size", lambda cell, name, way: f"{way.width_px}x{way.height_px}" if way.width_px else "-"),
    ("stills, gap s", lambda cell, name, way: f"{way.stills}, {number(way.still_gap_s)}" if way.stills else "-"),
    ("rungs", lambda cell, name, way: rungs(cell.rungs.get(LISTENER[name], []))),
    ("back ms voice/picture", lambda cell, name, way: _back(way)),
    ("kbit/s", lambda cell, name, way: number(way.sent_kbps)),
    ("dropped", lambda cell, name, way: str(way.queue_dropped)),
)


def rungs(history: Sequence[Sequence[Any]]) -> str:
    """The steps of a page's rung: the last before the window, then each change with its second."""
    if not history:
        return "-"
    before = [str(rung) for at, rung in history if at < 0]
    after = [f"{rung}@{at:.0f}" for at, rung in history if at >= 0]
    return " ".join([*before[-1:], *after])


def _back(way: Way) -> str:
    return _pair(way.voice_back_ms, way.picture_back_ms) if way.voice_back_ms or way.picture_back_ms else "-"


def rows(cell: Cell) -> list[list[str]]:
    """Both directions."""
    return [[make(cell, name, cell.way(name)) for _, make in COLUMNS] for name in WAYS]


def header() -> list[str]:
    """The columns' names."""
    return [title for title, _ in COLUMNS]


def text(lines: Sequence[Sequence[str]]) -> str:
    """Lines of cells under each other, as wide as what is in them."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """The same for a document; the first line is the header."""
    first, *rest = (f"| {' | '.join(line)} |" for line in lines)
    return "\n".join([first, "|" + "---|" * len(lines[0]), *rest])


def fitness(cell: Cell) -> str:
    """Whether the run counts, in a few words."""
    if not cell.call:
        return f"no call ({'; '.join(cell.notes) or 'no reason found'})"
    joined = ", ".join(f"{what.replace('_', ' ')} {number(ms)}" for what, ms in cell.join_ms.items())
    said = "valid" if cell.valid else f"NOT VALID: {'; '.join(cell.unfit)}"
    held = "" if cell.held else "; THE CALL DID NOT HOLD"
    return f"{said}; machine {number(cell.machine_cpu_pct)} % busy{held}; ms from opening the page: {joined}"
