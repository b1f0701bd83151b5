"""The estimator on what a browser really reported: recorded calls behind emulated links, replayed.

A fixture is one direction of a call, a line for each report: `[now_s, rtt_s, [[sent_ms, arrived_ms | null, size,
is_probe], …]]`, or `[now_s, rate_bps]` for the result of a probe. Nothing of what was said or shown is in it.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from media.estimator import Estimator
from media.sentlog import PacketResult

FIXTURES = Path(__file__).parent / "fixtures"


def replay(name: str) -> list[tuple[float, float, bool]]:
    """Time, estimate and overuse after each report."""
    estimator = Estimator()
    course = []
    with gzip.open(FIXTURES / f"{name}.jsonl.gz", "rt") as lines:
        for line in lines:
            row = json.loads(line)
            if len(row) == 2:
                estimator.probed(row[1], row[0])
                continue
            now_s, rtt_s, packets = row
            results = [
                PacketResult(
                    sent_ms / 1000, None if arrived_ms is None else arrived_ms / 1000, size, 1 if probe else None
                )
                for sent_ms, arrived_ms, size, probe in packets
            ]
            estimator.update(results, now_s, rtt_s)
            course.append((now_s, estimator.estimate_bps, estimator.overusing))
    return course


def test_jitter_of_a_3g_link_does_not_starve_it() -> None:
    """400 kbit/s with 25 ms of jitter and 1 % loss, used by half: the estimate stays near what the link carries."""
    course = [(at_s, bps) for at_s, bps, _ in replay("reports_3g_400_down") if at_s > 5]
    assert len(course) > 200
    mean_bps = sum(bps for _, bps in course) / len(course)
    assert 330_000 < mean_bps < 430_000
    assert sum(bps < 260_000 for _, bps in course) / len(course) < 0.05
