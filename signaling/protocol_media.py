"""Messages of the live protocol about media: what to send, how the link is, stills. Part of `protocol.py`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from media.control import Rung, VideoCodec, Whose, Why
from signaling.model import Model

Bars = Annotated[int, Field(ge=0, le=4)]
"""Link quality as shown: 0 none … 4 good."""
StillId = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{8,64}$")]
StillType = Literal["image/webp", "image/jpeg"]
StillKind = Literal["view", "document", "original"]
"""`view` in place of the moving picture; `document` asked for, sharper; `original` as the camera took it."""
MAX_STILL_BYTES = 4 << 20
MAX_STILL_PART_BYTES = 16_384
Verdict = Literal["measuring", "video", "voice", "phone"]
"""What a link will carry, as the test says it in words."""


class LinkMemory(Model):
    """What this device's link carried in its last visit on the same network, in bit/s."""

    up_bps: int = Field(ge=0, le=1_000_000_000)
    down_bps: int = Field(ge=0, le=1_000_000_000)


class IceServer(Model):
    """As RTCIceServer."""

    urls: list[str]
    username: str
    credential: str


class MediaReport(Model):
    """What only the page can know of its media in the last seconds; null: not known there."""

    wants_video: bool
    """The camera is on and neither side has chosen voice only."""
    concealed: float | None = Field(default=None, ge=0, le=1)
    """Share of the played sound that was made up because nothing had come."""
    frozen_ms: int | None = Field(default=None, ge=0, le=600_000)
    fps: float | None = Field(default=None, ge=0, le=240)
    cpu_limited: bool = False
    encode_ms: float | None = Field(default=None, ge=0, le=10_000)
    codec: VideoCodec | None = None
    out_bps: int | None = Field(default=None, ge=0, le=1_000_000_000)
    """The browser's own estimate of its uplink."""


class MediaState(Model):
    """What a person sends: shown to the other side as a choice, not as a fault."""

    microphone: bool
    camera: bool
    voice_only: bool = False


class LinkReport(Model):
    """How a page sees its own link now; at most one every 2 s is used."""

    bars: Bars
    rtt_ms: int | None = Field(default=None, ge=0, le=120_000)
    media: MediaReport | None = None


class StillBegin(Model):
    """A still picture follows. Naming one that was begun before asks from where to go on (`StillAck.offset`)."""

    id: StillId
    type: StillType
    bytes: int = Field(ge=1, le=MAX_STILL_BYTES)
    width: int = Field(ge=1, le=8192)
    height: int = Field(ge=1, le=8192)
    kind: StillKind


class StillPart(Model):
    """A piece of a still, as Socket.IO binary. Send the next one when this is acknowledged."""

    id: StillId
    offset: int = Field(ge=0, le=MAX_STILL_BYTES)
    data: bytes = Field(min_length=1, max_length=MAX_STILL_PART_BYTES)


class StillAck(Model):
    """How much of a still has arrived: send from here."""

    ok: Literal[True] = True
    offset: int


class StillWant(Model):
    """Give me pieces of this still from `offset` on: one `still.part` comes back, or none when that is all there is."""

    id: StillId
    offset: int = Field(ge=0, le=MAX_STILL_BYTES)
    max_bytes: int = Field(default=MAX_STILL_PART_BYTES, ge=256, le=MAX_STILL_PART_BYTES)
    """What the link may be held up with at once: fewer on a thin one."""


class StillAsk(Model):
    """Ask the other side for a sharp still (`document`: every letter must be legible) or for its original."""

    id: StillId | None = None
    """The still whose original is wanted; null for a new picture."""


class StillRefuse(Model):
    """No photograph: the person said no to one that was asked for, or it could not be taken."""


class AudioView(Model):
    """How the voice is to be encoded: Opus, so many bit/s in packets of so many ms, `red`: each with the one before."""

    frame_ms: Literal[20, 40, 60, 120]
    bitrate_bps: int
    red: bool
    dtx: bool


class VideoView(Model):
    """How the picture is to be encoded: `bitrate_bps` is a ceiling, `lines` the picture's height."""

    bitrate_bps: int
    fps: int
    lines: int
    codec: VideoCodec


class LimitsView(Model):
    """What this page is to send now, and why. Without `video` it sends none (stills if `stills_bps` is not 0)."""

    rung: Rung
    why: Why
    whose: Whose
    audio: AudioView
    video: VideoView | None
    stills_bps: int
    since_ms: int


class RungView(Model):
    """The rung of a direction, why, and whose link that is, seen from who receives this."""

    rung: Rung
    why: Why
    whose: Whose


class LinkTestView(Model):
    """What the link will carry, measured over its own leg while it waits. Rates in bit/s of all that is sent."""

    verdict: Verdict
    up_bps: int | None
    down_bps: int | None
    rtt_ms: int | None
    loss: float | None


class StillView(Model):
    """A still of the other side: `have` of its `bytes` can be fetched with `still.want`."""

    id: StillId
    type: StillType
    bytes: int
    width: int
    height: int
    kind: StillKind
    have: int
    at_ms: int


class StillAsked(Model):
    """The other side asks for a sharp still, or for the original of one."""

    id: StillId | None


class StillRefused(Model):
    """The photograph that was asked for will not come: the other side said no, or could not take it."""


class StillData(Model):
    """A piece of a still, as Socket.IO binary: the answer to `still.want`. Empty: no more for now."""

    ok: Literal[True] = True
    id: StillId
    offset: int
    data: bytes
