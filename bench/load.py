"""The packet side of the clients: builds `load.c` and drives it."""

from __future__ import annotations

import asyncio
import bisect
import ctypes
import hashlib
import itertools
import random
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.client import Client, Flow
from bench.figures import RESULTS, Unfit
from bench.machine import cores, pin_this_thread, require

SOURCE = Path(__file__).with_name("load.c")
HISTOGRAM = 200_000
SRTP_PROFILE_AES_256_GCM = 8  # srtp_profile_aead_aes_256_gcm of libsrtp, and RFC 7714's number
DATAGRAM = 2048
LINGER_S = 0.4  # time for the last packets to come back


class _FlowSpec(ctypes.Structure):
    _fields_ = (
        ("ssrc", ctypes.c_uint32),
        ("clock_rate", ctypes.c_uint32),
        ("payload_type", ctypes.c_uint8),
        ("burst", ctypes.c_uint8),
        ("payload_size", ctypes.c_uint16),
        ("period_ns", ctypes.c_int64),
        ("phase_ns", ctypes.c_int64),
        ("extension_size", ctypes.c_uint8),
        ("send_time_at", ctypes.c_uint8),
        ("extension", ctypes.c_uint8 * 32),
    )


_COUNTS = (
    "sent", "returned", "returned_octets", "unauthentic", "retransmitted", "rtcp_in", "stun_in", "keyframe_requests",
    "send_errors",
)  # fmt: skip


class _Result(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_uint64) for name in _COUNTS),
        ("late_max_ns", ctypes.c_int64),
        ("elapsed_ns", ctypes.c_int64),
        ("latency_us", ctypes.c_uint32 * HISTOGRAM),
    )


@dataclass(frozen=True)
class Outcome:
    """What a run sent and got back. A packet counts as returned once, decrypted, and within the run."""

    sent: int
    returned: int
    returned_octets: int
    unauthentic: int
    retransmitted: int
    rtcp_in: int
    stun_in: int
    keyframe_requests: int
    send_errors: int
    seconds: float
    late_max_ms: float
    """How late the clients themselves were at worst: a long time means they lacked CPU, not the server."""
    latency_us: tuple[int, ...]
    """Cumulated counts: entry `n` is how many packets took at most `n` µs."""

    @property
    def rate(self) -> float:
        return self.returned / self.seconds

    @property
    def returned_share(self) -> float:
        return self.returned / self.sent

    def latency_ms(self, quantile: float) -> float:
        """Time from a client's send to the receiving client's read, at a quantile."""
        return bisect.bisect_left(self.latency_us, quantile * self.returned) / 1000


def build() -> ctypes.CDLL:
    """Compile `load.c` where it changed since the last time. Raises `Unfit` without a compiler or libsrtp."""
    require("gcc", "libc6-dev", "libsrtp2-dev")
    RESULTS.mkdir(exist_ok=True)
    library = RESULTS / f"load-{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:12]}.so"
    if not library.exists():
        command = ["gcc", "-O2", "-shared", "-fPIC", str(SOURCE), "-o", str(library), "-lsrtp2"]
        built = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if built.returncode:
            raise Unfit(f"load.c does not compile: {built.stderr.strip()[:400]}")
    loaded = ctypes.CDLL(str(library))
    loaded.load_new.restype = ctypes.c_void_p
    loaded.load_run.argtypes = [ctypes.c_void_p, ctypes.c_double, ctypes.c_double, ctypes.POINTER(_Result)]
    loaded.load_add.argtypes = [
        ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int,
        ctypes.POINTER(_FlowSpec), ctypes.POINTER(_FlowSpec),
    ]  # fmt: skip
    loaded.load_overheard.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p]
    loaded.load_free.argtypes = [ctypes.c_void_p]
    return loaded


def _spec(flow: Flow, phase: float) -> _FlowSpec:
    extension, send_time_at = flow.extension()
    period_ns = int(flow.period_s * 1e9)
    spec = _FlowSpec(
        ssrc=flow.ssrc, clock_rate=flow.clock_rate, payload_type=flow.payload_type, burst=flow.burst,
        payload_size=flow.payload_size, period_ns=period_ns, phase_ns=int(phase * period_ns),
        extension_size=len(extension), send_time_at=send_time_at,
    )  # fmt: skip
    ctypes.memmove(spec.extension, extension, len(extension))
    return spec


class Load:
    """Connected clients and the media they send. Owns them: closing it closes their sockets."""

    def __init__(self, clients: list[Client]) -> None:
        self._library = build()
        self.clients = clients
        self._load = self._library.load_new(len(clients))
        phases = random.Random(len(clients))  # the same for every server, so that both get the same bunches
        for client in clients:
            keys = client.keys
            number = self._library.load_add(
                self._load, client.socket.fileno(), keys.sending, keys.receiving, SRTP_PROFILE_AES_256_GCM,
                client.consent, len(client.consent), _spec(client.video, phases.random()),
                _spec(client.audio, phases.random()),
            )  # fmt: skip
            if number < 0:
                raise Unfit("libsrtp refused a client's keys: is it built with AES-GCM?")

    async def run(self, seconds: float) -> Outcome:
        """Send and receive for `seconds`, in a thread of its own, plus a moment for the last packets."""
        result = _Result()

        def call() -> int:
            pin_this_thread(cores()[1])
            return int(self._library.load_run(self._load, seconds, LINGER_S, ctypes.byref(result)))

        if await asyncio.to_thread(call):
            raise Unfit("the load generator failed")
        counts = {name: int(getattr(result, name)) for name in _COUNTS}
        return Outcome(
            **counts,
            seconds=seconds,
            late_max_ms=result.late_max_ns / 1e6,
            latency_us=tuple(itertools.accumulate(result.latency_us)),
        )

    def overheard(self, client: int) -> bytes:
        """The last datagram that a client sent, as somebody on its path would have it. Not during a run."""
        datagram = ctypes.create_string_buffer(DATAGRAM)
        size = self._library.load_overheard(self._load, client, datagram)
        return datagram.raw[:size]

    def close(self) -> None:
        """Free the keys and close the sockets. Done twice is done once."""
        if self._load is not None:
            self._library.load_free(self._load)
            self._load = None
        for client in self.clients:
            client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
