"""`turnserver.conf` for Debian's coturn, so that a TURN server serves Puente's calls and nothing else.

A TURN server is a proxy with a password that every patient's page is given, so all it may reach are the relay workers
(CVE-2020-26262 and RFC 8656 §21 on why peers must be bounded).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

USER_QUOTA = 12
"""Allocations with one user name: a page tries UDP, TCP and TLS from each of a phone's few addresses at once."""
TOTAL_QUOTA = 2_000
MAX_BYTES_PER_S = 400_000
"""Of one allocation: a call at its best is half of that."""
MIN_PORT, MAX_PORT = 49_152, 57_343
"""Relayed addresses. They face the relay workers only; no firewall needs to let them in from elsewhere."""

_url = re.compile(r"(?P<scheme>turns?):(?:\[[0-9A-Fa-f:.]+\]|[^:?\[]+)(?::(?P<port>\d+))?(?:\?.*)?")


@dataclass(frozen=True, slots=True)
class TurnServer:
    """What there is to say of a server.

    `urls` are those that pages are given, `peers` the addresses of the relay workers, `certificate` and `key` the files
    for `turns:`.
    """

    urls: Sequence[str]
    secret: str
    realm: str
    peers: Sequence[str]
    certificate: str
    key: str


def turn_config(server: TurnServer) -> str:
    """The file. Raises ValueError when there is no address, or no peer."""
    if not server.urls or not server.peers:
        raise ValueError("a TURN server needs an address and somebody to reach")
    lines = [
        "# turnserver.conf for coturn, written by `puente turn-config`.",
        "# It holds the secret: keep it at mode 0640, group turnserver.",
        "",
        "# Who may use it: pages with credentials that Puente has signed, for as long as those say.",
        "use-auth-secret",
        f"static-auth-secret={server.secret}",
        f"realm={server.realm}",
        "fingerprint",
        "stale-nonce=600",
        f"user-quota={USER_QUOTA}",
        f"total-quota={TOTAL_QUOTA}",
        f"max-bps={MAX_BYTES_PER_S}",
        "",
        "# Whom they may reach: the relay workers and nobody else. What is allowed goes before what is denied.",
        *(f"allowed-peer-ip={address}" for address in server.peers),
        "denied-peer-ip=0.0.0.0-255.255.255.255",
        "denied-peer-ip=::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "no-multicast-peers",
        "no-tcp-relay",
        f"min-port={MIN_PORT}",
        f"max-port={MAX_PORT}",
        "",
        "# Where it listens.",
        *_listeners(server),
        "",
        "# What it does not do.",
        "no-cli",
        "no-rfc5780",
        "no-stun-backward-compatibility",
        "no-software-attribute",
        "no-dynamic-ip-list",
        "no-dynamic-realms",
        "simple-log",
        "syslog",
    ]
    return "\n".join(lines) + "\n"


def _listeners(server: TurnServer) -> list[str]:
    ports: dict[str, int] = {}
    for url in server.urls:
        found = _url.fullmatch(url)
        if found is None:
            raise ValueError("not a TURN address")
        scheme, port = found["scheme"], found["port"]
        ports.setdefault(scheme, int(port) if port else {"turn": 3478, "turns": 5349}[scheme])
    lines = [f"listening-port={ports.get('turn', 3478)}", "no-dtls"]  # browsers speak TLS to a TURN server, not DTLS
    if "turns" not in ports:
        return [*lines, "no-tls"]
    if ports["turns"] < 1024:
        lines.append("# Below 1024 the service needs AmbientCapabilities=CAP_NET_BIND_SERVICE (systemctl edit coturn).")
    return [
        *lines,
        f"tls-listening-port={ports['turns']}",
        f"cert={server.certificate}",
        f"pkey={server.key}",
        "no-tlsv1",
        "no-tlsv1_1",
    ]
