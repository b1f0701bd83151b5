"""The machine under the benchmark: its cores, what it must have installed, and what a process costs on it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

from bench.figures import Unfit

NEEDED = {
    "gcc": lambda: shutil.which("gcc") is not None,
    "libc6-dev": lambda: Path("/usr/include/stdlib.h").exists(),
    "libsrtp2-dev": lambda: Path("/usr/include/srtp2/srtp.h").exists(),
    "janus": lambda: shutil.which("janus") is not None,
    "chromium": lambda: shutil.which("chromium") is not None,
}
"""Debian packages that the benchmarks use, and how to see that they are there."""

TREE = Path(__file__).parent.parent
PUENTE = (sys.executable, "-m", "server.cli")
"""The command line of the product, run from `TREE`; `.venv/bin/puente` is the same."""

APT_TIMEOUT_S = 300


def require(*packages: str) -> None:
    """Have these Debian packages, installing them where this is root; otherwise `Unfit` says how to."""
    missing = [package for package in packages if not NEEDED[package]()]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"installing {' '.join(missing)} …", flush=True)
        # The run level keeps a package from starting its service: the benchmark starts its own.
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        for command in (
            ["apt-get", "-qq", "update"],
            ["apt-get", "-qq", "-y", "install", "--no-install-recommends", *missing],
        ):
            subprocess.run(command, env=environment, timeout=APT_TIMEOUT_S, check=False, stdout=subprocess.DEVNULL)
        missing = [package for package in packages if not NEEDED[package]()]
    if missing:
        raise Unfit(f"missing: run  sudo apt-get install {' '.join(missing)}")


_ALLOWED = sorted(os.sched_getaffinity(0))  # before any thread of ours is pinned


def cores() -> tuple[int | None, int | None]:
    """The core for the server under test and the core for its clients; (None, None) on a machine with one."""
    return (_ALLOWED[0], _ALLOWED[1]) if len(_ALLOWED) > 1 else (None, None)


NICE = -10
"""Servers and clients alike, where that is allowed: the figures are of them, not of what else the machine does."""


def pin(pid: int, core: int | None) -> None:
    """Keep every thread that process `pid` has and will have on `core`, before what else wants to run there."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        _pin_thread(int(task.name), core)
    favour(pid)


def pin_this_thread(core: int | None) -> None:
    """Keep the calling thread on `core`, likewise."""
    _pin_thread(threading.get_native_id(), core)
    favour(os.getpid())


def _pin_thread(thread: int, core: int | None) -> None:
    if core is not None:
        os.sched_setaffinity(thread, {core})
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, thread, NICE)


def favour(pid: int) -> None:
    """Prefer the session of process `pid`: where the kernel shares the machine among sessions first, a thread's own
    niceness says little (sched(7))."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(NICE))


def socket_drops(port: int) -> int:
    """Datagrams that the kernel dropped because the process with this UDP port did not read them in time."""
    for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
        columns = line.split()
        if columns[1].endswith(f":{port:04X}"):
            return int(columns[-1])
    return 0


def free_port(kind: socket.SocketKind) -> int:
    """A port number that nobody has at the moment."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("0.0.0.0", 0))
        return int(probe.getsockname()[1])


def cpu_ns(pid: int) -> int:
    """CPU time of all living threads of a process, in nanoseconds (first field of schedstat)."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):  # the thread ended meanwhile
            continue
    return total


def threads(pid: int) -> int:
    """How many threads a process has."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def rss_bytes(pid: int) -> int:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise Unfit(f"process {pid} has no resident memory: it ended")
