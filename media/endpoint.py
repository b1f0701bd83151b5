"""Where a worker's control API is: `unix:/path`, or `http://host:port` (also written `tcp:host:port`)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A control address, parsed: either `path` is set, or `host` and `port` are."""

    path: str = ""
    host: str = ""
    port: int = 0

    @property
    def base_url(self) -> str:
        """What requests are addressed to. Over a unix socket the host is a placeholder."""
        if self.path:
            return "http://relay"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def parse_endpoint(text: str) -> Endpoint:
    """Parse a control address. Raises ValueError."""
    scheme, _, rest = text.partition(":")
    if scheme == "unix" and rest:
        return Endpoint(path=rest)
    if scheme in {"http", "tcp"} and rest:
        parts = urlsplit("//" + rest.removeprefix("//"))
        if parts.hostname and parts.port is not None and parts.path in {"", "/"}:
            return Endpoint(host=parts.hostname, port=parts.port)
    raise ValueError("a control address is unix:/path or http://host:port")
