"""Is it alive, can it take calls, and what does it count."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Gauge, generate_latest

from media.client import RelayClient, RelayRefused, RelayUnreachable
from server.api import Endpoint, Model, json_answer

CHECK_TIMEOUT_S = 2.0

Check = Callable[[], Awaitable[list[str]]]
"""What is missing, in a few words each; empty when nothing is."""

_relay_up = Gauge("puente_relay_up", "1 when the relay worker answers")
_relay = {
    "legs": Gauge("puente_relay_legs", "Participants' connections on the relay worker"),
    "rooms": Gauge("puente_relay_rooms", "Rooms on the relay worker"),
    "packets_in": Gauge("puente_relay_packets_in", "Datagrams received by the relay worker since it started"),
    "packets_out": Gauge("puente_relay_packets_out", "Datagrams sent by the relay worker since it started"),
    "cpu_s": Gauge("puente_relay_cpu_seconds", "CPU time of the relay worker since it started"),
    "rss_bytes": Gauge("puente_relay_resident_memory_bytes", "Resident memory of the relay worker"),
}
_relay_dropped = Gauge("puente_relay_dropped", "Datagrams that cost the relay worker only a counter", ["reason"])


class Alive(Model):
    """The process runs its event loop."""

    status: Literal["ok"] = "ok"


class Readiness(Model):
    """Whether calls can be taken, and what is missing when not."""

    ready: bool
    missing: list[str]


class Health:
    """The endpoints. `checks` are asked at the same time, each within its bound."""

    def __init__(self, checks: list[Check], relay: RelayClient | None) -> None:
        self._checks = checks
        self._relay = relay

    def endpoints(self) -> list[Endpoint]:
        """What to serve."""
        return [
            Endpoint("GET", "/healthz", self._alive, "Whether the process is alive", answer=Alive),
            Endpoint(
                "GET", "/readyz", self._ready, "Whether calls can be taken; 503 with what is missing when not",
                answer=Readiness, other_answers=((503, Readiness),),
            ),
            Endpoint("GET", "/metrics", self._metrics, "Counters for Prometheus", media_type="text/plain"),
        ]  # fmt: skip

    async def missing(self) -> list[str]:
        """Everything that keeps calls from being taken."""
        answers = await asyncio.gather(*(self._ask(check) for check in self._checks))
        return list(dict.fromkeys(word for answer in answers for word in answer))

    async def _ask(self, check: Check) -> list[str]:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                return await check()
        except TimeoutError:
            return [f"{getattr(check, '__name__', 'check')} does not answer"]

    async def _alive(self, _request: web.Request) -> web.Response:
        return json_answer(Alive())

    async def _ready(self, _request: web.Request) -> web.Response:
        missing = await self.missing()
        return json_answer(Readiness(ready=not missing, missing=missing), status=503 if missing else 200)

    async def _metrics(self, _request: web.Request) -> web.Response:
        await self._read_relay()
        return web.Response(
            body=generate_latest(REGISTRY),
            headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"},
        )

    async def _read_relay(self) -> None:
        if self._relay is None:
            return
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                stats = await self._relay.stats()
        except (RelayRefused, RelayUnreachable, TimeoutError):
            _relay_up.set(0)
            return
        _relay_up.set(1)
        for name, gauge in _relay.items():
            gauge.set(getattr(stats, name))
        for reason, count in stats.dropped.items():
            _relay_dropped.labels(reason).set(count)
