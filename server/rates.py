"""How often one address may ask for something: token buckets in a table that cannot grow without end."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

from aiohttp import web

from server.settings import IpNetwork

MAX_ADDRESSES = 10_000
"""When there are more, the one longest unseen is forgotten, and starts with a full bucket if it comes back."""


class Rates:
    """A bucket per key: `burst` at once, then `per_minute` sustained."""

    def __init__(self, per_minute: int, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_minute / 60
        self._burst = float(burst)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> float:
        """Take one token: 0 when there was one, else after how many seconds there will be."""
        now_s = self._clock()
        tokens, seen_s = self._buckets.pop(key, (self._burst, now_s))
        tokens = min(self._burst, tokens + (now_s - seen_s) * self._per_s)
        wait_s = 0.0 if tokens >= 1 else (1 - tokens) / self._per_s
        self._buckets[key] = (tokens - 1 if tokens >= 1 else tokens, now_s)
        if len(self._buckets) > MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        return wait_s

    def __len__(self) -> int:
        return len(self._buckets)


def client_address(request: web.Request, trusted: tuple[IpNetwork, ...]) -> str:
    """Who asks: the peer, or whom a trusted proxy says it asks for. IPv6 by its /64, which one household holds."""
    address = _ip(request.remote or "")
    # Each proxy appends whom it heard; what stands left of the first untrusted one may be invented.
    heard = [hop.strip() for value in request.headers.getall("X-Forwarded-For", []) for hop in value.split(",")]
    while heard and address is not None and any(address in network for network in trusted):
        address = _ip(heard.pop()) or address
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address
