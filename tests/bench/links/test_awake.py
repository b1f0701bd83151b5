"""Cores are kept busy only while a call is measured, and only with time that nobody else wants."""

from __future__ import annotations

import os
import time
from pathlib import Path

from bench.links.awake import awake

PATIENCE_S = 10.0


def _nice_ticks() -> int:
    return int(Path("/proc/stat").read_text().split()[2])


def _children() -> set[int]:
    tasks = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return {int(pid) for task in tasks for pid in task.read_text().split()}


def test_cores_are_kept_awake_at_the_lowest_priority() -> None:
    """Their time is counted as nice, so that it can be told from the machine's own work; the end ends them."""
    before, others = _nice_ticks(), _children()
    with awake():
        mine = _children() - others
        assert len(mine) == len(os.sched_getaffinity(0))
        end_s = time.monotonic() + PATIENCE_S
        while _nice_ticks() - before < 10 and time.monotonic() < end_s:
            pass
        assert _nice_ticks() - before >= 10
    assert not _children() & mine
