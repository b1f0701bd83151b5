"""The control API of a relay worker over HTTP: what `media/control.py` says, and nothing else.

Over a unix socket (mode 0600) the file system says who may call; over TCP each request is signed
(`media/signature.py`). Bodies are at most 64 KB and parsed by models; every refusal is a `Refusal` with a status, and
repeats nothing of the request.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import structlog
from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from media.control import (
    AnswerLeg,
    CloseLeg,
    CreateLeg,
    Done,
    JoinRoom,
    LeaveRoom,
    Message,
    Name,
    Refusal,
    RefusalCode,
    ReportLeg,
    RestartLeg,
    SetLeg,
)
from media.endpoint import Endpoint, parse_endpoint
from media.events import MAX_WAIT_S
from media.refusal import Refused
from media.relay import Relay
from media.signature import Verifier

log = structlog.get_logger()

MAX_BODY_BYTES = 64 * 1024
READ_TIMEOUT_S = 5.0

STATUS: dict[RefusalCode, int] = {
    "bad_request": 400,
    "bad_sdp": 422,
    "draining": 503,
    "not_found": 404,
    "room_full": 409,
    "stale_epoch": 409,
    "too_large": 413,
    "unauthorized": 401,
    "worker_full": 503,
}

_name: TypeAdapter[str] = TypeAdapter(Name)
Parsed = TypeVar("Parsed", bound=Message)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Control:
    """Serves one relay's control API at one address.

    Raises ValueError for an address that cannot be parsed, and for TCP without a secret of at least 16 bytes.
    """

    def __init__(self, relay: Relay, address: str, secret: bytes | None = None) -> None:
        self._relay = relay
        self._endpoint = parse_endpoint(address)
        self._verifier: Verifier | None = None
        if not self._endpoint.path:
            if not secret:
                raise ValueError("a control address over TCP needs a secret")
            self._verifier = Verifier(secret)
        self._runner: web.AppRunner | None = None
        self._socket: socket.socket | None = None

    @property
    def address(self) -> str:
        """Where it listens, with the port that was taken when 0 was asked for."""
        if self._endpoint.path or self._socket is None:
            return f"unix:{self._endpoint.path}"
        return Endpoint(host=self._endpoint.host, port=self._socket.getsockname()[1]).base_url

    async def open(self) -> None:
        """Start listening. Raises OSError."""
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[self._guarded])
        app.add_routes([
            web.post("/v1/legs", self._create),
            web.post("/v1/legs/{leg}/answer", self._answer),
            web.post("/v1/legs/{leg}/restart", self._restart),
            web.post("/v1/legs/{leg}/set", self._set),
            web.post("/v1/legs/{leg}/report", self._report),
            web.post("/v1/legs/{leg}/close", self._close),
            web.get("/v1/legs/{leg}", self._leg),
            web.post("/v1/rooms/{room}/join", self._join),
            web.post("/v1/rooms/{room}/leave", self._leave),
            web.get("/v1/events", self._events),
            web.get("/v1/stats", self._stats),
            web.post("/v1/drain", self._drain),
            web.get("/metrics", self._metrics),
        ])  # fmt: skip
        self._socket = _unix_socket(self._endpoint.path) if self._endpoint.path else _tcp_socket(self._endpoint)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket).start()

    async def close(self) -> None:
        """Stop listening; those who wait for events are answered first."""
        self._relay.events.release()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._endpoint.path and self._socket is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._endpoint.path)  # noqa: PTH108 - one call to the kernel, nothing to wait for
        self._socket = None

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Check who asks, and put every failure into the API's own words."""
        try:
            if self._verifier is not None:
                body = await _body(request)
                header = request.headers.get("Authorization", "")
                if not self._verifier.accepts(header, request.method, request.raw_path, body):
                    raise Refused("unauthorized")
            return await handler(request)
        except Refused as refused:
            return _refusal(refused.code, refused.detail)
        except web.HTTPNotFound:
            return _refusal("not_found", "no such path")
        except web.HTTPRequestEntityTooLarge:
            return _refusal("too_large")
        except web.HTTPException:
            return _refusal("bad_request", "method or headers")

    async def _create(self, request: web.Request) -> web.Response:
        return _answered(self._relay.create(await _parsed(request, CreateLeg)))

    async def _answer(self, request: web.Request) -> web.Response:
        self._relay.answer(_named(request, "leg"), await _parsed(request, AnswerLeg))
        return _answered(Done())

    async def _restart(self, request: web.Request) -> web.Response:
        return _answered(self._relay.restart(_named(request, "leg"), await _parsed(request, RestartLeg)))

    async def _set(self, request: web.Request) -> web.Response:
        self._relay.set(_named(request, "leg"), await _parsed(request, SetLeg))
        return _answered(Done())

    async def _report(self, request: web.Request) -> web.Response:
        self._relay.report(_named(request, "leg"), await _parsed(request, ReportLeg))
        return _answered(Done())

    async def _close(self, request: web.Request) -> web.Response:
        self._relay.close_leg(_named(request, "leg"), await _parsed(request, CloseLeg))
        return _answered(Done())

    async def _leg(self, request: web.Request) -> web.Response:
        return _answered(self._relay.leg_stats(_named(request, "leg")))

    async def _join(self, request: web.Request) -> web.Response:
        return _answered(self._relay.join(_named(request, "room"), await _parsed(request, JoinRoom)))

    async def _leave(self, request: web.Request) -> web.Response:
        return _answered(self._relay.leave(_named(request, "room"), await _parsed(request, LeaveRoom)))

    async def _events(self, request: web.Request) -> web.Response:
        try:
            boot = request.query.get("boot", "")
            after = int(request.query.get("after", "0"))
            wait_s = float(request.query.get("wait_s", "0"))
        except ValueError:
            raise Refused("bad_request", "after and wait_s are numbers") from None
        if not 0 <= wait_s <= MAX_WAIT_S or after < 0:
            raise Refused("bad_request", "after or wait_s out of range")
        return _answered(await self._relay.events.wait(boot, after, wait_s))

    async def _stats(self, _request: web.Request) -> web.Response:
        return _answered(self._relay.stats())

    async def _drain(self, _request: web.Request) -> web.Response:
        self._relay.drain()
        return _answered(Done())

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(text=self._relay.metrics(), content_type="text/plain")


async def _body(request: web.Request) -> bytes:
    try:
        return await asyncio.wait_for(request.read(), READ_TIMEOUT_S)
    except TimeoutError:
        raise Refused("bad_request", "body came too slowly") from None


async def _parsed(request: web.Request, model: type[Parsed]) -> Parsed:
    try:
        return model.model_validate_json(await _body(request))
    except ValidationError as error:
        # Where and what kind, never the value: it may be a session description.
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise Refused("bad_request", f"{'.'.join(map(str, first['loc']))[:80]}: {first['type']}") from None


def _named(request: web.Request, what: str) -> str:
    try:
        return _name.validate_python(request.match_info[what])
    except ValidationError:
        raise Refused("bad_request", f"not a {what}") from None


def _answered(message: Message) -> web.Response:
    return web.Response(text=message.model_dump_json(), content_type="application/json")


def _refusal(code: RefusalCode, detail: str = "") -> web.Response:
    log.info("control.refused", code=code, detail=detail)
    text = Refusal(code=code, detail=detail).model_dump_json()
    return web.Response(status=STATUS[code], text=text, content_type="application/json")


def _tcp_socket(endpoint: Endpoint) -> socket.socket:
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((endpoint.host, endpoint.port))
    except OSError:
        opened.close()
        raise
    return opened


def _unix_socket(path: str) -> socket.socket:
    """Bind a unix socket that only this user may open; one left behind by a worker that is gone is replaced."""
    _remove_stale(path)
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)  # so that there is no moment in which others may open it
    try:
        opened.bind(path)
    except OSError:
        opened.close()
        raise
    finally:
        os.umask(before)
    return opened


def _remove_stale(path: str) -> None:
    try:
        if not stat.S_ISSOCK(Path(path).lstat().st_mode):
            return
    except FileNotFoundError:
        return
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        probe.connect(path)
    except ConnectionRefusedError:
        Path(path).unlink(missing_ok=True)
    except OSError:
        return
    finally:
        probe.close()
