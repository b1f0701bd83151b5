"""The model of one direction of one link. It has no clock of its own: every call says what time it is, in seconds."""

from __future__ import annotations

import heapq
import math
import random
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from bench.links.linkem.loss import Loss
from bench.links.linkem.settings import Settings

NEVER = math.inf
LEAST_QUEUE_BYTES = 3000
"""Two packets of 1500 bytes: with less, nothing gets through a slow link."""
UNLIMITED_QUEUE_BYTES = 262_144
"""Bound of the queue where the rate is unlimited and nothing ever waits but during a stall."""
DUE_S = 5e-5
"""What is due this soon is delivered now: a sleep is not more exact."""
LATE_S = 0.005
"""A packet delivered later than this after its time is the emulator's own fault, and counted."""


class Direction:
    """Packets in by `push`, out by `deliver`, when `pump` finds that their time has come."""

    def __init__(
        self, settings: Settings, draws: random.Random, now_s: float, deliver: Callable[[bytes], None]
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.late_max_s = 0.0
        self._deliver = deliver
        self._draws = draws
        self._loss = Loss(draws)
        self._queue: deque[tuple[bytes, float]] = deque()
        self._queue_bytes = 0
        self._head_began_s = now_s
        self._head_done_s = NEVER
        self._air: list[tuple[float, int, float, bytes]] = []
        self._number = 0
        self._last_due_s = 0.0
        self._drift_s = 0.0
        self._drift_at_s = now_s
        self._cut_until_s = 0.0
        self._held = False
        self._held_rest_s = 0.0
        self._waited_s = self._waited_max_s = self._transit_s = self._late_s = 0.0
        self.settings = settings
        self._use(settings)

    def _use(self, settings: Settings) -> None:
        self.settings = settings
        self._bps = settings.rate_kbps * 1000
        bound = self._bps / 8 * settings.queue_ms / 1000
        self._limit_bytes = max(bound, LEAST_QUEUE_BYTES) if self._bps else UNLIMITED_QUEUE_BYTES

    def apply(self, settings: Settings, now_s: float) -> None:
        """Change the settings. The packet on the air goes on at the new rate."""
        self.pump(now_s)
        before = self._bps
        self._use(settings)
        if self._queue and not self._held:
            rest_s = max(0.0, self._head_done_s - now_s)
            if before and rest_s:
                rest_s = rest_s * before / self._bps if self._bps else 0.0
            self._head_done_s = now_s + rest_s

    def cut(self, until_s: float, hold: bool, now_s: float) -> None:
        """Let nothing through until a time: lose it, or hold it in the queue. `restore` must be called then."""
        self.pump(now_s)
        if hold and not self._held:
            self._held = True
            self._held_rest_s = max(0.0, self._head_done_s - now_s) if self._queue else 0.0
            self._head_done_s = NEVER
        self._cut_until_s = until_s

    def restore(self, now_s: float) -> None:
        """End a cut whose time has come; a later one goes on."""
        if now_s + 1e-6 < self._cut_until_s:
            return
        self.pump(now_s)  # what left the air during the cut is lost before it ends
        self._cut_until_s = 0.0
        if self._held:
            self._held = False
            if self._queue:
                self._head_began_s = now_s
                self._head_done_s = now_s + (self._held_rest_s or self._on_air_s(self._queue[0][0]))

    def _on_air_s(self, packet: bytes) -> float:
        return len(packet) * 8 / self._bps if self._bps else 0.0

    def push(self, packet: bytes, now_s: float) -> None:
        """Take a packet in, or drop it where the queue is full."""
        self.counts["sent"] += 1
        self.counts["sent_bytes"] += len(packet)
        if self._head_done_s <= now_s:
            self._serve(now_s)
        if self._queue and self._queue_bytes + len(packet) > self._limit_bytes:
            self.counts["queue_dropped"] += 1
            return
        if not self._queue:
            if self._held:
                self._held_rest_s = 0.0
            else:
                self._head_began_s, self._head_done_s = now_s, now_s + self._on_air_s(packet)
        self._queue.append((packet, now_s))
        self._queue_bytes += len(packet)
        self.counts["queue_max_bytes"] = max(self.counts["queue_max_bytes"], self._queue_bytes)

    def _serve(self, now_s: float) -> None:
        """Take what has left the air from the queue, at exact times and not at those of waking up."""
        while self._queue and self._head_done_s <= now_s:
            packet, came_s = self._queue.popleft()
            self._queue_bytes -= len(packet)
            left_s = self._head_done_s
            waited_s = max(0.0, self._head_began_s - came_s)
            self._waited_s += waited_s
            self._waited_max_s = max(self._waited_max_s, waited_s)
            self.counts["served"] += 1
            if self._queue:
                self._head_began_s, self._head_done_s = left_s, left_s + self._on_air_s(self._queue[0][0])
            else:
                self._head_done_s = NEVER
            self._leave(packet, came_s, left_s)

    def _leave(self, packet: bytes, came_s: float, left_s: float) -> None:
        if not self._held and left_s < self._cut_until_s:
            self.counts["cut_lost"] += 1
            return
        if self._loss.takes(self.settings, left_s):
            self.counts["lost"] += 1
            return
        due_s = max(left_s + self.settings.delay_ms / 1000 + self._jitter_s(left_s), left_s, self._last_due_s)
        self._last_due_s = due_s
        self._number += 1
        heapq.heappush(self._air, (due_s, self._number, came_s, packet))

    def _jitter_s(self, at_s: float) -> float:
        """An Ornstein-Uhlenbeck process: neighbours get similar delays, as from one scheduler."""
        deviation_s = self.settings.jitter_ms / 1000
        if not deviation_s:
            return 0.0
        drawn_s = self._draws.gauss(0.0, deviation_s)
        if self.settings.jitter_tau_ms:
            keep = math.exp(-max(0.0, at_s - self._drift_at_s) * 1000 / self.settings.jitter_tau_ms)
            drawn_s = keep * self._drift_s + math.sqrt(1 - keep * keep) * drawn_s
            self._drift_s, self._drift_at_s = drawn_s, at_s
        return max(-3 * deviation_s, min(3 * deviation_s, drawn_s))

    def pump(self, now_s: float) -> float:
        """Deliver what is due and return when there is something to do next."""
        if self._head_done_s <= now_s:
            self._serve(now_s)
        while self._air and self._air[0][0] <= now_s + DUE_S:
            due_s, _, came_s, packet = heapq.heappop(self._air)
            try:
                self._deliver(packet)
            except OSError:
                self.counts["write_errors"] += 1
                continue
            self.counts["delivered"] += 1
            self.counts["delivered_bytes"] += len(packet)
            late_s = max(0.0, now_s - due_s)
            self._late_s += late_s
            self.late_max_s = max(self.late_max_s, late_s)
            self.counts["late_over_5ms"] += late_s > LATE_S
            self._transit_s += now_s - came_s
        return min(self._head_done_s, self._air[0][0] if self._air else NEVER)

    def stats(self) -> dict[str, Any]:
        """Counters since the start. sent = delivered + lost + queue_dropped + cut_lost + queued_now + in_flight."""
        names = ("sent", "delivered", "lost", "queue_dropped", "cut_lost", "sent_bytes", "delivered_bytes",
                 "write_errors", "queue_max_bytes")  # fmt: skip
        served, delivered = max(1, self.counts["served"]), max(1, self.counts["delivered"])
        return {
            **{name: self.counts[name] for name in names},
            "queued_now": len(self._queue),
            "in_flight": len(self._air),
            "queue_delay_ms_mean": round(1000 * self._waited_s / served, 2),
            "queue_delay_ms_max": round(1000 * self._waited_max_s, 2),
            "transit_ms_mean": round(1000 * self._transit_s / delivered, 2),
            "late_ms_mean": round(1000 * self._late_s / delivered, 3),
        }
