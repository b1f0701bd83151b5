"""What was measured, beside its limit: printed as a table, kept as JSON."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


class Unfit(Exception):  # noqa: N818 - said of a measurement, not of the program
    """A measurement could not be made, or is not worth printing; the message says why and what to do."""


@dataclass(frozen=True)
class Row:
    """One figure. `limit` is what is asked of it in words; `met` is None where nothing is asked."""

    what: str
    measured: str
    limit: str = ""
    met: bool | None = None
    note: str = ""
    values: Sequence[float] = field(default=())

    @property
    def verdict(self) -> str:
        return {None: "", True: "ok", False: "NOT MET"}[self.met]


def at_most(what: str, value: float, limit: float, unit: str, *, note: str = "", values: Sequence[float] = ()) -> Row:
    """A row whose figure must not exceed `limit`."""
    return Row(what, f"{number(value)} {unit}", f"≤ {limit:g} {unit}", value <= limit, note, values or [value])


def number(value: float) -> str:
    """Three digits that count, and no exponents."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def spread(values: Sequence[float]) -> str:
    """Median, and the range it came from where there is one: `21.3 (20.9-24.0)`."""
    middle = number(statistics.median(values))
    return middle if len(values) < 2 else f"{middle} ({number(min(values))}-{number(max(values))})"


def print_table(title: str, rows: Sequence[Row]) -> None:
    """Print rows under a title, columns as wide as what is in them."""
    cells = [("what", "measured", "limit", "", "note")] + [
        (row.what, row.measured, row.limit, row.verdict, row.note) for row in rows
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(5)]
    print(f"\n{title}")
    for number, line in enumerate(cells):
        print("  " + "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
        if number == 0:
            print("  " + "  ".join("-" * width for width in widths))


def keep(section: str, rows: Sequence[Row]) -> None:
    """Write a section's rows to `bench/results/<section>.json`, with the time they were measured."""
    RESULTS.mkdir(exist_ok=True)
    written = {"section": section, "at": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "rows": [asdict(row) for row in rows]}
    (RESULTS / f"{section}.json").write_text(json.dumps(written, indent=1, ensure_ascii=False))
