"""Client of a relay worker's control API. Signalling knows `media` by this module and `media/control.py` only."""

from __future__ import annotations

from typing import TypeVar

import aiohttp
from pydantic import ValidationError

from media.control import (
    AnswerLeg,
    CloseLeg,
    CreateLeg,
    Done,
    Events,
    JoinRoom,
    LeaveRoom,
    LegOffer,
    LegStats,
    Message,
    Refusal,
    RefusalCode,
    ReportLeg,
    RestartLeg,
    RoomState,
    SetLeg,
    WorkerStats,
)
from media.endpoint import parse_endpoint
from media.signature import sign

TIMEOUT_S = 3.0

Answered = TypeVar("Answered", bound=Message)


class RelayRefused(Exception):  # noqa: N818 - it is an answer, not a failure of the worker
    """The worker refused a request; `code` says why."""

    def __init__(self, code: RefusalCode, detail: str = "") -> None:
        super().__init__(code)
        self.code: RefusalCode = code
        self.detail = detail


class RelayUnreachable(Exception):  # noqa: N818
    """The worker did not answer, or not in its own words."""


class RelayClient:
    """One worker at `address` (`unix:/path` or `http://host:port`); TCP requests are signed with `secret`.

    Requests are idempotent, so one that found its connection broken is sent once more. Every method raises RelayRefused
    or RelayUnreachable. The client may be made outside an event loop; `aclose` ends it.
    """

    def __init__(self, address: str, secret: bytes | None = None, timeout_s: float = TIMEOUT_S) -> None:
        self._endpoint = parse_endpoint(address)
        if not self._endpoint.path and not secret:
            raise ValueError("a control address over TCP needs a secret")
        self._secret = None if self._endpoint.path else secret
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def create_leg(self, request: CreateLeg) -> LegOffer:
        """Make a leg and return its offer."""
        return await self._send("POST", "/v1/legs", LegOffer, request)

    async def answer(self, leg: str, request: AnswerLeg) -> Done:
        """Hand over the browser's answer."""
        return await self._send("POST", f"/v1/legs/{leg}/answer", Done, request)

    async def restart(self, leg: str, request: RestartLeg) -> LegOffer:
        """Restart ICE and return the new offer."""
        return await self._send("POST", f"/v1/legs/{leg}/restart", LegOffer, request)

    async def set(self, leg: str, request: SetLeg) -> Done:
        """Change what a leg may send."""
        return await self._send("POST", f"/v1/legs/{leg}/set", Done, request)

    async def report(self, leg: str, request: ReportLeg) -> Done:
        """Hand over what a leg's page sees."""
        return await self._send("POST", f"/v1/legs/{leg}/report", Done, request)

    async def close(self, leg: str, request: CloseLeg) -> Done:
        """End a leg."""
        return await self._send("POST", f"/v1/legs/{leg}/close", Done, request)

    async def leg(self, leg: str) -> LegStats:
        """Return a leg's state."""
        return await self._send("GET", f"/v1/legs/{leg}", LegStats)

    async def join(self, room: str, request: JoinRoom) -> RoomState:
        """Put a leg into a room."""
        return await self._send("POST", f"/v1/rooms/{room}/join", RoomState, request)

    async def leave(self, room: str, request: LeaveRoom) -> RoomState:
        """Take a leg out of a room."""
        return await self._send("POST", f"/v1/rooms/{room}/leave", RoomState, request)

    async def events(self, boot: str, after: int, wait_s: float) -> Events:
        """Return events after sequence `after` of incarnation `boot`, waiting up to `wait_s` for the first."""
        target = f"/v1/events?boot={boot}&after={after}&wait_s={wait_s:g}"
        return await self._send("GET", target, Events, timeout_s=self._timeout_s + wait_s)

    async def stats(self) -> WorkerStats:
        """Return the worker's state."""
        return await self._send("GET", "/v1/stats", WorkerStats)

    async def drain(self) -> Done:
        """Tell the worker to take no new legs."""
        return await self._send("POST", "/v1/drain", Done)

    async def metrics(self) -> str:
        """Return the worker's metrics in Prometheus' text format."""
        _, body = await self._retrying("GET", "/metrics", b"", self._timeout_s)
        return body.decode("utf-8", "replace")

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _send(
        self,
        method: str,
        target: str,
        answer: type[Answered],
        request: Message | None = None,
        timeout_s: float | None = None,
    ) -> Answered:
        sent = b"" if request is None else request.model_dump_json(exclude_none=True).encode()
        status, body = await self._retrying(method, target, sent, timeout_s or self._timeout_s)
        try:
            if status < 400:
                return answer.model_validate_json(body)
            refusal = Refusal.model_validate_json(body)
        except ValidationError:
            raise RelayUnreachable(f"answer {status} is not of a worker") from None
        raise RelayRefused(refusal.code, refusal.detail)

    async def _retrying(self, method: str, target: str, body: bytes, timeout_s: float) -> tuple[int, bytes]:
        try:
            return await self._once(method, target, body, timeout_s)
        except TimeoutError:
            raise RelayUnreachable("no answer in time") from None
        except aiohttp.ClientConnectionError:
            # A kept-alive connection that the worker has closed meanwhile looks like this: try a new one, once.
            pass
        except aiohttp.ClientError as error:
            raise RelayUnreachable(type(error).__name__) from None
        try:
            return await self._once(method, target, body, timeout_s)
        except (TimeoutError, aiohttp.ClientError) as error:
            raise RelayUnreachable(type(error).__name__) from None

    async def _once(self, method: str, target: str, body: bytes, timeout_s: float) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json"}
        if self._secret is not None:
            headers["Authorization"] = sign(self._secret, method, target, body)
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        url = self._endpoint.base_url + target
        async with self._opened().request(method, url, data=body, headers=headers, timeout=timeout) as response:
            return response.status, await response.read()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            path = self._endpoint.path
            connector = aiohttp.UnixConnector(path) if path else aiohttp.TCPConnector(limit=100)
            self._session = aiohttp.ClientSession(connector=connector, raise_for_status=False)
        return self._session
