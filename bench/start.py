"""How long `make demo` takes on a machine where it ran before."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.figures import Row, at_most, spread
from bench.product import running

LIMIT_S = 5.0
STARTS = 3


async def start() -> Sequence[Row]:
    """The section `start`: a first start that is not counted, then `STARTS` over the same data."""
    times: list[float] = []
    with tempfile.TemporaryDirectory(prefix="puente-start-") as data:
        for _ in range(1 + STARTS):
            async with running(["make", "demo"], Path(data)) as product:
                times.append(product.started_s)
    again = times[1:]
    note = f"{spread(again)} s; the first time here {times[0]:.1f} s"
    return [at_most("make demo to the page's answer", statistics.median(again), LIMIT_S, "s", note=note, values=again)]
