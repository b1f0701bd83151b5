"""Keeps the machine's cores awake while a call is measured.

A virtual machine's core with nothing to do is taken away by its host and given back late: timers were up to 20 ms late
fifty times in 20 s on cores that slept, and never on cores that were busy. A call that waits half of its time met that
at each packet, in the emulator and in both browsers. So each core has a process that only runs when nobody else wants
to (SCHED_IDLE), at the lowest priority, by which its time is told from that of the others.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
from collections.abc import Iterator

LOWEST = 19
_TURN = 20_000


def main() -> None:
    """Keep the core of the first argument busy until standard input ends, as it does with whoever started this."""
    os.sched_setaffinity(0, {int(sys.argv[1])})
    os.nice(LOWEST)
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    while not select.select([sys.stdin], (), (), 0)[0]:
        for _ in range(_TURN):
            pass


@contextlib.contextmanager
def awake() -> Iterator[None]:
    """Keep all cores that this process may use awake."""
    command = [sys.executable, "-m", "bench.links.awake"]
    with contextlib.ExitStack() as stack:
        for core in sorted(os.sched_getaffinity(0)):
            busy = stack.enter_context(subprocess.Popen([*command, str(core)], stdin=subprocess.PIPE))
            assert busy.stdin is not None
            stack.callback(busy.stdin.close)
        yield


if __name__ == "__main__":
    main()
