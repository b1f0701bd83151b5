"""A client of the live protocol without a page: sends what no page would."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import aiohttp
import socketio
from socketio.exceptions import ConnectionError as ConnectRefusedError

from tests.e2e.browsers import until
from tests.e2e.product import Product

Json = dict[str, Any]


async def post(product: Product, path: str, body: bytes | Json, **headers: str) -> tuple[int, Json]:
    """POST to the API; return status and parsed answer."""
    async with aiohttp.ClientSession() as http:
        sent: Any = {"json": body} if isinstance(body, dict) else {"data": io.BytesIO(body)}
        if not isinstance(body, dict):
            headers.setdefault("Content-Type", "application/json")
        async with http.post(product.url + path, headers=headers, **sent) as answer:
            return answer.status, await answer.json()


async def session(product: Product, link: str) -> Json:
    """Exchange a link for a session; its name and tokens must never be logged."""
    status, answer = await post(product, "/api/session", {"link": link.partition("#t=")[2]})
    assert status == 200, answer
    product.private |= {answer["session"], answer["ticket"], answer["name"]}
    return answer


class RawClient:
    """One connection in one namespace."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.snapshot: Json = {}
        self.refused: Json | None = None
        self._io = socketio.AsyncClient(reconnection=False)
        self._io.on("snapshot", self._take, namespace=namespace)
        self._io.on("connect_error", self._note, namespace=namespace)

    @classmethod
    async def enter(cls, product: Product, link: str) -> RawClient:
        """Connect as the person of a link and wait for the first snapshot."""
        who = await session(product, link)
        client = cls(who["namespace"])
        assert await client.connect(product, {"v": 1, "ticket": who["ticket"]}), client.refused
        await client.see(lambda s: s, "a first snapshot")
        return client

    async def connect(self, product: Product, auth: Any) -> bool:
        """Connect; False when refused, with the reason in `refused`."""
        try:
            await self._io.connect(
                product.url, auth=auth, namespaces=[self.namespace], socketio_path="/live/",
                transports=["websocket"], wait_timeout=5,
            )  # fmt: skip
        except ConnectRefusedError:
            return False
        return True

    def _take(self, snapshot: Json) -> None:
        self.snapshot = snapshot

    def _note(self, reason: Any) -> None:
        self.refused = reason

    @property
    def connected(self) -> bool:
        """Whether the socket is open."""
        return bool(self._io.connected)

    async def ask(self, event: str, payload: Any = None) -> Json:
        """Send an event and return its acknowledgement."""
        answer: Json = await self._io.call(event, payload, namespace=self.namespace, timeout=5)
        return answer

    async def send(self, event: str, payload: Any) -> None:
        """Send an event and wait for nothing."""
        await self._io.emit(event, payload, namespace=self.namespace)

    async def see(self, check: Any, what: str, timeout_s: float = 10.0) -> None:
        """Wait until the newest snapshot passes a check."""

        async def checked() -> bool:
            return bool(check(self.snapshot))

        try:
            await until(checked, what, timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}; newest snapshot {self.snapshot}") from None

    async def gone(self, timeout_s: float = 5.0) -> None:
        """Wait until the server has closed the socket."""

        async def closed() -> bool:
            return not self.connected

        await until(closed, "the socket is closed", timeout_s)

    async def close(self) -> None:
        """Disconnect and end its tasks."""
        await self._io.disconnect()
        await asyncio.sleep(0)  # lets the client's reader see the close
