"""One participant's connection: ICE credentials, DTLS, what it sends, and the slots in which it receives others."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterable
from itertools import count
from typing import TYPE_CHECKING, Literal

from media.answer import Answer
from media.conductor import Conductor, link_state
from media.control import LegStats, Limits, TrackStats
from media.downlink import Downlink
from media.dtls import Certificate, Dtls, DtlsError
from media.feedback import Feedback
from media.flight import Flight
from media.ice import IceCredentials
from media.plane import Plane
from media.sdp import AUDIO_PTS, MIDS, RTX_OF, SLOTS, VIDEO_PTS, OfferSpec, SlotSsrcs
from media.streams import End, Sink, Source

if TYPE_CHECKING:
    from media.room import Room

MAX_CREDENTIALS = 3
"""Generations of ICE credentials accepted at a time: the one in use and the two offered last."""

MAX_NEW_SSRCS = 8
NEW_SSRC_WINDOW_S = 60.0
"""How often a leg may change SSRCs. A browser does when a track is replaced, or after an SSRC collision."""

_sink_numbers = count()

State = Literal["new", "connecting", "connected", "silent", "closed"]


class LegSlot:
    """A slot of a leg: two sinks, and the leg that is shown in it."""

    __slots__ = ("audio", "source", "video")

    def __init__(self, end: End, ssrcs: SlotSsrcs) -> None:
        self.audio = Sink(end, next(_sink_numbers) & 0xFFFF, ssrcs.audio, 0, video=False)
        self.video = Sink(end, next(_sink_numbers) & 0xFFFF, ssrcs.video, ssrcs.video_rtx, video=True)
        self.source: Leg | None = None

    def shows(self, leg: Leg) -> bool:
        """Tell whether `leg` is heard and seen in this slot."""
        return self.source is leg


class Leg:
    """A leg from its creation to its end. `changed` is called with what happened (`connected`, `failed`, `ended`)."""

    def __init__(
        self,
        *,
        name: str,
        call: str,
        epoch: int,
        plane: Plane,
        certificate: Certificate,
        changed: Callable[[Leg, str], None],
        needs_ticks: Callable[[Source], None],
        tell: Callable[[Leg, Limits], None],
        clock: Callable[[], float],
    ) -> None:
        self.id = name
        self.call = call
        self.epoch = epoch
        self.restart = 0
        self.certificate = certificate
        self.session_id = random.getrandbits(62)
        self.offer = ""
        self.spec: OfferSpec | None = None
        self.answered: Answer | None = None
        self.credentials = [IceCredentials.fresh()]
        """Those accepted, the newest last. Older ones go as soon as a newer one is used."""
        self.end = End(self, clock())
        self.dtls = Dtls(certificate, self._send_dtls, lambda: changed(self, "ended"))
        self.audio = Source(self.end, video=False)
        self.video = Source(self.end, video=True)
        self.slots = [LegSlot(self.end, ssrcs) for ssrcs in _fresh_ssrcs()]
        self.sinks: dict[int, Sink] = {sink.ssrc: sink for slot in self.slots for sink in (slot.audio, slot.video)}
        self.room: Room | None = None
        self.downlink = Downlink()
        """The place of everything that is known of the way to this leg."""
        self.sends_audio = True
        self.sends_video = True
        self.video_cap_bps: int | None = None
        self.ceiling_bps: int | None = None
        """What the controller lets the browser send; told by REMB."""
        self.connected = False
        self.silent = False
        self.closed = False
        self.had_media = False
        self.handshake: asyncio.Task[None] | None = None
        self._plane = plane
        self._clock = clock
        self._changed = changed
        self._needs_ticks = needs_ticks
        self._new_ssrcs: deque[float] = deque(maxlen=MAX_NEW_SSRCS)
        self.feedback = Feedback(self, plane)
        self.conductor = Conductor(self, tell)
        self._flight = Flight()

    # ---- description and handshake

    def describe(self, addresses: Iterable[str], port: int) -> OfferSpec:
        """What this leg's present offer is made of."""
        slots = tuple(SlotSsrcs(s.audio.ssrc, s.video.ssrc, s.video.rtx_ssrc) for s in self.slots)
        return OfferSpec(
            session_id=self.session_id,
            version=self.restart + 1,
            addresses=tuple(addresses),
            port=port,
            ice=self.credentials[-1],
            fingerprint=self.certificate.fingerprint,
            slots=slots,
        )

    def take_answer(self, answer: Answer) -> None:
        """Take the browser's first answer: what it sends, and its certificate; begin the handshake."""
        self.answered = answer
        for source, track in ((self.audio, answer.audio), (self.video, answer.video)):
            if track is None:
                continue
            if track.ssrc is not None:
                self._assign(source, track.ssrc)
            if track.rtx_ssrc is not None:
                self._assign_rtx(source, track.rtx_ssrc)
        # actpass was offered: `active` makes the browser the DTLS client (RFC 8842 section 5.3).
        role: Literal["client", "server"] = "server" if answer.setup == "active" else "client"
        self.handshake = asyncio.ensure_future(self._shake_hands(answer.fingerprints, role))

    async def _shake_hands(self, fingerprints: list[tuple[str, str]], role: Literal["client", "server"]) -> None:
        try:
            srtp = await self.dtls.handshake(fingerprints, role)
        except DtlsError:
            self._changed(self, "failed")
            return
        if self.closed:
            return
        self.end.srtp = srtp
        if self.answered is not None and self.answered.counts == {"audio", "video"}:
            self._count(self.answered)
        self.connected = True
        self._changed(self, "connected")

    def _count(self, answer: Answer) -> None:
        """Number and pace what this leg is sent: its browser counts it."""
        self.downlink.count()
        self.audio.keep_voice()
        self._plane.count(self.end, self.downlink)
        padded = next((RTX_OF[pt] for pt in VIDEO_PTS if pt in answer.receives[MIDS[1]]), None)
        if self.end.outlet is not None and padded is not None:
            self.end.outlet.padding = (self.slots[0].video, padded)
            self.downlink.prober.start(self._clock())
            self.end.outlet.look_again()

    def _send_dtls(self, datagram: bytes) -> None:
        self._flight.left(self._clock())
        self._plane.send(self.end, datagram)

    def on_dtls(self, datagram: bytes) -> bool:
        """Take a DTLS datagram; the first one after our first flight gives a first idea of the round trip."""
        rtt_s = self._flight.answered(self._clock())
        if rtt_s is not None:
            self.feedback.guess_round_trip(rtt_s)
        return self.dtls.receive(datagram)

    # ---- ICE

    def password(self, ufrag: str) -> str | None:
        """The password that belongs to one of the accepted user fragments."""
        return next((c.pwd for c in self.credentials if c.ufrag == ufrag), None)

    def renew_credentials(self, restart: int) -> list[IceCredentials]:
        """Make the credentials of ICE restart `restart`; returns those that are no longer accepted."""
        self.restart = restart
        self.credentials.append(IceCredentials.fresh())
        retired = self.credentials[1:2] if len(self.credentials) > MAX_CREDENTIALS else []  # the first is in use
        self.credentials = [c for c in self.credentials if c not in retired]
        return retired

    def used(self, ufrag: str) -> list[IceCredentials]:
        """Note that a check knew the password of `ufrag`; returns the older credentials, which end by that."""
        index = next(i for i, c in enumerate(self.credentials) if c.ufrag == ufrag)
        ended, self.credentials = self.credentials[:index], self.credentials[index:]
        return ended

    # ---- who is shown where

    def show(self, other: Leg, now_s: float) -> None:
        """Give `other` the first free slot."""
        if any(slot.shows(other) for slot in self.slots):
            return
        slot = next(slot for slot in self.slots if slot.source is None)
        slot.source = other
        for sink, source in ((slot.audio, other.audio), (slot.video, other.video)):
            sink.source = source
            sink.rewriter.switch(now_s)

    def hide(self, other: Leg) -> None:
        """Free the slot of `other`."""
        for slot in self.slots:
            if slot.shows(other):
                slot.source = slot.audio.source = slot.video.source = None
                slot.video.paused = slot.video.starved = False
                if self.end.outlet is not None:
                    self.end.outlet.forget(slot.video)

    def route_to(self, slots: list[LegSlot]) -> None:
        """Send this leg's media to those of `slots` whose legs are connected, as far as it may send."""
        ready = [slot for slot in slots if slot.audio.end.srtp is not None]
        self._plane.route(self.audio, tuple(slot.audio for slot in ready) if self.sends_audio else ())
        seen = tuple(slot.video for slot in ready if not slot.video.paused)
        self._plane.route(self.video, seen if self.sends_video else ())

    def unroute(self) -> None:
        """Send this leg's media to nobody."""
        self._plane.route(self.audio, ())
        self._plane.route(self.video, ())

    def video_wanted(self, by: Leg) -> None:
        """Have `by`, who begins to receive this leg's video, begin with a keyframe: the last one, or a new one."""
        if not (by.connected and self.connected and self.sends_video):
            return
        if self.end.uplink is not None and by.conductor.is_new(self._clock()):
            return  # its conductor begins the picture when the link is known
        sink = next((slot.video for slot in by.slots if slot.shows(self)), None)
        if sink is None or sink.paused or not self._plane.replay(sink, self._clock()):
            self.want_keyframe(self.video)

    def want_keyframe(self, source: Source) -> None:
        """Note the wish for a keyframe of any leg's source, and have it asked for."""
        source.keyframes.wanted(self._clock())
        self._needs_ticks(source)

    def allow(self, now_s: float, *, audio: bool | None, video: bool | None) -> None:
        """Change what this leg may send. What is held back is a hole for nobody: slots go on from where they were."""
        for kind, allowed in (("audio", audio), ("video", video)):
            if allowed is None or allowed == getattr(self, f"sends_{kind}"):
                continue
            setattr(self, f"sends_{kind}", allowed)
            if kind == "video":
                self.video.keyframe_sequence = -1  # what was taken while it was not to be seen is never replayed
            if allowed and self.room is not None:
                for member in self.room.members.values():
                    for slot in member.slots:
                        if slot.shows(self):
                            (slot.video if kind == "video" else slot.audio).rewriter.switch(now_s)
        if self.room is not None:
            self.room.rewire(self)
            if video:
                for member in self.room.members.values():
                    if member is not self:
                        self.video_wanted(member)

    # ---- SSRCs that were not announced

    def on_new_ssrc(self, ssrc: int, payload_type: int, now_s: float) -> bool:
        """Say whether a packet of an unknown SSRC may be decrypted: a payload type of ours, and within the budget.

        Forged packets do not use up the budget: libsrtp keeps no state of them.
        """
        answer = self.answered
        if answer is None or ssrc in self.sinks:
            return False
        sent = [
            *(answer.audio.payload_types if answer.audio else ()),
            *(answer.video.payload_types if answer.video else ()),
        ]
        if payload_type not in sent:
            return False
        return len(self._new_ssrcs) < MAX_NEW_SSRCS or now_s - self._new_ssrcs[0] >= NEW_SSRC_WINDOW_S

    def on_latched(self, ssrc: int, payload_type: int, now_s: float) -> None:
        """Take a proven SSRC as that of the track to which its payload type belongs."""
        self._new_ssrcs.append(now_s)
        if payload_type in RTX_OF.values():
            self._assign_rtx(self.video, ssrc)
            return
        source = self.audio if payload_type in AUDIO_PTS else self.video
        before = source.ssrc
        self._assign(source, ssrc)
        if before is None:
            return
        source.start_anew()
        for sink in source.sinks:
            sink.rewriter.switch(now_s)
        if source.video and source.sinks:
            self.want_keyframe(source)

    def _assign(self, source: Source, ssrc: int) -> None:
        if source.ssrc is not None:
            self.end.sources.pop(source.ssrc, None)
            self._forget_stream(source.ssrc)
        source.ssrc = ssrc
        self.end.sources[ssrc] = source

    def _assign_rtx(self, source: Source, ssrc: int) -> None:
        if source.rtx_ssrc is not None:
            self.end.recovering.pop(source.rtx_ssrc, None)
            self._forget_stream(source.rtx_ssrc)
        source.rtx_ssrc = ssrc
        self.end.recovering[ssrc] = source

    def _forget_stream(self, ssrc: int) -> None:
        if self.end.srtp is not None:
            self.end.srtp.forget(ssrc)

    # ---- what the conductor asks

    def now_s(self) -> float:
        """The relay's time."""
        return self._clock()

    def receivers(self) -> list[Leg]:
        """The others of the room who are connected and have a slot for this leg."""
        if self.room is None:
            return []
        return [
            other
            for other in self.room.members.values()
            if other is not self and other.connected and any(slot.shows(self) for slot in other.slots)
        ]

    def video_mid_of(self, other: Leg) -> str:
        """In which m-line this leg sees another."""
        index = next((index for index, slot in enumerate(self.slots) if slot.shows(other)), 0)
        return MIDS[2 * index + 1]

    def on_starved(self, sink: Sink) -> None:
        """Have a keyframe asked for: a picture of this slot was dropped that others build on."""
        if sink.source is not None:
            self.want_keyframe(sink.source)

    # ---- RTCP

    def on_rtcp(self, compound: bytes, now_s: float) -> None:
        """Read a compound that this leg's browser sent."""
        self.feedback.read(compound, now_s)

    # ---- end and state

    async def finish(self) -> None:
        """Free what only a coroutine can free. Called once, after the leg was taken out of all tables."""
        if self.handshake is not None and not self.handshake.done():
            self.handshake.cancel()
        await self.dtls.close()
        if self.handshake is not None:
            await asyncio.gather(self.handshake, return_exceptions=True)
        for source in (self.audio, self.video):
            source.missing.clear()
            if source.history is not None:
                source.history.clear()
        self.end.srtp = None
        self.end.sources.clear()
        self.end.recovering.clear()

    @property
    def videos_received(self) -> int:
        """How many others send video to this leg."""
        return sum(slot.source is not None and slot.video in slot.source.video.sinks for slot in self.slots)

    @property
    def state(self) -> State:
        """As the control API tells it."""
        if self.closed:
            return "closed"
        if self.silent:
            return "silent"
        if self.connected:
            return "connected"
        return "connecting" if self.answered is not None else "new"

    def stats(self, now_s: float) -> LegStats:
        """The leg as it is now."""
        received = [
            TrackStats(
                kind="video" if source.video else "audio",
                ssrc=source.ssrc,
                packets=source.packets,
                bytes=source.bytes,
                lost=source.reception.lost if source.packets else 0,
                nacks=source.nacked,
                retransmitted=source.recovered,
                keyframe_requests=source.keyframes.asked,
            )
            for source in (self.audio, self.video)
            if source.ssrc is not None
        ]
        sent = [
            TrackStats(
                kind="video" if sink.video else "audio",
                ssrc=sink.ssrc,
                packets=sink.packets,
                bytes=sink.bytes,
                retransmitted=sink.resent,
                fraction_lost=sink.fraction_lost,
            )
            for sink in self.sinks.values()
            if sink.packets
        ]
        path, outlet, uplink = self.end.path, self.end.outlet, self.end.uplink
        return LegStats(
            leg=self.id,
            call=self.call,
            epoch=self.epoch,
            restart=self.restart,
            state=self.state,
            transport=None if path is None else "tcp" if path.tcp else "udp",
            room=None if self.room is None else self.room.name,
            srtp_profile=self.dtls.profile,
            rtt_s=self.end.rtt_s if self.feedback.round_trip_known else None,
            remb_bps=self.feedback.told_bps,
            idle_s=max(0.0, now_s - self.end.heard_s),
            up=None if uplink is None else link_state(uplink.estimator, 0.0),
            down=None if outlet is None else link_state(self.downlink.estimator, outlet.pacer.queue_s),
            limits=self.conductor.limits,
            received=received,
            sent=sent,
        )


def _fresh_ssrcs() -> list[SlotSsrcs]:
    drawn = random.sample(range(1, 2**32), 3 * SLOTS)
    return [SlotSsrcs(*drawn[3 * index : 3 * index + 3]) for index in range(SLOTS)]
