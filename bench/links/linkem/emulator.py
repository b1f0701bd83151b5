"""The emulator's process: reads packets from TUN devices, lets each wait its time, writes them to the far one.

It is told what to do over a Unix socket, one JSON object a packet, and ends when its standard input does: a network
cannot outlive the program that made it.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import heapq
import itertools
import json
import os
import random
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from types import FrameType
from typing import Any

from bench.links.linkem import namespaces
from bench.links.linkem.direction import NEVER, Direction
from bench.links.linkem.settings import DIRECTIONS, Settings
from bench.links.linkem.trace import Event, Trace

SERVER_IP = "10.77.0.1"
SERVER_DEVICE, CLIENT_DEVICE = "srv0", "wan0"
CONTROL = "control"
MAX_MESSAGE = 1 << 20
MAX_CLIENTS = 250
"""One octet of the address."""
READS = 64
"""Packets taken from one device before the others have their turn."""
_IPV4 = 4
_DESTINATION = slice(16, 20)  # RFC 791 §3.1


class Link:
    """A client and both directions of its link."""

    def __init__(self, name: str, number: int, network: str, spec: dict[str, Any]) -> None:
        self.name = name
        self.ip = f"10.77.{number}.2"
        self.namespace = namespaces.namespace(network, name)
        self.initial = {direction: Settings(**_tuples(spec[direction])) for direction in DIRECTIONS}
        self.trace = Trace.from_json(spec["trace"])
        self.playing = 0
        """Which trace is being played: an older one stops."""
        self.device = -1
        self.directions: dict[str, Direction] = {}


def _tuples(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}


class Emulator:
    """All links of one network."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.name: str = config["name"]
        self._seed = config["seed"]
        self._folder = namespaces.RUN / self.name
        self._server = namespaces.namespace(self.name, "server")
        self._links = {
            name: Link(name, number, self.name, spec)
            for number, (name, spec) in enumerate(config["clients"].items(), 1)
        }
        self._lock: int | None = None
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._unrouted = 0
        self.stopped = ""
        self.waits_for_end: socket.socket | None = None

    # --- Up and down

    def up(self) -> None:
        """Make namespaces and devices. Raises SystemExit where a network of this name is up."""
        with namespaces.all_locked():
            namespaces.sweep()
            self._folder.mkdir(exist_ok=True)
            self._lock = namespaces.lock(self._folder / namespaces.LOCK)
        if self._lock is None:
            raise SystemExit(f"network {self.name!r} is already up")
        now = time.monotonic()
        namespaces.ip("netns", "add", self._server)
        self._server_device = namespaces.open_tun(self._server, SERVER_DEVICE, f"{SERVER_IP}/16", gateway=False)
        self._by_device: dict[int, Link | None] = {self._server_device: None}
        self._down_by_ip: dict[bytes, Direction] = {}
        for link in self._links.values():
            namespaces.ip("netns", "add", link.namespace)
            link.device = namespaces.open_tun(link.namespace, CLIENT_DEVICE, f"{link.ip}/32", gateway=True)
            for direction, device in (("up", self._server_device), ("down", link.device)):
                draws = random.Random(f"{self._seed}/{link.name}/{direction}")
                deliver: Callable[[bytes], None] = functools.partial(_write, device)
                link.directions[direction] = Direction(link.initial[direction], draws, now, deliver)
            self._by_device[link.device] = link
            self._down_by_ip[socket.inet_aton(link.ip)] = link.directions["down"]
        self._control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.bind(str(self._folder / CONTROL))
        self._control.listen(8)
        self._began_s, self._cpu_s = time.monotonic(), time.process_time()
        for link in self._links.values():
            self._play(link, link.trace)

    def down(self) -> None:
        """Remove everything that `up` made, and end what runs inside."""
        if self._lock is None:
            return
        for name in [self._server, *(link.namespace for link in self._links.values())]:
            with contextlib.suppress(Exception):
                namespaces.remove_namespace(name)
        namespaces.remove_folder(self._folder)

    # --- What happens to links

    def _at(self, at_s: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (at_s, next(self._numbers), act))

    def _play(self, link: Link, trace: Trace) -> None:
        link.playing += 1
        generation = link.playing

        def fire(index: int, base_s: float) -> None:
            if link.playing != generation:
                return
            self._happen(link, trace.events[index])
            index += 1
            if index == len(trace.events):
                if trace.loop_s is None:
                    return
                index, base_s = 0, base_s + trace.loop_s
            self._at(base_s + trace.events[index].at_s, lambda: fire(index, base_s))

        if trace.events:
            now = time.monotonic()
            self._at(now + trace.events[0].at_s, lambda: fire(0, now))

    def _happen(self, link: Link, event: Event) -> None:
        now = time.monotonic()
        for name in event.directions:
            direction = link.directions[name]
            direction.apply(direction.settings.changed(event.change), now)
            if event.cut_s:
                direction.cut(now + event.cut_s, event.hold, now)
                self._at(now + event.cut_s, lambda direction=direction: direction.restore(time.monotonic()))  # type: ignore[misc]

    # --- Control

    def info(self) -> dict[str, Any]:
        """Names and addresses."""
        clients = {name: {"ip": link.ip, "namespace": link.namespace} for name, link in self._links.items()}
        return {"name": self.name, "server_ip": SERVER_IP, "server_namespace": self._server, "clients": clients}

    def counters(self) -> dict[str, Any]:
        """Counters by client and direction."""
        return {name: {way: link.directions[way].stats() for way in DIRECTIONS} for name, link in self._links.items()}

    def stats(self) -> dict[str, Any]:
        """Counters by client and direction, and whether the emulator itself was on time."""
        directions = [direction for link in self._links.values() for direction in link.directions.values()]
        running_s = time.monotonic() - self._began_s
        return {
            "clients": self.counters(),
            "emulator": {
                "running_s": round(running_s, 2),
                "cpu_pct": round(100 * (time.process_time() - self._cpu_s) / max(running_s, 1e-3), 2),
                "late_ms_max": round(1000 * max(direction.late_max_s for direction in directions), 2),
                "late_over_5ms": sum(direction.counts["late_over_5ms"] for direction in directions),
                "tun_dropped": namespaces.dropped(self._server, SERVER_DEVICE)
                + sum(namespaces.dropped(link.namespace, CLIENT_DEVICE) for link in self._links.values()),
                "unrouted": self._unrouted,
            },
        }

    def _command(self, message: dict[str, Any]) -> dict[str, Any]:
        operation = message["do"]
        if operation == "stats":
            return self.stats()
        if operation == "counters":  # quick enough to be asked again and again
            return self.counters()
        if operation == "info":
            return self.info()
        if operation == "down":
            self.stopped = "told to"
            return {}
        if operation != "play":
            raise ValueError(f"unknown {operation!r}")
        if message["client"] not in self._links:
            raise ValueError(f"no client {message['client']!r}")
        self._play(self._links[message["client"]], Trace.from_json(message["trace"]))
        return {}

    # --- The loop

    def loop(self) -> None:
        """Move packets until something says stop."""
        directions = [direction for link in self._links.values() for direction in link.directions.values()]
        talking: dict[int, socket.socket] = {}
        while not self.stopped:
            now = time.monotonic()
            while self._timers and self._timers[0][0] <= now:
                heapq.heappop(self._timers)[2]()
            due = min(self._timers[0][0] if self._timers else NEVER, *(direction.pump(now) for direction in directions))
            watched = [*self._by_device, self._control.fileno(), sys.stdin.fileno(), *talking]
            timeout = None if due == NEVER else max(0.0, due - time.monotonic())
            ready = select.select(watched, (), (), timeout)[0]
            now = time.monotonic()
            for descriptor in ready:
                if descriptor in self._by_device:
                    self._take(descriptor, now)
                elif descriptor == sys.stdin.fileno():
                    if not os.read(descriptor, 4096):
                        self.stopped = "its maker is gone"
                elif descriptor == self._control.fileno():
                    connection = self._control.accept()[0]
                    talking[connection.fileno()] = connection
                elif not self._answer(talking[descriptor]):
                    talking.pop(descriptor).close()

    def _take(self, device: int, now_s: float) -> None:
        link = self._by_device[device]
        for _ in range(READS):
            try:
                packet = os.read(device, 65535)
            except OSError:
                return
            if packet[0] >> 4 != _IPV4:
                continue
            direction = link.directions["up"] if link else self._down_by_ip.get(packet[_DESTINATION])
            if direction is None:
                self._unrouted += 1
            else:
                direction.push(packet, now_s)

    def _answer(self, connection: socket.socket) -> bool:
        """Answer one message; False where the other end is gone."""
        try:
            message = connection.recv(MAX_MESSAGE)
        except OSError:
            return False
        if not message:
            return False
        try:
            answer = self._command(json.loads(message))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        if self.stopped:
            self.waits_for_end = connection  # is answered when everything is gone
            return True
        with contextlib.suppress(OSError):
            connection.send(json.dumps(answer).encode())
        return True


def _write(device: int, packet: bytes) -> None:
    os.write(device, packet)


def _favour_this_process() -> None:
    """First come, first served: the links keep their times whatever else the machine does."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -15)
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    gc.freeze()
    gc.disable()  # nothing here makes cycles, and a collection would hold packets up


class _Signalled(BaseException):
    """SIGTERM, SIGINT or SIGHUP."""


def main() -> None:
    """Run the network that the first argument describes (`configuration`) and print what `info` says of it."""
    emulator = Emulator(json.loads(sys.argv[1]))
    signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        raise _Signalled

    for number in signals:
        signal.signal(number, on_signal)
    last: dict[str, Any] = {}
    try:
        emulator.up()
        print(json.dumps(emulator.info()), flush=True)
        _favour_this_process()
        emulator.loop()
        last = emulator.stats()
    except _Signalled:
        pass
    finally:
        for number in signals:
            signal.signal(number, signal.SIG_IGN)
        emulator.down()
        if emulator.waits_for_end:
            with contextlib.suppress(OSError):
                emulator.waits_for_end.send(json.dumps(last).encode())


def configuration(name: str, clients: dict[str, tuple[Settings, Settings, Trace]], seed: int) -> str:
    """What `main` is given: settings up and down, and a trace, by client."""
    described = {
        client: {"up": asdict(up), "down": asdict(down), "trace": trace.to_json()}
        for client, (up, down, trace) in clients.items()
    }
    return json.dumps({"name": name, "seed": seed, "clients": described})


if __name__ == "__main__":
    main()
