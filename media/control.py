"""Messages of the relay worker's control API (HTTP + JSON).

One worker is told what to do by signalling processes over this API and tells them what happened through
`GET /v1/events`. The worker (`media/worker.py`) and its client (`media/client.py`) share these models, so the two
sides cannot drift.

| request | body | answer |
|---|---|---|
| `POST /v1/legs` | `CreateLeg` | `LegOffer` |
| `POST /v1/legs/{leg}/answer` | `AnswerLeg` | `Done` |
| `POST /v1/legs/{leg}/restart` | `RestartLeg` | `LegOffer` |
| `POST /v1/legs/{leg}/set` | `SetLeg` | `Done` |
| `POST /v1/legs/{leg}/report` | `ReportLeg` | `Done` |
| `POST /v1/legs/{leg}/close` | `CloseLeg` | `Done` |
| `GET /v1/legs/{leg}` | | `LegStats` |
| `POST /v1/rooms/{room}/join` | `JoinRoom` | `RoomState` |
| `POST /v1/rooms/{room}/leave` | `LeaveRoom` | `RoomState` |
| `GET /v1/events?boot=B&after=N&wait_s=S` | | `Events` (long poll) |
| `GET /v1/stats` | | `WorkerStats` |
| `POST /v1/drain` | | `Done` |

Every request names its call and epoch and is idempotent by them: the same request twice has the effect and the answer
of one, and a request with a lower epoch than the worker has seen for that leg is refused as `stale_epoch`. A refusal is
an HTTP status >= 400 with a `Refusal` body.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$")]
"""Identifier of a leg, a call or a room, chosen by the caller."""

Epoch = Annotated[int, Field(ge=1, le=2**31 - 1)]
"""Incarnation of a call's media; rises when the call moves or a leg is replaced."""

Sdp = Annotated[str, Field(min_length=1, max_length=32_768)]
"""A session description. Browsers answer our offer in 4-8 KB; more than 32 KB is not from a browser."""

VideoCodec = Literal["VP8", "VP9", "AV1", "H264"]

Rung = Annotated[int, Field(ge=0, le=5)]
"""How much of a visit a direction carries: 5 full, 4 small, 3 minimal, 2 stills, 1 voice, 0 deferred."""

Why = Literal["start", "clear", "rate", "loss", "delay", "cpu", "choice"]
"""Why a direction has its rung: it has just begun, there is room, too little rate, too much loss, too much delay, the
sender's processor, or somebody wants voice only."""

Whose = Literal["own", "other", "none"]
"""Whose link (or processor, or choice) that is, seen from the sender."""

MAX_ROOM_LEGS = 4
"""Patient, nurse, and two of interpreter, specialist or relative: what the fixed offer has slots for."""


class Message(BaseModel):
    """Base of all control messages: unknown fields are an error, values are not changed after parsing."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CreateLeg(Message):
    """Make a leg, or return the standing one of the same call and epoch."""

    leg: Name
    call: Name
    epoch: Epoch


class LegOffer(Message):
    """The server's offer for a leg. `restart` counts ICE restarts; the answer must name the same number."""

    leg: Name
    call: Name
    epoch: Epoch
    restart: int = Field(ge=0)
    sdp: Sdp


class LinkHint(Message):
    """What this device's link carried in its last visit, as a first idea; rates in bit/s of all that is sent."""

    up_bps: int = Field(ge=0, le=1_000_000_000)
    down_bps: int = Field(ge=0, le=1_000_000_000)


class AnswerLeg(Message):
    """The browser's answer to the offer numbered `restart`."""

    call: Name
    epoch: Epoch
    restart: int = Field(ge=0)
    sdp: Sdp
    hint: LinkHint | None = None


class RestartLeg(Message):
    """Ask for ICE restart number `restart` (1, 2, …): new credentials, same DTLS, same SSRCs."""

    call: Name
    epoch: Epoch
    restart: int = Field(ge=1, le=100_000)


class SetLeg(Message):
    """Change what a leg may send to its room, and the ceiling it is told by REMB. None leaves a value as it is."""

    call: Name
    epoch: Epoch
    audio: bool | None = None
    video: bool | None = None
    video_cap_bps: int | None = Field(default=None, ge=10_000, le=20_000_000)


class ClientReport(Message):
    """What only the page can know of the last seconds. None: not known there."""

    wants_video: bool = True
    """The camera is on and neither side has chosen voice only."""
    concealed: float | None = Field(default=None, ge=0, le=1)
    """Share of the played sound that was made up because nothing had come."""
    frozen_ms: int | None = Field(default=None, ge=0, le=600_000)
    fps: float | None = Field(default=None, ge=0, le=240)
    """Pictures shown a second."""
    cpu_limited: bool = False
    encode_ms: float | None = Field(default=None, ge=0, le=10_000)
    """Mean time to encode a picture."""
    codec: VideoCodec | None = None
    """What is encoded now."""
    out_bps: int | None = Field(default=None, ge=0, le=1_000_000_000)
    """The browser's own estimate of its uplink."""


class ReportLeg(Message):
    """Tell the relay what the page of a leg sees. It may come late or never; the relay does without."""

    call: Name
    epoch: Epoch
    report: ClientReport


class CloseLeg(Message):
    """End a leg and free what it holds. Closing an unknown leg is done already."""

    call: Name
    epoch: Epoch


class JoinRoom(Message):
    """Put a leg into a room: it hears and sees the others there, and they it."""

    call: Name
    epoch: Epoch
    leg: Name


class LeaveRoom(JoinRoom):
    """Take a leg out of a room; the leg itself stays up."""


class Slot(Message):
    """Where, in one leg's description, another leg of the room is heard and seen."""

    source: Name
    audio_mid: str
    video_mid: str


class RoomMember(Message):
    """A leg in a room and the slots in which it receives the others."""

    leg: Name
    connected: bool
    slots: list[Slot]


class RoomState(Message):
    """A room after a join or leave."""

    room: Name
    members: list[RoomMember]


class Done(Message):
    """The request has its effect (now or already before)."""

    ok: Literal[True] = True


RefusalCode = Literal[
    "bad_request", "bad_sdp", "draining", "not_found", "room_full", "stale_epoch", "too_large", "unauthorized",
    "worker_full",
]  # fmt: skip


class Refusal(Message):
    """Why a request was refused. `detail` is for logs; it never repeats what the caller sent."""

    code: RefusalCode
    detail: str = ""


EventKind = Literal["connected", "media", "silent", "active", "limits", "measured", "report", "gone"]
"""`connected`: DTLS is up. `media`: first RTP packet. `silent`: no authenticated packet for `SILENT_AFTER_S`.
`active`: packets again after silence. `limits`: what the leg is to send has changed. `measured`: its link was measured
outside a call. `report`: how it has done so far. `gone`: the leg was closed or timed out, and everything of it is
freed; its last report comes with it."""

SILENT_AFTER_S = 2.5
"""Both sides must see *reconectando* within 3 s of a cut; 0.5 s is left for signalling. RTCP alone is 1 a second."""


class AudioShape(Message):
    """How a leg's voice is to be encoded: Opus, so many bit/s in packets of so many ms."""

    frame_ms: Literal[20, 40, 60, 120]
    bitrate_bps: int = Field(ge=6_000, le=128_000)
    red: bool
    """Each packet carries the one before it too (RFC 2198)."""
    dtx: bool


class VideoShape(Message):
    """How a leg's picture is to be encoded. `bitrate_bps` is a ceiling; `lines` the height of the picture."""

    bitrate_bps: int = Field(ge=10_000, le=20_000_000)
    fps: int = Field(ge=1, le=60)
    lines: int = Field(ge=90, le=2160)
    codec: VideoCodec


class Limits(Message):
    """What a leg is to send now: its direction's rung, why, and the shapes. `video` is None below rung 3."""

    rung: Rung
    why: Why
    whose: Whose
    audio: AudioShape
    video: VideoShape | None
    stills_bps: int = Field(ge=0, le=20_000_000)
    """What stills may take of the link beside the voice; 0: none now."""
    since_ms: int
    """When this rung began, Unix ms."""


class LinkMeasure(Message):
    """A leg's link as measured outside a call: rates in bit/s, losses as shares; None: not known (yet)."""

    up_bps: int | None = None
    down_bps: int | None = None
    rtt_ms: int | None = None
    loss_up: float | None = None
    loss_down: float | None = None
    rung_up: Rung | None = None
    rung_down: Rung | None = None
    final: bool = False
    """Nothing more will be measured."""


class RungStep(Message):
    """A direction's rung from a moment on."""

    at_ms: int
    rung: Rung
    why: Why
    whose: Whose


MAX_RUNG_STEPS = 200
"""Steps kept of one leg; with one change in 10 s more than half an hour of restlessness."""


class WayReport(Message):
    """One direction of a leg since it began."""

    packets: int = 0
    bytes: int = 0
    lost: int = 0
    repaired: int = 0
    """Lost packets that came or were sent again."""
    estimate_bps: int | None = None
    jitter_ms: float | None = None
    codec: VideoCodec | None = None


class LegReport(Message):
    """How a leg has done since it began; each report replaces the one before. `up` is what the person sent."""

    seconds: float
    transport: Literal["udp", "tcp"] | None
    rtt_ms: float | None
    rtt_max_ms: float | None
    up: WayReport
    down: WayReport
    rungs: list[RungStep] = Field(max_length=MAX_RUNG_STEPS)
    """Of what the leg sends."""
    concealed: float | None = None
    """Mean share of made-up sound that the page reported."""
    frozen_ms: int = 0
    """As the page reported."""
    restarts: int = 0


class LegEvent(Message):
    """Something that happened to a leg."""

    seq: int
    at_ms: int
    leg: Name
    call: Name
    epoch: Epoch
    kind: EventKind
    reason: str = ""
    limits: Limits | None = None
    measure: LinkMeasure | None = None
    report: LegReport | None = None


class Events(Message):
    """Events after the sequence asked for. `lost` is true when some of them are no longer kept or `boot` is another
    incarnation of the worker: then ask each leg's state anew."""

    boot: str
    next: int
    lost: bool
    events: list[LegEvent]


class TrackStats(Message):
    """One direction of one medium of a leg."""

    kind: Literal["audio", "video"]
    ssrc: int
    packets: int
    bytes: int
    lost: int = 0
    nacks: int = 0
    retransmitted: int = 0
    keyframe_requests: int = 0
    fraction_lost: float = 0.0


class LinkState(Message):
    """One direction of a leg's link as the relay estimates it."""

    rate_bps: int
    carried_bps: int
    """What came through of late."""
    known: bool
    loss: float
    queue_ms: float
    """How long packets stand before the link."""
    waiting_ms: float = 0.0
    """How long they stand in the relay before that."""
    overusing: bool


class LegStats(Message):
    """A leg as it is now. Times in seconds, rates in bit/s; None where nothing is known yet."""

    leg: Name
    call: Name
    epoch: Epoch
    restart: int
    state: Literal["new", "connecting", "connected", "silent", "closed"]
    transport: Literal["udp", "tcp"] | None
    room: Name | None
    srtp_profile: str | None
    rtt_s: float | None
    remb_bps: int | None
    idle_s: float
    up: LinkState | None = None
    down: LinkState | None = None
    """Its links as estimated now; None where the browser does not count packets."""
    received: list[TrackStats]
    sent: list[TrackStats]
    limits: Limits | None = None
    """What it was last told to send; for who has missed events."""


class WorkerStats(Message):
    """A worker as it is now."""

    boot: str
    draining: bool
    port: int = 0
    """UDP and TCP port of media."""
    legs: int
    rooms: int
    packets_in: int
    packets_out: int
    cpu_s: float
    rss_bytes: int
    dropped: dict[str, int]
    """Datagrams that cost only a counter, by reason."""
