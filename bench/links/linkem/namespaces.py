"""Network namespaces, TUN devices in them, and seeing to it that none are left behind."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

RUN = Path("/run/puente-linkem")
"""A folder for each network that is up: its lock, its control socket, its scripts."""
NETNS = Path("/run/netns")
PREFIX = "ple_"
"""Of every namespace that is ours: ple_NETWORK_NODE."""
LOCK = "lock"

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
_CLONE_NEWNET = 0x40000000  # linux/sched.h
_TX_QUEUE_PACKETS = 2000  # the emulator's own queue is the one that is meant to be full
_TERM_S, _KILL_S = 1.5, 2.0

_libc = ctypes.CDLL(None, use_errno=True)


def namespace(network: str, node: str) -> str:
    """The name of a node's namespace."""
    return f"{PREFIX}{network}_{node}"


@contextlib.contextmanager
def inside(name: str) -> Iterator[None]:
    """Put this thread into a namespace; a socket that is made there stays there."""
    old = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    new = os.open(NETNS / name, os.O_RDONLY)
    try:
        if _libc.setns(new, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter {name}")
        yield
    finally:
        _libc.setns(old, _CLONE_NEWNET)
        os.close(old)
        os.close(new)


def ip(*arguments: str, check: bool = True) -> str:
    """Run `ip` and return what it prints."""
    run = subprocess.run(["ip", *arguments], check=check, capture_output=True, text=True)
    return run.stdout


def open_tun(name: str, device: str, address: str, *, gateway: bool) -> int:
    """Make a TUN device in a namespace and return what its packets are read from and written to.

    `gateway`: everything that is not local goes to the device (a client's link), else it forwards (the server's).
    """
    with inside(name):
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        request = struct.pack("16sH22x", device.encode(), _IFF_TUN | _IFF_NO_PI)
        fcntl.ioctl(descriptor, _TUNSETIFF, request)
        for path, value in (
            ("ipv6/conf/all/disable_ipv6", 1),
            ("ipv6/conf/default/disable_ipv6", 1),
            ("ipv4/ip_forward", 0 if gateway else 1),
            ("ipv4/conf/all/send_redirects", 0),
            (f"ipv4/conf/{device}/send_redirects", 0),
            ("ipv4/conf/all/rp_filter", 0),
        ):
            with contextlib.suppress(OSError):
                Path("/proc/sys/net", path).write_text(str(value))
    ip("-n", name, "link", "set", "lo", "up")
    ip("-n", name, "link", "set", device, "txqueuelen", str(_TX_QUEUE_PACKETS), "up")
    ip("-n", name, "addr", "add", address, "dev", device)
    if gateway:
        ip("-n", name, "route", "add", "default", "dev", device)
    return descriptor


def dropped(name: str, device: str) -> int:
    """Packets that the kernel dropped at a device; more than none and the run is not the link's doing."""
    with contextlib.suppress(OSError, IndexError), inside(name):
        for line in Path("/proc/thread-self/net/dev").read_text().splitlines():
            if line.strip().startswith(f"{device}:"):
                columns = line.split(":")[1].split()
                return int(columns[3]) + int(columns[11])
    return 0


def lock(path: Path, *, wait: bool = False) -> int | None:
    """Take a lock file and return its descriptor; None where somebody living has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


@contextlib.contextmanager
def all_locked() -> Iterator[None]:
    """Keep others from making and removing networks meanwhile."""
    RUN.mkdir(parents=True, exist_ok=True)
    descriptor = lock(RUN / f".{LOCK}", wait=True)
    assert descriptor is not None
    try:
        yield
    finally:
        os.close(descriptor)


def remove_namespace(name: str) -> None:
    """End the processes inside one of our namespaces, then delete it."""
    assert name.startswith(PREFIX), name
    spared = {os.getpid(), os.getppid()}
    number, end = signal.SIGTERM, time.monotonic() + _TERM_S
    while found := [int(pid) for pid in ip("netns", "pids", name, check=False).split() if int(pid) not in spared]:
        if time.monotonic() > end:
            if number == signal.SIGKILL:
                break
            number, end = signal.SIGKILL, time.monotonic() + _KILL_S
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, number)
        time.sleep(0.1)
    ip("netns", "del", name, check=False)


def remove_folder(folder: Path) -> None:
    """Forget a network's folder."""
    with contextlib.suppress(FileNotFoundError):
        for path in folder.iterdir():
            with contextlib.suppress(OSError):
                path.unlink()
        folder.rmdir()


def sweep() -> list[str]:
    """Remove what killed emulators left; call it inside `all_locked`. Returns the namespaces that went."""
    spaces = [path.name for path in NETNS.iterdir() if path.name.startswith(PREFIX)] if NETNS.is_dir() else []
    networks = {path.name for path in RUN.iterdir() if path.is_dir()}
    networks |= {name.removeprefix(PREFIX).rsplit("_", 1)[0] for name in spaces}
    gone = []
    for network in sorted(networks):
        folder = RUN / network
        descriptor = lock(folder / LOCK) if folder.is_dir() else None
        if folder.is_dir() and descriptor is None:
            continue  # it lives
        for name in spaces:
            if name.removeprefix(PREFIX).rsplit("_", 1)[0] == network:
                remove_namespace(name)
                gone.append(name)
        remove_folder(folder)
        if descriptor is not None:
            os.close(descriptor)
    return gone
