"""Which addresses the relay's candidates name. Reads the host's interfaces; sends nothing."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

import ifaddr

MAX_ADDRESSES = 8
"""Each address is a candidate in every m-line; a host with more is told apart by configuration."""


def advertised_addresses(host: str, configured: Sequence[str] = ()) -> list[str]:
    """The addresses for candidates when bound to `host`: those configured, else those that reach this host.

    With nothing configured and `host` a wildcard, the host's own addresses come first and loopback last: Firefox
    ignores loopback candidates, and a browser on this very machine may have nothing else.

    Raises ValueError when a configured address is not an IP address.
    """
    if configured:
        named = [str(ipaddress.ip_address(address.strip())) for address in configured if address.strip()]
        return list(dict.fromkeys(named))[:MAX_ADDRESSES]
    bound = ipaddress.ip_address(host)
    if not bound.is_unspecified:
        return [str(bound)]
    return choose(_own_addresses(), ipv6=bound.version == 6)


def choose(own: Iterable[str], *, ipv6: bool) -> list[str]:
    """Of a host's `own` addresses those worth offering: no link-local ones, IPv6 only when bound to it."""
    usable = [ipaddress.ip_address(address) for address in own]
    usable = [a for a in usable if not a.is_link_local and not a.is_multicast and (a.version == 4 or ipv6)]
    usable.sort(key=lambda address: (address.is_loopback, address.version))
    chosen = list(dict.fromkeys(str(address) for address in usable))
    loopback = "127.0.0.1"
    kept = [address for address in chosen if address != loopback][: MAX_ADDRESSES - 1]
    return [*kept, loopback]


def _own_addresses() -> list[str]:
    addresses: list[str] = []
    for adapter in ifaddr.get_adapters():
        for entry in adapter.ips:
            text = entry.ip if isinstance(entry.ip, str) else entry.ip[0]
            addresses.append(text.partition("%")[0])
    return addresses
