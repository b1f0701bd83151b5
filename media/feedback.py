"""RTCP of one leg, terminated hop by hop (RFC 3550 section 6, RFC 4585).

What a browser reports is about its own link to the relay, and the relay answers for what it sends itself. Only two
things pass through, translated: the sender's clock, so that sound and picture are played in step, and what its
receivers can take, so that it does not send more.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from media import rtcp
from media.plane import Plane
from media.streams import AUDIO_CLOCK_HZ, VIDEO_CLOCK_HZ, End, Sink, Source
from media.ways import CONGESTED_QUEUE_S

if TYPE_CHECKING:
    from media.leg import Leg

IMPATIENT_LOSS = 0.10
IMPATIENT = 0.5
"""From this loss on a request is repeated after half a round trip: requests are lost as packets are."""
LATE_S = 0.2
"""A link that becomes far thinner shows in the first packets that come. The estimate wants several, and until then a
hundred that the link's queue dropped were asked for: Chromium puts all that into its own queue, which takes 3 s."""
OVERFLOW = 16
"""So many packets missing of a picture before a full link were dropped by its queue, and not asked for later either:
they would fill it for its next second. Radio loses one or two of the twenty in a second on links that thin."""
REMB_AT_ONCE_S = 0.2
"""A falling budget is told to the senders at once, but no more often than this."""

CLOCKS_KEPT = 32
"""Sender reports passed on whose time is remembered, to tell the round trip from the answer: 5 s of three slots."""

_CNAME = b"puente"


class Feedback:
    """Reads and writes the RTCP of `leg`. All times are of the relay's monotonic clock, in seconds."""

    def __init__(self, leg: Leg, plane: Plane) -> None:
        self._leg = leg
        self._plane = plane
        self.round_trip_known = False
        self._guessed = False
        self.told_bps: int | None = None
        """The last REMB sent to this leg."""
        self._told_s = float("-inf")
        self._reports: deque[tuple[int, float]] = deque(maxlen=CLOCKS_KEPT)

    # ---- in

    def read(self, compound: bytes, now_s: float) -> None:
        """Read a compound that the leg's browser sent."""
        packets, malformed = rtcp.parse_compound(compound)
        if malformed:
            self._plane.dropped["bad_rtcp"] += malformed
        for packet in packets:
            match packet:
                case rtcp.SenderReport():
                    self._sender_report(packet, now_s)
                    self._receiver_reports(packet.reports, now_s)
                case rtcp.ReceiverReport():
                    self._receiver_reports(packet.reports, now_s)
                case rtcp.Nack():
                    sink = self._leg.sinks.get(packet.media_ssrc)
                    if sink is not None:
                        self._plane.resend(sink, packet.lost, now_s)
                case rtcp.PictureLoss():
                    self._keyframe_for(packet.media_ssrc)
                case rtcp.FullIntra():
                    for ssrc, _ in packet.entries:
                        self._keyframe_for(ssrc)
                case rtcp.Remb():
                    self._budget_reported(packet.bitrate_bps, now_s)
                case rtcp.TransportFeedback() if self._leg.downlink.counted:
                    self._transport_feedback(packet, now_s)

    def _transport_feedback(self, packet: rtcp.TransportFeedback, now_s: float) -> None:
        try:
            self._leg.downlink.report(packet.body, now_s, self._leg.end.rtt_s)
        except rtcp.RtcpError:
            self._plane.dropped["bad_rtcp"] += 1
        if self._leg.end.outlet is not None:
            self._leg.end.outlet.look_again()

    def _sender_report(self, report: rtcp.SenderReport, now_s: float) -> None:
        """Note the sender's clock, and pass it on so that receivers play sound and picture in step."""
        source = self._leg.end.sources.get(report.ssrc)
        if source is None:
            return
        source.reception.sender_report(report.ntp, now_s)
        for sink in source.sinks:
            if sink.rewriter.flowing:
                leg_of(sink.end).feedback.pass_on(sink, report, now_s)

    def pass_on(self, sink: Sink, report: rtcp.SenderReport, now_s: float) -> None:
        """Send a source's report as that of the slot: its SSRC, timestamp and counts, the source's wall clock."""
        translated = rtcp.SenderReport(
            sink.ssrc,
            report.ntp,
            sink.rewriter.map_timestamp(report.rtp_timestamp),
            sink.packets & 0xFFFF_FFFF,
            sink.bytes & 0xFFFF_FFFF,
        )
        description = rtcp.SourceDescription(((sink.ssrc, ((rtcp.CNAME, _CNAME),)),))
        self._reports.append((report.ntp >> 16 & 0xFFFF_FFFF, now_s))
        self._plane.send_rtcp(self._leg.end, rtcp.pack_compound((translated, description)))

    def _receiver_reports(self, blocks: tuple[rtcp.ReportBlock, ...], now_s: float) -> None:
        for block in blocks:
            sink = self._leg.sinks.get(block.ssrc)
            if sink is None:
                continue
            sink.fraction_lost = block.fraction_lost / 256
            sink.lost = block.packets_lost
            sink.jitter_s = block.jitter / (VIDEO_CLOCK_HZ if sink.video else AUDIO_CLOCK_HZ)
            # The clock in the report is the far sender's, so the time is taken from when we passed it on.
            sent_s = next((at for lsr, at in self._reports if lsr == block.lsr), None) if block.lsr else None
            if sent_s is not None:
                self._round_trip(now_s - sent_s - block.dlsr / 65536)

    def _round_trip(self, rtt_s: float) -> None:
        if 0 <= rtt_s < 10:
            measured = max(rtt_s, 0.001)
            known = self.round_trip_known and not self._guessed
            self._leg.end.rtt_s = 0.75 * self._leg.end.rtt_s + 0.25 * measured if known else measured
            self.round_trip_known, self._guessed = True, False

    def guess_round_trip(self, rtt_s: float) -> None:
        """Take the time that the first flight of the handshake took as a first idea, until a report says better."""
        if not self.round_trip_known:
            self._leg.end.rtt_s = min(max(rtt_s, 0.01), 2.0)
            self.round_trip_known = self._guessed = True

    def _keyframe_for(self, ssrc: int) -> None:
        sink = self._leg.sinks.get(ssrc)
        if sink is not None and sink.video and sink.source is not None:
            self._leg.want_keyframe(sink.source)

    def _budget_reported(self, bitrate_bps: int, now_s: float) -> None:
        before = self._leg.downlink.budget_bps(now_s)
        self._leg.downlink.reported(bitrate_bps, now_s)
        if before is not None and bitrate_bps < before:
            for slot in self._leg.slots:
                if slot.source is not None:
                    slot.source.feedback.tell_budget(now_s)

    # ---- out

    @property
    def _own_ssrc(self) -> int:
        return self._leg.slots[0].audio.ssrc

    def report(self, now_s: float) -> None:
        """Send the reports of the last second (RFC 3550 section 6.4.2) and the budget; called once a second."""
        if not self._leg.connected:
            return
        blocks = []
        for source in (self._leg.audio, self._leg.video):
            if source.history is not None:
                source.history.expire(now_s)
            block = source.reception.report(source.ssrc, now_s) if source.ssrc is not None else None
            if block is not None:
                blocks.append(block if source.video else self._with_far_loss(block))
        packets: list[rtcp.Rtcp] = [rtcp.ReceiverReport(self._own_ssrc, tuple(blocks))]
        packets += self._remb(now_s)
        self._plane.send_rtcp(self._leg.end, rtcp.pack_compound(packets))

    def _with_far_loss(self, block: rtcp.ReportBlock) -> rtcp.ReportBlock:
        """The voice's report with the worst loss behind the relay: in-band FEC engages by what the talker is told."""
        worst = max((sink.fraction_lost for sink in self._leg.audio.sinks), default=0.0)
        return replace(block, fraction_lost=max(block.fraction_lost, int(worst * 255)))

    def transport_feedback(self, now_s: float) -> None:
        """Tell the browser which of its packets came, if that is due."""
        uplink = self._leg.end.uplink
        if uplink is None or not uplink.feedback_due(now_s, self._leg.downlink.rate_bps):
            return
        media_ssrc = self._leg.video.ssrc or self._leg.audio.ssrc or 0
        for packet in uplink.arrivals.build(self._own_ssrc, media_ssrc, now_s):
            self._plane.send_rtcp(self._leg.end, packet)

    def tell_budget(self, now_s: float) -> None:
        """Tell the sender of a budget that has fallen, without waiting for the next report."""
        if now_s - self._told_s < REMB_AT_ONCE_S:
            return
        budget_bps = self._budget_bps(now_s)
        if budget_bps is not None and (self.told_bps is None or budget_bps < self.told_bps):
            self._plane.send_rtcp(self._leg.end, rtcp.pack_compound(self._remb(now_s)))

    def _remb(self, now_s: float) -> list[rtcp.Rtcp]:
        budget_bps = self._budget_bps(now_s)
        if budget_bps is None or self._leg.video.ssrc is None:
            return []
        self._told_s, self.told_bps = now_s, budget_bps
        return [rtcp.Remb(self._own_ssrc, budget_bps, (self._leg.video.ssrc,))]

    def _budget_bps(self, now_s: float) -> int | None:
        """The least of what the receivers of this leg's video can take, and its ceiling. None: say nothing."""
        budgets = [bps for bps in (self._leg.video_cap_bps, self._leg.ceiling_bps) if bps is not None]
        for sink in self._leg.video.sinks:
            receiver = leg_of(sink.end)
            budget_bps = receiver.downlink.budget_bps(now_s)
            if budget_bps is not None:
                # A browser's estimate is for all video it receives: each sender gets its share.
                budgets.append(budget_bps // max(1, receiver.videos_received))
        return min(budgets) if budgets else None

    def ask_again(self, source: Source, now_s: float) -> None:
        """Ask this leg's browser for the missing packets that are due."""
        if source.video and self._leg.conductor.shows_nothing:
            source.missing.clear()  # of a picture that has just ended, on a link that has no room for its rest
            return
        uplink = self._leg.end.uplink
        if uplink is not None and (uplink.estimator.queue_s >= CONGESTED_QUEUE_S or uplink.late_s >= LATE_S):
            # Lost before a full link: sent again it would be late, and hold up what comes now.
            if source.video and len(source.missing) > OVERFLOW:
                source.missing.clear()
            return
        lost = source.missing.due(now_s, self._leg.end.rtt_s * self._patience())
        if source.missing.needs_keyframe:
            source.missing.needs_keyframe = False
            if source.video:
                self._leg.want_keyframe(source)
        if lost and source.ssrc is not None:
            source.nacked += len(lost)
            self._plane.send_rtcp(self._leg.end, rtcp.Nack(self._own_ssrc, source.ssrc, tuple(lost)).pack())

    def ask_ahead(self, now_s: float) -> None:
        """Ask this leg's browser for what it is just sending, where that is worth it."""
        for source in (self._leg.audio, self._leg.video):
            if source.ahead is None or source.ssrc is None:
                continue
            coming = source.ahead.due(now_s, self._leg.end.rtt_s, source.reception.highest)
            if coming:
                self._plane.send_rtcp(self._leg.end, rtcp.Nack(self._own_ssrc, source.ssrc, tuple(coming)).pack())

    def _patience(self) -> float:
        """How many round trips to wait before a packet is asked for again: half of one where requests are lost too.

        A browser sends a packet again once in a round trip however often it is asked.
        """
        uplink = self._leg.end.uplink
        loss = 0.0 if uplink is None else uplink.estimator.loss
        return IMPATIENT if loss >= IMPATIENT_LOSS else 1.0

    def ask_keyframe(self, source: Source, now_s: float) -> None:
        """Ask this leg's browser for a keyframe if that is due."""
        if source.ssrc is not None and source.keyframes.due(now_s, self._leg.end.rtt_s):
            self._plane.send_rtcp(self._leg.end, rtcp.PictureLoss(self._own_ssrc, source.ssrc).pack())


def leg_of(end: End) -> Leg:
    """The leg behind an end: the plane knows it only as an Owner, but whoever sends or receives is a leg."""
    return cast("Leg", end.owner)
