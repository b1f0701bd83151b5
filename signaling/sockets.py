"""The Socket.IO server: websocket only, bounded in every direction. What is private in python-socketio is touched here.

Why, as measured on python-socketio 5.18 and python-engineio 4.15: a disconnect walks all rooms of the namespace;
aiohttp accepts permessage-deflate from every browser (4x the memory) and buffers 256 KiB per socket; binary attachments
are kept without a bound; the queue of a slow reader grows without a bound (`outqueue.py` takes its place); a client may
send an event named `connect`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import socketio
import structlog
from aiohttp import web
from engineio import packet as engine_packet
from engineio.async_drivers import aiohttp as driver
from socketio import packet

from signaling.metrics import DROPPED, LOOP_FAILURES, SENT
from signaling.model import Model
from signaling.outqueue import OutQueue
from signaling.protocol import MAX_MESSAGE_BYTES, ErrorBody
from signaling.refusal import Refusal
from signaling.wire import CLOSE_TIMEOUT_S, BoundedPacket, BoundedWebSocket

log = structlog.get_logger(__name__)

PING_INTERVAL_S = 15
PING_TIMEOUT_S = 45
"""An answer may take 1.5 s of round trip, wait behind a still in a full uplink, and be sent again by TCP several times.
That a person is lost is known much sooner, from the media."""
PROBE_WITHIN_S = 20.0
"""When somebody's media have fallen silent the socket is asked, and answers within this (TCP may have to send it again
twice) or is taken for lost."""
CONNECT_WITHIN_S = 15.0
"""A socket that has not connected to a namespace by then is closed."""
NEWEST_ONLY = frozenset({"snapshot", "queue", "peer", "limits", "link", "still"})
"""Events of which one that still waits is replaced by the next; of `still` those of the same still."""


class IndexedManager(socketio.AsyncManager):  # type: ignore[misc]
    """The manager with an index of each socket's rooms, so a disconnect does not walk the rooms of everybody."""

    def __init__(self, connected: Callable[[str, str], None]) -> None:
        super().__init__()
        self._rooms_of: dict[tuple[str, str], set[str | None]] = {}
        self._connected = connected

    async def connect(self, sid: str, namespace: str) -> str:
        """Called once the client has been told that it is connected: from here on it hears events."""
        connected: str = await super().connect(sid, namespace)
        self._connected(connected, namespace)
        return connected

    def basic_enter_room(self, sid: str, namespace: str, room: str | None, eio_sid: str | None = None) -> None:
        """Enter and remember."""
        super().basic_enter_room(sid, namespace, room, eio_sid=eio_sid)
        self._rooms_of.setdefault((namespace, sid), set()).add(room)

    def basic_leave_room(self, sid: str, namespace: str, room: str | None) -> None:
        """Leave and forget."""
        super().basic_leave_room(sid, namespace, room)
        rooms = self._rooms_of.get((namespace, sid))
        if rooms is not None:
            rooms.discard(room)
            if not rooms:
                del self._rooms_of[namespace, sid]

    def basic_disconnect(self, sid: str, namespace: str, **_kwargs: Any) -> None:
        """Leave all rooms of this socket, and only look at those."""
        for room in list(self._rooms_of.get((namespace, sid), ())):
            self.basic_leave_room(sid, namespace, room)
        self.callbacks.pop(sid, None)
        for pending in (self.pending_connect, self.pending_disconnect):
            sids = pending.get(namespace)
            if sids and sid in sids:
                sids.remove(sid)
                if not sids:
                    del pending[namespace]


class LibraryLog(logging.Handler):
    """What the library complains of is counted; its text may hold what a client sent, so only its place is logged."""

    def emit(self, record: logging.LogRecord) -> None:
        """Count one complaint."""
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        # Without an exception it is of a socket that has gone meanwhile, or a request that is not ours.
        DROPPED.labels("malformed" if kind else "library").inc()
        if not kind:
            return
        log.info("live.library", place=f"{record.module}:{record.lineno}", error=kind)


def _library_logger() -> logging.Logger:
    logger = logging.getLogger("signaling.sockets.library")
    logger.handlers = [LibraryLog()]
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    return logger


class Events(Protocol):
    """Who is told what clients do."""

    async def connect(self, namespace: str, sid: str, auth: object) -> None:
        """A client wants to connect. Raise `Refusal` to send it away."""

    def connected(self, namespace: str, sid: str) -> None:
        """The client has been told that it is connected."""

    async def event(self, namespace: str, sid: str, name: object, arguments: Sequence[object]) -> Model:
        """A client sent an event; the answer is its acknowledgement. Never raises `Exception`."""

    async def disconnected(self, namespace: str, sid: str) -> None:
        """The client has gone."""


class _Namespace(socketio.AsyncNamespace):  # type: ignore[misc]
    def __init__(self, namespace: str, events: Events) -> None:
        super().__init__(namespace)
        self._events = events

    async def trigger_event(self, event: object, *args: Any) -> Any:
        """Every event of a namespace comes through here; nothing is looked up by its name."""
        sid = args[0]
        # While a socket connects or disconnects it is not "connected": only then is the event the library's own and not
        # one that a client has named so.
        if self.server.manager.is_connected(sid, self.namespace):
            answer = await self._events.event(self.namespace, sid, event, args[1:])
            return answer.model_dump()
        if event == "connect":
            try:
                await self._events.connect(self.namespace, sid, args[2])
            except Refusal as refusal:
                raise connection_refused(refusal.body) from None
        elif event == "disconnect":
            await self._events.disconnected(self.namespace, sid)
        return None


def connection_refused(body: ErrorBody) -> Exception:
    """The library's way to refuse a connect: the code as message, the whole body as data."""
    refused: Exception = socketio.exceptions.ConnectionRefusedError(body.code, body.model_dump())
    return refused


class Sockets:
    """The Socket.IO server of this process.

    Args:
        events: who handles what clients do.
        namespaces: those that exist.
        origins: pages of which other origins may connect; None means only those of the same origin.
    """

    def __init__(self, events: Events, namespaces: Sequence[str], origins: Sequence[str] | None = None) -> None:
        logger = _library_logger()
        self._manager = IndexedManager(lambda sid, namespace: events.connected(namespace, sid))
        self._server = socketio.AsyncServer(
            async_mode="aiohttp",
            client_manager=self._manager,
            serializer=BoundedPacket,
            transports=["websocket"],
            allow_upgrades=False,
            namespaces=list(namespaces),
            async_handlers=False,  # keeps the order of one client's events, and is cheaper (measured)
            ping_interval=PING_INTERVAL_S,
            ping_timeout=PING_TIMEOUT_S,
            max_http_buffer_size=MAX_MESSAGE_BYTES,
            http_compression=False,
            cors_allowed_origins=list(origins) if origins else None,
            logger=logger,
            engineio_logger=logger,
        )
        self._engine = self._server.eio
        self._engine.create_queue = OutQueue
        self._engine._async = {**driver._async, "websocket": BoundedWebSocket}
        for namespace in namespaces:
            self._server.register_namespace(_Namespace(namespace, events))
        self._unconnected_since: dict[str, float] = {}

    def attach(self, app: web.Application, path: str) -> None:
        """Serve at `path`, and close the sockets before the application's server waits for its connections to end."""
        self._server.attach(app, socketio_path=path)

        async def on_shutdown(_app: web.Application) -> None:
            await self.close()

        app.on_shutdown.append(on_shutdown)

    async def emit(self, namespace: str, sid: str, event: str, model: Model) -> bool:
        """Send an event to one client. False when it is gone or has read too slowly and is dropped."""
        engine_sid = self._manager.eio_sid_from_sid(sid, namespace)
        socket = self._engine.sockets.get(engine_sid)
        if socket is None or socket.closed or not await socket.check_ping_timeout():
            return False
        SENT.labels(event).inc()
        encoded = BoundedPacket(packet.EVENT, data=[event, model.model_dump()], namespace=namespace).encode()
        waiting = engine_packet.Packet(engine_packet.MESSAGE, data=encoded)
        if event in NEWEST_ONLY:
            socket.queue.put_newest(f"{event} {getattr(model, 'id', '')}", waiting)
        else:
            await socket.queue.put(waiting)
        return not socket.queue.is_over

    def is_open(self, namespace: str, sid: str) -> bool:
        """Whether the client is still connected."""
        return bool(self._manager.is_connected(sid, namespace))

    async def probe(self, namespace: str, sid: str) -> None:
        """Ask a client whether it is still there, and close its socket when nothing has come `PROBE_WITHIN_S` later.

        The heartbeat finds that out by itself, but only after as long as the slowest link may take.
        """
        engine_sid = self._manager.eio_sid_from_sid(sid, namespace)
        socket = self._engine.sockets.get(engine_sid)
        if socket is None or socket.closed:
            return
        asked_s = time.monotonic()
        await socket.queue.put(engine_packet.Packet(engine_packet.PING))
        await asyncio.sleep(PROBE_WITHIN_S)
        if not socket.closed and socket.bounded.heard_s < asked_s:
            DROPPED.labels("dead").inc()
            await self._drop(engine_sid)

    async def disconnect(self, namespace: str, sid: str) -> None:
        """Close the socket of a client."""
        engine_sid = self._manager.eio_sid_from_sid(sid, namespace)
        if engine_sid is not None:
            await self._drop(engine_sid)

    async def sweep(self, now_s: float) -> None:
        """Close the sockets that never connected to a namespace."""
        connected = {eio for namespace in self._manager.get_namespaces() for eio in self._participants(namespace)}
        idle = [sid for sid in self._engine.sockets if sid not in connected]
        self._unconnected_since = {sid: self._unconnected_since.get(sid, now_s) for sid in idle}
        for sid, since_s in list(self._unconnected_since.items()):
            if now_s - since_s > CONNECT_WITHIN_S:
                DROPPED.labels("never_connected").inc()
                await self._drop(sid)

    def _participants(self, namespace: str) -> list[str]:
        return [eio_sid for _, eio_sid in self._manager.get_participants(namespace, None)]

    async def _drop(self, engine_sid: str) -> None:
        socket = self._engine.sockets.get(engine_sid)
        if socket is None:
            return
        # `wait=False`: a client that does not read would never let the queue become empty.
        await socket.close(wait=False, reason=self._engine.reason.SERVER_DISCONNECT)
        await socket.queue.put(None)

    async def close(self) -> None:
        """Close all sockets and stop the server's own tasks. Closing twice is closing once."""
        async with asyncio.TaskGroup() as group:
            for engine_sid in list(self._engine.sockets):
                group.create_task(self._close_one(engine_sid))
        if self._engine.service_task_event is not None:
            await self._server.shutdown()
            self._engine.service_task_event = None

    async def _close_one(self, engine_sid: str) -> None:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._drop(engine_sid)
        except (TimeoutError, OSError):
            LOOP_FAILURES.labels("close").inc()
