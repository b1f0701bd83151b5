"""What one forwarded packet costs and how long it takes, next to Janus under the same clients in the same run."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from bench.client import AUDIO_S, FRAME_S, PACKETS_PER_CLIENT_S, Client, audio_flow, video_flow
from bench.figures import Row, spread
from bench.janus import Janus
from bench.load import Load, Outcome
from bench.machine import cpu_ns
from bench.relay import Relay

LEAST_RETURNED = 0.995
"""A run in which fewer packets came back measures a server that drops its work."""

MOST_LATE_MS = 1000.0
"""Clients that were later than this lacked CPU; the packets still came back, but in another rhythm than asked for."""

SPARE_WINDOWS = 2
LEAST_WINDOWS = 2
"""A window with losses, of either server, is left out and measured again so often; what is left must be this many."""

WARM_UP_S = 2.0


@dataclass(frozen=True)
class Rate:
    """One load: so many clients with 110 packets a second each."""

    clients: int
    windows: int
    window_s: float
    ratio_limit: float | None

    @property
    def packets_per_s(self) -> float:
        return self.clients * PACKETS_PER_CLIENT_S


RATES = (
    Rate(clients=24, windows=4, window_s=5.0, ratio_limit=None),
    Rate(clients=132, windows=4, window_s=5.0, ratio_limit=1.0),
    Rate(clients=364, windows=2, window_s=4.0, ratio_limit=None),
)
"""2,640, 14,520 and 40,040 packets a second: 12, 66 and 182 calls."""

TIMED = RATES[:2]


@dataclass
class Measured:
    """One server at one rate: a value a window."""

    us_per_packet: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    refused: int = 0

    def add(self, outcome: Outcome, cpu: int) -> None:
        self.outcomes.append(outcome)
        self.us_per_packet.append(cpu / 1000 / outcome.returned if outcome.returned else float("inf"))
        self.p50_ms.append(outcome.latency_ms(0.5))
        self.p99_ms.append(outcome.latency_ms(0.99))

    def only(self, windows: Sequence[int]) -> Measured:
        """These windows alone, and how many were left out."""
        kept = Measured(refused=len(self.outcomes) - len(windows))
        for name in ("us_per_packet", "p50_ms", "p99_ms", "outcomes"):
            getattr(kept, name).extend(getattr(self, name)[number] for number in windows)
        return kept

    @property
    def least_returned(self) -> float:
        return min(outcome.returned_share for outcome in self.outcomes)

    @property
    def fit(self) -> bool:
        return self.least_returned >= LEAST_RETURNED

    def note(self) -> str:
        """What a reader must know of these windows: losses, and clients that lacked CPU."""
        rate = statistics.median(outcome.rate for outcome in self.outcomes)
        notes = [f"{rate:,.0f}/s came back"]
        if self.refused:
            notes.append(f"{self.refused} windows with losses left out")
        if not self.fit:
            notes.append(f"no figure: only {self.least_returned:.1%} in one window")
        late = max(outcome.late_max_ms for outcome in self.outcomes)
        if late > MOST_LATE_MS:
            notes.append(f"clients up to {late / 1000:.1f} s late")
        return "; ".join(notes)


async def measure(rate: Rate) -> tuple[Measured, Measured]:
    """Run the same clients against the relay and Janus in turn: relay, Janus, relay, Janus, …"""
    relay_figures, janus_figures = Measured(), Measured()
    async with AsyncExitStack() as stack:
        sides: list[tuple[Relay | Janus, Load, Measured]] = []
        for server, figures in ((Relay(), relay_figures), (Janus(), janus_figures)):
            await stack.enter_async_context(server)
            clients = await connected(server, rate.clients)
            sides.append((server, stack.enter_context(Load(clients)), figures))
        for _, load, _ in sides:
            await load.run(WARM_UP_S)
        for _ in range(rate.windows + SPARE_WINDOWS):
            for server, load, figures in sides:
                before = cpu_ns(server.pid)
                outcome = await load.run(rate.window_s)
                figures.add(outcome, cpu_ns(server.pid) - before)
            if len(fit_windows(relay_figures, janus_figures)) == rate.windows:
                break
    fit = fit_windows(relay_figures, janus_figures)
    if len(fit) < LEAST_WINDOWS:
        return relay_figures, janus_figures  # nothing to go by: shown as it is, and refused
    return relay_figures.only(fit), janus_figures.only(fit)


def fit_windows(*sides: Measured) -> list[int]:
    """The windows in which every server gave back what it was given: another's loss is no yardstick either."""
    pairs = zip(*(side.outcomes for side in sides), strict=True)
    return [number for number, pair in enumerate(pairs) if min(one.returned_share for one in pair) >= LEAST_RETURNED]


async def connected(
    server: Relay | Janus, count: int, frame_s: float = FRAME_S, audio_s: float = AUDIO_S
) -> list[Client]:
    """So many clients, connected and in their rooms. Their sockets are closed again where that fails."""
    clients = [Client(video_flow(frame_s), audio_flow(audio_s)) for _ in range(count)]
    try:
        for client in clients:
            await server.connect(client)
        await server.join(clients)
    except BaseException:
        for client in clients:
            client.close()
        raise
    return clients


def cost_rows(rate: Rate, relay: Measured, janus: Measured) -> list[Row]:
    """CPU a packet of both and their ratio."""
    load = f"at {rate.packets_per_s:,.0f}/s"
    rows = [
        Row(f"relay, CPU a packet {load}", f"{spread(relay.us_per_packet)} µs", note=relay.note(),
            values=relay.us_per_packet),
        Row(f"Janus, CPU a packet {load}", f"{spread(janus.us_per_packet)} µs", note=janus.note(),
            values=janus.us_per_packet),
    ]  # fmt: skip
    ratio = statistics.median(relay.us_per_packet) / statistics.median(janus.us_per_packet)
    pairs = [a / b for a, b in zip(relay.us_per_packet, janus.us_per_packet, strict=True)]
    fit = relay.fit and janus.fit
    limit, met = "", None
    if rate.ratio_limit is not None:
        limit, met = f"≤ {rate.ratio_limit:.1f}", fit and ratio <= rate.ratio_limit
    note = f"of medians; pair by pair {min(pairs):.2f}-{max(pairs):.2f}"
    measured = f"{ratio:.2f}" if fit else f"refused ({ratio:.2f})"
    return [*rows, Row(f"relay / Janus {load}", measured, limit, met, note, pairs)]


def latency_rows(rate: Rate, relay: Measured, janus: Measured) -> list[Row]:
    """Time through each server, sender's socket to receiver's, both wake-ups of the clients' process included."""
    load = f"at {rate.packets_per_s:,.0f}/s"
    return [
        Row(f"{name}, added latency {load}, p50 / p99",
            f"{spread(figures.p50_ms)} / {spread(figures.p99_ms)} ms",
            note=f"worst clients' lateness {max(outcome.late_max_ms for outcome in figures.outcomes):.0f} ms",
            values=[*figures.p50_ms, *figures.p99_ms])
        for name, figures in (("relay", relay), ("Janus", janus))
    ]  # fmt: skip


class Forwarding:
    """Cost and latency come from the same windows; each rate is measured once, whichever section asks first."""

    def __init__(self) -> None:
        self._done: dict[int, tuple[Measured, Measured]] = {}

    async def _at(self, rate: Rate) -> tuple[Measured, Measured]:
        if rate.clients not in self._done:
            self._done[rate.clients] = await measure(rate)
        return self._done[rate.clients]

    async def cost(self) -> Sequence[Row]:
        """The section `relay`."""
        return [row for rate in RATES for row in cost_rows(rate, *await self._at(rate))]

    async def latency(self) -> Sequence[Row]:
        """The section `latency`."""
        return [row for rate in TIMED for row in latency_rows(rate, *await self._at(rate))]
