"""The relay worker without its HTTP: all legs and rooms, the media port, and the timers.

Requests are idempotent by (call, epoch): the relay remembers the highest epoch seen for each leg name, so that a
request that was delayed on the way cannot undo a later one.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence

import structlog

from media import silence
from media.answer import parse_answer
from media.asking import Asking
from media.control import (
    AnswerLeg,
    CloseLeg,
    CreateLeg,
    EventKind,
    JoinRoom,
    LegOffer,
    LegReport,
    LegStats,
    Limits,
    ReportLeg,
    RestartLeg,
    RoomState,
    SetLeg,
    WorkerStats,
)
from media.dtls import Certificate
from media.epochs import Epochs
from media.events import EventLog
from media.ice import binding_response, parse_request
from media.leg import Leg
from media.metrics import exposition, resident_bytes
from media.python_plane import PythonPlane
from media.reclaim import Reclaiming
from media.refusal import Refused
from media.report import REPORT_EVERY_S, leg_report
from media.room import Room, RoomFull
from media.sdp import SdpError, build_offer
from media.sockets import Address, MediaPort, TcpConnection, plain_address
from media.streams import Path

log = structlog.get_logger()

MAX_LEGS = 1000
GONE_AFTER_S = 30.0
"""A leg without an authenticated packet for this long is gone; browsers prove themselves every 2.5-5 s."""

TICK_S = 0.02
PACE_S = 0.005
"""Between two looks at what waits: at 64 kbit/s a packet of 1200 bytes takes thirty of them."""

TICKS_PER_REPORT = 50
"""Reports once a second, a fiftieth of the legs at each tick."""

TICKS_PER_WATCH = 5
TICKS_PER_LOOK = 5
"""Estimates and rungs ten times a second: a step down is due within 2 s, and feedback comes five times a second."""

CERTIFICATE_RESERVE_S = 3 * 86_400.0

MEDIA_HOLDS_PATH_S = 1.0
"""A nomination does not move a leg whose media arrived on its path within this time: media itself does. So a check
that somebody recorded and sent again from elsewhere diverts nothing."""


class Relay:
    """One worker: `open` it, tell it what to do with the models of `media/control.py`, `close` it."""

    def __init__(
        self,
        *,
        host: str = "0.0.0.0",
        port: int = 0,
        addresses: Sequence[str] = ("127.0.0.1",),
        clock: Callable[[], float] = time.monotonic,
        max_legs: int = MAX_LEGS,
    ) -> None:
        self._host = host
        self._asked_port = port
        self._addresses = tuple(addresses)
        self._clock = clock
        self._max_legs = max_legs
        self.dropped: Counter[str] = Counter()
        self.events = EventLog()
        self.draining = False
        self.legs: dict[str, Leg] = {}
        self.rooms: dict[str, Room] = {}
        self._port = MediaPort(self._datagram, self._tcp_lost, self.dropped)
        self.plane = PythonPlane(self._port, self._on_stun, self.dropped, clock)
        self._by_ufrag: dict[str, Leg] = {}
        self._epochs = Epochs()
        self._asking = Asking(self.plane.with_holes)
        self._counted: set[Leg] = set()
        """Legs whose browser counts packets, both ways."""
        self.plane.on_waiting = self._pace_soon
        self._buckets: list[set[Leg]] = [set() for _ in range(TICKS_PER_REPORT)]
        self._created = 0
        self._tick = 0
        self._certificate = Certificate()
        self._timer: asyncio.TimerHandle | None = None
        self._endings: set[asyncio.Task[None]] = set()
        self._reclaiming = Reclaiming()
        self._empty = asyncio.Event()
        self._empty.set()

    # ---- life

    @property
    def boot(self) -> str:
        """Name of this incarnation."""
        return self.events.boot

    @property
    def port(self) -> int:
        """The media port's number."""
        return self._port.number

    async def open(self) -> None:
        """Open the media port and start the timers. Raises OSError."""
        await self._port.open(self._host, self._asked_port)
        if self._port.receive_buffer_bytes < 1 << 20:
            log.warning("relay.small_receive_buffer", bytes=self._port.receive_buffer_bytes, sysctl="net.core.rmem_max")
        self._timer = asyncio.get_running_loop().call_later(TICK_S, self._ticked)

    async def close(self) -> None:
        """End all legs and close everything."""
        self.stop_timer()
        for leg in list(self.legs.values()):
            self._end(leg, "stopped")
        await self.settled()
        await self._port.close()
        self.events.release()

    def stop_timer(self) -> None:
        """Stop the timers; `tick` can still be called."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def drain(self) -> None:
        """Refuse new legs from now on; those that stand stay."""
        self.draining = True

    async def emptied(self) -> None:
        """Return as soon as there is no leg."""
        await self._empty.wait()

    async def settled(self) -> None:
        """Return as soon as everything of the legs that have ended is freed."""
        while self._endings:
            await asyncio.gather(*self._endings, return_exceptions=True)

    # ---- requests about legs

    def create(self, request: CreateLeg) -> LegOffer:
        """Make a leg, or return the offer of the one that stands. Raises Refused."""
        self._epochs.check(request.leg, request.epoch)
        standing = self.legs.get(request.leg)
        if standing is not None:
            if standing.call != request.call:
                raise Refused("bad_request", "the leg belongs to another call")
            if standing.epoch == request.epoch:
                return self._offer(standing)
        if self.draining:
            raise Refused("draining")
        if len(self.legs) - (standing is not None) >= self._max_legs:
            raise Refused("worker_full")
        if standing is not None:
            self._end(standing, "replaced")
        self._epochs.note(request.leg, request.epoch)
        leg = Leg(
            name=request.leg,
            call=request.call,
            epoch=request.epoch,
            plane=self.plane,
            certificate=self._fresh_certificate(),
            changed=self._changed,
            needs_ticks=lambda source: self._asking.keyframe(source, self._clock()),
            tell=self._tell_limits,
            clock=self._clock,
        )
        self.legs[leg.id] = leg
        self._by_ufrag[leg.credentials[-1].ufrag] = leg
        self._buckets[self._created % TICKS_PER_REPORT].add(leg)
        self._created += 1
        self._empty.clear()
        return self._offer(leg)

    def answer(self, name: str, request: AnswerLeg) -> None:
        """Take the browser's answer. The same one again changes nothing. Raises Refused."""
        leg = self._leg(name, request.call, request.epoch)
        if request.hint is not None:
            leg.conductor.hint = request.hint
        if request.restart != leg.restart or leg.spec is None:
            raise Refused("stale_epoch" if request.restart < leg.restart else "bad_request", "restart")
        try:
            answer = parse_answer(request.sdp, leg.spec)
        except SdpError as error:
            raise Refused("bad_sdp", str(error)) from None
        if leg.answered is None:
            leg.take_answer(answer)
        elif leg.answered.fingerprints != answer.fingerprints:
            raise Refused("bad_sdp", "another certificate than before")

    def restart(self, name: str, request: RestartLeg) -> LegOffer:
        """Restart ICE, or return the offer of that restart again. Raises Refused."""
        leg = self._leg(name, request.call, request.epoch)
        if request.restart < leg.restart:
            raise Refused("stale_epoch", "restart")
        if request.restart > leg.restart:
            for ended in leg.renew_credentials(request.restart):
                self._by_ufrag.pop(ended.ufrag, None)
            self._by_ufrag[leg.credentials[-1].ufrag] = leg
        return self._offer(leg)

    def set(self, name: str, request: SetLeg) -> None:
        """Change what a leg may send, and the ceiling of its video. Raises Refused."""
        leg = self._leg(name, request.call, request.epoch)
        now_s = self._clock()
        if request.video_cap_bps is not None:
            leg.video_cap_bps = request.video_cap_bps
            leg.feedback.tell_budget(now_s)
        leg.allow(now_s, audio=request.audio, video=request.video)

    def report(self, name: str, request: ReportLeg) -> None:
        """Take what the page of a leg sees. Raises Refused."""
        leg = self._leg(name, request.call, request.epoch)
        leg.conductor.reported(request.report, self._clock())

    def close_leg(self, name: str, request: CloseLeg) -> None:
        """End a leg; one that is not there has ended already. Raises Refused."""
        self._epochs.check(name, request.epoch)
        leg = self.legs.get(name)
        if leg is not None and leg.call != request.call:
            raise Refused("not_found")
        self._epochs.note(name, request.epoch)
        if leg is not None:
            self._end(leg, "closed")

    def leg_stats(self, name: str) -> LegStats:
        """Return a leg as it is now. Raises Refused."""
        leg = self.legs.get(name)
        if leg is None:
            raise Refused("not_found")
        return leg.stats(self._clock())

    # ---- requests about rooms

    def join(self, name: str, request: JoinRoom) -> RoomState:
        """Put a leg into a room, out of any other. Raises Refused."""
        leg = self._leg(request.leg, request.call, request.epoch)
        room = self.rooms.get(name) or Room(name, request.call)
        if room.call != request.call:
            raise Refused("bad_request", "the room belongs to another call")
        former = leg.room
        try:
            if former is not room:
                room.check_space()
                if former is not None:
                    self._leave(leg)
                room.join(leg, self._clock())
        except RoomFull:
            raise Refused("room_full") from None
        self.rooms[name] = room
        return room.state()

    def leave(self, name: str, request: JoinRoom) -> RoomState:
        """Take a leg out of a room; one that is not in it has left already. Raises Refused."""
        self._epochs.check(request.leg, request.epoch)
        leg, room = self.legs.get(request.leg), self.rooms.get(name)
        if room is None:
            return RoomState(room=name, members=[])
        if room.call != request.call:
            raise Refused("not_found")
        if leg is not None and leg.room is room:
            self._leave(leg)
        return room.state()

    def _leave(self, leg: Leg) -> None:
        room = leg.room
        if room is None:
            return
        room.leave(leg)
        if not room.members:
            self.rooms.pop(room.name, None)

    # ---- parts of the answers

    def _leg(self, name: str, call: str, epoch: int) -> Leg:
        self._epochs.check(name, epoch)
        leg = self.legs.get(name)
        if leg is None or leg.call != call or leg.epoch != epoch:
            raise Refused("not_found")
        return leg

    def _offer(self, leg: Leg) -> LegOffer:
        if leg.spec is None or leg.spec.version != leg.restart + 1:
            leg.spec = leg.describe(self._addresses, self.port)
            leg.offer = build_offer(leg.spec)
        return LegOffer(leg=leg.id, call=leg.call, epoch=leg.epoch, restart=leg.restart, sdp=leg.offer)

    def _fresh_certificate(self) -> Certificate:
        if self._certificate.expires_s - time.time() < CERTIFICATE_RESERVE_S:
            self._certificate = Certificate()
        return self._certificate

    # ---- what legs tell

    def _changed(self, leg: Leg, what: str) -> None:
        if self.legs.get(leg.id) is not leg:
            return
        if what == "connected":
            if leg.end.outlet is not None:
                self._counted.add(leg)
            self._tell(leg, "connected")
            if leg.room is not None:
                leg.room.connected(leg, self._clock())
        else:
            self._end(leg, "dtls_failed" if what == "failed" else "peer_closed")

    def _tell(self, leg: Leg, kind: EventKind, reason: str = "", report: LegReport | None = None) -> None:
        self.events.add(leg=leg.id, call=leg.call, epoch=leg.epoch, kind=kind, reason=reason, report=report)
        log.info("leg." + kind, leg=leg.id, call=leg.call, epoch=leg.epoch, reason=reason)

    def _tell_limits(self, leg: Leg, limits: Limits) -> None:
        self.events.add(leg=leg.id, call=leg.call, epoch=leg.epoch, kind="limits", limits=limits)

    def _end(self, leg: Leg, reason: str) -> None:
        """Take a leg out of everything now, and free the rest of it in a task of its own."""
        leg.closed = True
        leg.end.srtp = None
        del self.legs[leg.id]
        for credentials in leg.credentials:
            self._by_ufrag.pop(credentials.ufrag, None)
        for bucket in self._buckets:
            bucket.discard(leg)
        self._leave(leg)
        self._asking.forget(leg.video)
        self._counted.discard(leg)
        self._tell(leg, "gone", reason, leg_report(leg, self._clock()) if leg.had_media else None)
        ending = asyncio.get_running_loop().create_task(self._free(leg))
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)
        if not self.legs:
            self._empty.set()

    async def _free(self, leg: Leg) -> None:
        try:
            await leg.finish()
        finally:
            self.plane.forget(leg.end)
            self._reclaiming.ended(self._clock())

    # ---- datagrams that are not media

    def _datagram(self, data: bytes, address: Address) -> None:
        self.plane.datagram(data, address)

    def _tcp_lost(self, connection: TcpConnection) -> None:
        self.plane.forget_address(connection)

    def _on_stun(self, data: bytes, address: Address, _path: Path | None) -> None:
        """Answer a connectivity check that proves to be of one of the legs (RFC 8445 section 7.3)."""
        request = parse_request(data)
        if request is None:
            self.dropped["bad_stun"] += 1
            return
        leg = self._by_ufrag.get(request.ufrag)
        password = None if leg is None else leg.password(request.ufrag)
        if leg is None or password is None:
            self.dropped["unknown_ufrag"] += 1
            return
        if not request.authentic(password):
            self.dropped["stun_auth_failed"] += 1
            return
        now_s = self._clock()
        end = leg.end
        if self.plane.held(address, end, now_s):
            self.dropped["address_held"] += 1
            return
        for ended in leg.used(request.ufrag):
            self._by_ufrag.pop(ended.ufrag, None)
        path = self.plane.admit(end, address)
        end.heard_s = now_s
        if end.path is None or (request.use_candidate and now_s - end.media_s > MEDIA_HOLDS_PATH_S):
            end.path = path
        self._port.send(binding_response(request, password, plain_address(address)), address)

    # ---- timers

    def _ticked(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(TICK_S, self._ticked)
        self.tick(self._clock())

    def tick(self, now_s: float) -> None:
        """Do what is due: requests for packets and keyframes, reports, and a look at who has gone silent."""
        self._tick += 1
        self._asking.tick(now_s)
        for index, leg in enumerate(self._counted):
            leg.feedback.transport_feedback(now_s)
            leg.feedback.ask_ahead(now_s)
            if (self._tick + index) % TICKS_PER_LOOK == 0:
                self._look(leg, now_s)
        for leg in tuple(self._buckets[self._tick % TICKS_PER_REPORT]):
            leg.feedback.report(now_s)
            if leg.receivers() and now_s - leg.conductor.course.reported_s >= REPORT_EVERY_S:
                leg.conductor.course.reported_s = now_s
                report = leg_report(leg, now_s)
                self.events.add(leg=leg.id, call=leg.call, epoch=leg.epoch, kind="report", report=report)
            if now_s - leg.end.heard_s > GONE_AFTER_S:
                self._end(leg, "timeout")
        if self._tick % TICKS_PER_WATCH == 0:
            for leg in tuple(self.legs.values()):
                for kind in silence.news(leg, now_s):
                    self._tell(leg, kind)
            self._reclaiming.tick(now_s)

    def _look(self, leg: Leg, now_s: float) -> None:
        """Let a leg's conductor look at its links, and tell what was measured."""
        try:
            leg.conductor.look(now_s)
            measure = leg.conductor.measured(now_s)
        except Exception:
            # What one browser reports decides here: were it ever too strange, the timers of all others go on.
            self.dropped["look_failed"] += 1
            log.exception("leg.look_failed", leg=leg.id)
            return
        if measure is not None:
            self.events.add(leg=leg.id, call=leg.call, epoch=leg.epoch, kind="measured", measure=measure)

    def _pace_soon(self) -> None:
        asyncio.get_running_loop().call_later(PACE_S, self._paced)

    def _paced(self) -> None:
        if self.plane.pace(self._clock()):
            self._pace_soon()

    # ---- state

    def stats(self) -> WorkerStats:
        """Return the worker as it is now."""
        return WorkerStats(
            boot=self.boot,
            draining=self.draining,
            port=self.port,
            legs=len(self.legs),
            rooms=len(self.rooms),
            packets_in=self.plane.packets_in,
            packets_out=self.plane.packets_out,
            cpu_s=time.process_time(),
            rss_bytes=resident_bytes(),
            dropped=dict(self.dropped),
        )

    def metrics(self) -> str:
        """Return the worker's metrics in Prometheus' text format."""
        return exposition(self.stats())
