"""What the plane knows of legs: the ends of their connections, what they send, and where it is received.

Plain records, made and changed by `media/leg.py` and `media/room.py`, read and counted in for each packet by the plane.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from media.ahead import MOST, Ahead
from media.history import History
from media.keyframe import KeyframeRequests
from media.nack import VOICE_MAX_AGE_S, Missing
from media.reception import Reception
from media.slot import Rewriter
from media.sockets import Address, TcpConnection
from media.srtp import Srtp
from media.uplink import Uplink

if TYPE_CHECKING:
    from media.outlet import Outlet

AUDIO_CLOCK_HZ = 48_000
VIDEO_CLOCK_HZ = 90_000


MOST_AHEAD = 2 * MOST
"""Copies that were asked for ahead are at most so far beyond the newest packet: two requests."""


class Source:
    """A medium that a leg sends: what is received of it, and where it goes."""

    __slots__ = (
        "ahead", "bytes", "end", "history", "keyframe_s", "keyframe_sequence", "keyframes", "missing", "nacked",
        "newest", "packets", "payload_type", "reception", "recovered", "rtx_ssrc", "sinks", "ssrc", "timestamp",
        "video",
    )  # fmt: skip

    def __init__(self, end: End, *, video: bool) -> None:
        self.end = end
        self.video = video
        self.ssrc: int | None = None
        self.rtx_ssrc: int | None = None
        self.payload_type = -1
        """Of the last packet; a retransmission is of the medium that was last sent."""
        self.sinks: tuple[Sink, ...] = ()
        self.packets = 0
        self.bytes = 0
        self.nacked = 0
        self.recovered = 0
        """Packets that came by retransmission."""
        self.reception = Reception(VIDEO_CLOCK_HZ if video else AUDIO_CLOCK_HZ)
        self.ahead: Ahead | None = None
        """Each packet is asked for before it is missed."""
        self.missing = Missing() if video else Missing(VOICE_MAX_AGE_S)
        self.keyframes = KeyframeRequests()
        self.history: History | None = History() if video else None
        """What may be asked for again; of voice from when its leg counts packets (`keep_voice`)."""
        self.newest = b""
        """Of voice, the packet that came last: it says how loud it is."""
        self.timestamp = -1
        """Of the picture that came last."""
        self.keyframe_sequence = -1
        """Where the last keyframe began; -1: none is known."""
        self.keyframe_s = float("-inf")

    def keyframe_seen(self, sequence: int, now_s: float) -> None:
        """Note that a keyframe begins with this packet."""
        self.keyframe_sequence, self.keyframe_s = sequence, now_s
        self.keyframes.seen()

    def note_gap(self, first: int, count: int, now_s: float) -> None:
        """Note that `count` packets from `first` on are missing, but for those of which a copy came before."""
        self.missing.gap(first, count, now_s)
        if self.history is not None:
            for sequence in range(first, first + min(count, MOST_AHEAD)):
                if self.history.get(sequence & 0xFFFF) is not None:
                    self.missing.arrived(sequence & 0xFFFF)

    def is_news(self, sequence: int) -> bool:
        """Tell whether a copy that was asked for ahead is of a packet that has not come and was not missed yet."""
        ahead = self.ahead is not None and 0 < (sequence - self.reception.highest) & 0xFFFF <= MOST_AHEAD
        return ahead and self.history is not None and self.history.get(sequence) is None

    def keep_voice(self) -> None:
        """Keep packets of voice for who asks for them again."""
        self.history = self.history or History()

    def start_anew(self) -> None:
        """Forget the stream, not the counts: the next packet is of another SSRC."""
        self.reception = Reception(VIDEO_CLOCK_HZ if self.video else AUDIO_CLOCK_HZ)
        self.missing.clear()
        self.timestamp = self.keyframe_sequence = -1
        if self.history is not None:
            self.history.clear()


class Sink:
    """A medium of a slot, as a leg receives it: fixed SSRCs, changing sources."""

    __slots__ = (
        "bytes", "doubled", "end", "fraction_lost", "in_keyframe", "jitter_s", "lost", "number", "packets", "paused",
        "resent", "rewriter", "rtx_sequence", "rtx_ssrc", "source", "ssrc", "starved", "timestamp", "video",
    )  # fmt: skip

    def __init__(self, end: End, number: int, ssrc: int, rtx_ssrc: int, *, video: bool) -> None:
        self.end = end
        self.number = number
        """Tells the receivers of one history apart; different for all sinks of a worker, below 65536."""
        self.ssrc = ssrc
        self.rtx_ssrc = rtx_ssrc
        self.rtx_sequence = ssrc & 0x7FFF
        self.video = video
        self.rewriter = Rewriter(ssrc, VIDEO_CLOCK_HZ if video else AUDIO_CLOCK_HZ, video=video)
        self.source: Source | None = None
        self.packets = 0
        self.bytes = 0
        self.resent = 0
        self.fraction_lost = 0.0
        self.jitter_s = 0.0
        self.lost = 0
        """As the receiver reports both."""
        self.timestamp = b""
        self.in_keyframe = False
        """Whether the picture with this timestamp, the last that went out, is a keyframe."""
        self.starved = False
        """A picture that others build on was dropped before it left: until the next keyframe nothing helps."""
        self.doubled = False
        """Each packet is sent twice: asking again takes too long."""
        self.paused = False
        """Nothing is sent for now: the receiver's link has no room, or does not answer."""


class Path:
    """One way to a leg: a remote address from which it has proven itself."""

    __slots__ = ("address", "end", "tcp")

    def __init__(self, end: End, address: Address) -> None:
        self.end = end
        self.address = address
        self.tcp = isinstance(address, TcpConnection)


class End:
    """What the plane knows of a leg. `owner` is what hears of its RTCP and DTLS."""

    __slots__ = (
        "heard_s", "media_s", "outlet", "owner", "path", "paths", "recovering", "rtcp_ssrcs", "rtt_s", "sources",
        "srtp", "uplink",
    )  # fmt: skip

    def __init__(self, owner: Owner, now_s: float) -> None:
        self.owner: Owner = owner
        self.srtp: Srtp | None = None
        self.uplink: Uplink | None = None
        """Counts what comes, where the browser numbers it transport-wide; None: it does not."""
        self.outlet: Outlet | None = None
        """The way out of a leg that counts what it gets; None: packets leave as they come."""
        self.path: Path | None = None
        """The path that is sent to: where media last came from, or the one nominated."""
        self.paths: list[Path] = []
        self.sources: dict[int, Source] = {}
        self.recovering: dict[int, Source] = {}
        """Sources by the SSRC of their retransmissions."""
        self.rtcp_ssrcs: set[int] = set()
        self.heard_s = now_s
        """When the last authenticated packet came."""
        self.media_s = float("-inf")
        """When the last SRTP packet came."""
        self.rtt_s = 0.1


class Owner(Protocol):
    """The leg behind an End: it is told of everything that is not media, and may be slower than that."""

    def on_dtls(self, datagram: bytes) -> bool:
        """Take a DTLS datagram; false if it was dropped."""

    def on_rtcp(self, compound: bytes, now_s: float) -> None:
        """Take a decrypted RTCP compound."""

    def on_starved(self, sink: Sink) -> None:
        """Have a keyframe asked for: a picture of this slot was dropped that others build on."""

    def on_new_ssrc(self, ssrc: int, payload_type: int, now_s: float) -> bool:
        """Say whether a packet of an unknown SSRC may be decrypted; `on_latched` follows when it proved genuine."""

    def on_latched(self, ssrc: int, payload_type: int, now_s: float) -> None:
        """Take an unknown SSRC as that of the source with this payload type."""


class Nobody:
    """The owner of an end whose leg is gone; it keeps the leg from being kept by what it kept."""

    def on_dtls(self, datagram: bytes) -> bool:
        """Take nothing."""
        return False

    def on_rtcp(self, compound: bytes, now_s: float) -> None:
        """Take nothing."""

    def on_starved(self, sink: Sink) -> None:
        """Take nothing."""

    def on_new_ssrc(self, ssrc: int, payload_type: int, now_s: float) -> bool:
        """Take nothing."""
        return False

    def on_latched(self, ssrc: int, payload_type: int, now_s: float) -> None:
        """Take nothing."""


NOBODY = Nobody()
