"""`python -m bench [section …]`: measure, print tables, keep JSON, and exit 1 where a limit is not met."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence

from playwright.async_api import Error as PlaywrightError

from bench import junk, legs, machine
from bench.accept import accept
from bench.figures import Row, Unfit, keep, print_table
from bench.forwarding import Forwarding
from bench.page import page
from bench.start import start

SECTION_TIMEOUT_S = 240.0
WHOLE_TIMEOUT_S = 480.0

Section = Callable[[], Awaitable[Sequence[Row]]]


def _sections() -> dict[str, tuple[str, Section]]:
    forwarding = Forwarding()
    return {
        "relay": ("CPU a forwarded packet, relay and Janus' echotest under the same clients", forwarding.cost),
        "latency": ("Added latency, client to client through the server", forwarding.latency),
        "memory": ("Memory a leg", legs.memory),
        "setup": ("CPU to set up a leg", legs.set_up),
        "junk": ("20,000 datagrams of junk from a stranger during calls", junk.stranger),
        "accept": ("Accept pressed to first remote frame, two browsers on this host", accept),
        "page": ("The patient's page, bytes over the wire", page),
        "start": ("`make demo`, second start", start),
    }


async def _measure(name: str, title: str, section: Section, timeout_s: float) -> bool:
    """Run one section; false where a limit is not met or it could not be measured."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(timeout_s):
            rows = list(await section())
    except (Unfit, PlaywrightError) as error:
        rows = [Row(name, "not measured", "", False, str(error).partition("\n")[0])]
    except TimeoutError:
        rows = [Row(name, "not measured", "", False, f"took more than {timeout_s:.0f} s")]
    print_table(f"{name}: {title} ({time.monotonic() - began:.0f} s)", rows)
    keep(name, rows)
    sys.stdout.flush()
    return all(row.met is not False for row in rows)


async def _main(names: Sequence[str]) -> int:
    server_core, client_core = machine.cores()
    if server_core is None:
        print("one core only: servers and clients share it, so waiting times are not of the servers alone")
    else:
        print(f"servers on core {server_core}, clients on core {client_core}; CPU is the process' own time")
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # so that what was started is ended
    sections = _sections()
    end = time.monotonic() + WHOLE_TIMEOUT_S
    passed = True
    for name in names or sections:
        passed &= await _measure(name, *sections[name], min(SECTION_TIMEOUT_S, end - time.monotonic()))
    return 0 if passed else 1


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    names = list(_sections())
    parser.add_argument("section", nargs="*", help=f"of {', '.join(names)}; all by default, which takes 8 minutes")
    wanted = parser.parse_args().section
    if unknown := [name for name in wanted if name not in names]:
        parser.error(f"no section {unknown[0]}")
    try:
        return asyncio.run(_main(wanted))
    except asyncio.CancelledError:
        return 128 + signal.SIGTERM


if __name__ == "__main__":
    sys.exit(main())
