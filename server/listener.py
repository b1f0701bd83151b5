"""The HTTP listener, with bounds that aiohttp leaves open.

A connection must bring its first whole request head within `HEAD_TIMEOUT_S` (between later requests aiohttp's
keep-alive deadline does the same), and there are at most `MAX_CONNECTIONS`: a client that opens many and sends a byte a
minute takes nothing from the others.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import hdrs, web
from prometheus_client import Counter

from server.answers import count_refused
from server.api import Refused, refusal
from server.security import harden

HEAD_TIMEOUT_S = 15.0
KEEP_ALIVE_S = 60.0
MAX_CONNECTIONS = 8_000
LINGER_S = 2.0
BACKLOG = 512
SHUTDOWN_S = 3.0

log = structlog.get_logger()

_dropped = Counter("puente_http_connections_dropped_total", "Connections closed without an answer", ["reason"])


class Listener:
    """Serves one app at one address: `bind`, `start`, and `stop`."""

    def __init__(self, *, https: bool = False, head_timeout_s: float = HEAD_TIMEOUT_S) -> None:
        self._https = https
        self._head_timeout_s = head_timeout_s
        self._waiting: dict[asyncio.BaseProtocol, asyncio.TimerHandle] = {}
        self._sockets: list[socket.socket] = []
        self._servers: list[asyncio.Server] = []
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """The port that was taken. Raises RuntimeError before `bind`."""
        if not self._sockets:
            raise RuntimeError("not bound")
        port: int = self._sockets[0].getsockname()[1]
        return port

    @property
    def connections(self) -> int:
        """How many connections stand."""
        server = self._runner.server if self._runner is not None else None
        return len(server.connections) if server is not None else 0

    async def bind(self, host: str, port: int) -> None:
        """Take the address; nothing is answered yet. Raises OSError when it is taken or not ours."""
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for family, kind, protocol, _, address in dict.fromkeys(found):
            taken = socket.socket(family, kind, protocol)
            self._sockets.append(taken)
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            taken.bind(address)

    async def start(self, app: web.Application) -> None:
        """Answer with this app."""
        app.middlewares.insert(0, self._heard)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        for bound in self._sockets:
            self._servers.append(await loop.create_server(self._protocol, sock=bound, backlog=BACKLOG))

    def pause(self) -> None:
        """Take no new connections; the standing ones go on."""
        for server in self._servers:
            server.close()
        for bound in self._sockets:
            bound.close()
        self._servers.clear()
        self._sockets.clear()

    async def stop(self) -> None:
        """Close every connection and clean up the app."""
        self.pause()
        for timer in self._waiting.values():
            timer.cancel()
        self._waiting.clear()
        if self._runner is not None:
            await self._runner.cleanup()

    def _protocol(self) -> asyncio.BaseProtocol:
        server = self._runner.server if self._runner is not None else None
        if server is None or len(server.connections) >= MAX_CONNECTIONS:
            _dropped.labels("full").inc()
            return _Refuse()
        loop = asyncio.get_running_loop()
        protocol = _Connection(server, loop=loop, keepalive_timeout=KEEP_ALIVE_S, lingering_time=LINGER_S)
        protocol.https = self._https
        self._waiting[protocol] = loop.call_later(self._head_timeout_s, self._too_slow, protocol)
        return protocol

    def _too_slow(self, protocol: asyncio.BaseProtocol) -> None:
        self._waiting.pop(protocol, None)
        transport = getattr(protocol, "transport", None)
        if transport is not None and not transport.is_closing():
            _dropped.labels("slow").inc()
            transport.abort()

    @web.middleware
    async def _heard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        timer = self._waiting.pop(request.protocol, None)
        if timer is not None:
            timer.cancel()
        return await handler(request)


class _Connection(web.RequestHandler):
    """aiohttp's connection, but what it cannot parse is answered like every other refusal and not logged: the log line
    would repeat what the client sent."""

    __slots__ = ("https",)
    https: bool

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to a request that no handler has seen."""
        del message
        if request.writer is not None and request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        name = type(exc).__name__
        if status >= 500:
            log.error("http.broken", error=name)
        count_refused("internal" if status >= 500 else "bad_request")
        refused = Refused("internal", "this failed on our side") if status >= 500 else Refused("bad_request", name)
        answer = refusal(refused)
        harden(answer, request.headers.get(hdrs.HOST, ""), https=self.https)
        answer.force_close()
        return answer

    def log_exception(self, *args: object, **kwargs: object) -> None:
        """The kind of an exception, not its words."""
        del args
        log.error("http.broken", error=type(kwargs.get("exc_info")).__name__)


class _Refuse(asyncio.Protocol):
    """What a connection gets when there are too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close at once."""
        if isinstance(transport, asyncio.Transport):
            transport.abort()


def address_in_words(host: str, port: int, error: OSError) -> str:
    """One line on why the address cannot be listened on."""
    reason = "not an address of this host" if isinstance(error, socket.gaierror) else (error.strerror or "not possible")
    return f"PUENTE_HTTP_PORT: {host} port {port}: {reason.lower()}"
