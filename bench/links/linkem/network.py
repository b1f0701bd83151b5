"""A network of emulated links as a program uses it."""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.links.linkem import namespaces
from bench.links.linkem.emulator import CONTROL, MAX_CLIENTS, MAX_MESSAGE, SERVER_IP, configuration
from bench.links.linkem.profiles import Profile
from bench.links.linkem.trace import Event, Trace

TREE = Path(__file__).resolve().parents[3]
SERVER = "server"
ANSWER_S = 20.0
"""Taking a network down ends everything inside it first."""
_NAME = re.compile(r"[A-Za-z0-9.-]{1,40}")
_numbers = itertools.count(1)


class LinkError(Exception):
    """The emulator did not start, has ended, or refused what it was asked."""


def ask(network: str, **message: Any) -> dict[str, Any]:
    """Send one message to a network's emulator and return its answer. Raises LinkError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.settimeout(ANSWER_S)
        try:
            connection.connect(str(namespaces.RUN / network / CONTROL))
            connection.send(json.dumps(message).encode())
            answer = connection.recv(MAX_MESSAGE)
        except OSError as error:
            raise LinkError(f"network {network!r} does not answer: {error}") from None
    if not answer:
        raise LinkError(f"network {network!r} has ended")
    found: dict[str, Any] = json.loads(answer)
    if "error" in found:
        raise LinkError(found["error"])
    return found


class Network:
    """`with Network({"patient": profile("edge-2g"), "nurse": profile("good-4g")}, seed=1) as net: …`"""

    server_ip = SERVER_IP

    def __init__(self, clients: Mapping[str, Profile], *, seed: int = 1, name: str = "") -> None:
        self.name = name or f"n{os.getpid()}.{next(_numbers)}"
        for text in (self.name, *clients):
            if not _NAME.fullmatch(text) or text == SERVER:
                raise ValueError(f"bad name {text!r}: letters, digits, dots, hyphens")
        if not 1 <= len(clients) <= MAX_CLIENTS:
            raise ValueError(f"1 to {MAX_CLIENTS} clients")
        self._configuration = configuration(self.name, {k: (p.up, p.down, p.trace) for k, p in clients.items()}, seed)
        self._process: subprocess.Popen[str] | None = None
        self._info: dict[str, Any] = {}
        self.last: dict[str, Any] = {}
        """Counters at the end."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.links.linkem.emulator", self._configuration],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True, cwd=TREE,
        )  # fmt: skip
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        self._process.stdout.close()
        if not line:
            self._end()
            raise LinkError("the emulator did not start: is this root, with iproute2 and /dev/net/tun?")
        self._info = json.loads(line)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self.last = ask(self.name, do="down")
        except LinkError:
            self.last = {}
        finally:
            self._end()

    def _end(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()  # it ends by this, too
        self._process.wait()

    # --- Things inside

    def namespace(self, node: str) -> str:
        """The namespace of the server or of a client."""
        found = self._info["server_namespace"] if node == SERVER else self._info["clients"][node]["namespace"]
        return str(found)

    def ip(self, node: str) -> str:
        """The address of the server or of a client."""
        return SERVER_IP if node == SERVER else str(self._info["clients"][node]["ip"])

    def command(self, node: str, command: Sequence[str]) -> list[str]:
        """The command that runs another one there."""
        return ["ip", "netns", "exec", self.namespace(node), *command]

    def wrapper(self, node: str, program: str) -> Path:
        """A script that runs a program there, for what wants a path (a browser's driver)."""
        path = namespaces.RUN / self.name / f"{node}-{Path(program).name}"
        path.write_text(f'#!/bin/sh\nexec {shlex.join(self.command(node, [program]))} "$@"\n')
        path.chmod(0o755)
        return path

    def socket(self, node: str, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
        """A socket of this process that lives there."""
        with namespaces.inside(self.namespace(node)):
            return socket.socket(socket.AF_INET, kind)

    def wait_port(self, port: int, timeout_s: float = 20.0) -> None:
        """Wait until the server's TCP port takes connections. Raises LinkError."""
        end = time.monotonic() + timeout_s
        while True:
            with self.socket(SERVER) as probe:
                probe.settimeout(1)
                if probe.connect_ex((SERVER_IP, port)) == 0:
                    return
            if time.monotonic() > end:
                raise LinkError(f"port {port} did not open in {timeout_s:g} s")
            time.sleep(0.1)

    # --- The links

    def play(self, client: str, trace: Trace) -> None:
        """Let a trace begin now, instead of what was being played."""
        ask(self.name, do="play", client=client, trace=trace.to_json())

    def change(self, client: str, change: Mapping[str, Mapping[str, Any]]) -> None:
        """Change settings by direction, now."""
        events = [Event(0, (direction,), dict(settings)) for direction, settings in change.items() if settings]
        self.play(client, Trace(tuple(events)))

    def cut(self, client: str, seconds: float, *, hold: bool = False) -> None:
        """Let nothing through for a while, beginning now."""
        self.play(client, Trace((Event(0, cut_s=seconds, hold=hold),)))

    def counters(self) -> dict[str, Any]:
        """Counters by client and direction."""
        return ask(self.name, do="counters")
