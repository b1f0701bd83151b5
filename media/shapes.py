"""What each rung looks and sounds like: tables of shapes, and the arithmetic between a direction's rate and a shape.

All rates are bit/s of whole IP packets unless a name says otherwise. The tables are data of 2026-11, from three
sources: runs of two browsers behind emulated links with settings chosen by hand (AV1 at 50 kbit/s and 12 pictures/s
for a 128 kbit/s uplink, at 35 kbit/s and 8 for 100 kbit/s, 16 kbit/s speech in 60 ms packets for all of these), single
encoders measured at 30-100 kbit/s, and what Opus is made for (RFC 7587 §3.1.1: 8-12 kbit/s narrowband, 16-20 wideband,
28-40 fullband speech).
"""

from __future__ import annotations

from dataclasses import dataclass

from media.control import AudioShape, VideoCodec, VideoShape

PACKET_OVERHEAD_BYTES = 72
"""IPv4 20, UDP 8, RTP 12, header extensions 16 (mid, level, send time, sequence), SRTP tag 16."""

FULL_PACKET_BYTES = 1100
"""What browsers put into a packet of a picture that needs several."""

RED_HEADER_BYTES = 5
"""One block header of 4 and the last one of 1 (RFC 2198 §3)."""

FEEDBACK_SHARE = 0.04
"""Of a direction, for RTCP: 3 % for transport-wide feedback, the rest for reports and requests."""

HEADROOM = 0.83
"""Of what is left after voice and feedback the picture gets this share. Encoders overshoot by some 10 % for seconds and
a keyframe is 3-5 times a picture; with more a queue stands before the bottleneck and the voice waits in it."""

LOSSY = 0.10
"""From this loss on, short packets (one lost is a shorter hole) where the rate allows; below it, long ones are cheaper
and RED alone repairs them."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A way to encode speech, for directions that carry at least `from_bps`."""

    from_bps: int
    frame_ms: int
    bitrate_bps: int
    dtx: bool

    def shape(self, *, red: bool) -> AudioShape:
        """Return it as told to the page."""
        return AudioShape.model_validate(
            {"frame_ms": self.frame_ms, "bitrate_bps": self.bitrate_bps, "red": red, "dtx": self.dtx}
        )


VOICES = (
    # The least of all that is still speech: 17 kbit/s in all, where 60 ms packets would cost 22.
    Voice(from_bps=0, frame_ms=120, bitrate_bps=12_000, dtx=True),
    # Wideband speech as good as most ears can tell; three times less headers than with 20 ms. 26 kbit/s in all.
    Voice(from_bps=40_000, frame_ms=60, bitrate_bps=16_000, dtx=True),
    # Wideband is as good as it gets at 24 kbit/s; 40 ms saves 14 kbit/s of headers, which the picture needs more. 38.
    Voice(from_bps=150_000, frame_ms=40, bitrate_bps=24_000, dtx=False),
    # No saving where there is no need: fullband, 61 kbit/s in all, an eighth of the direction.
    Voice(from_bps=450_000, frame_ms=20, bitrate_bps=32_000, dtx=False),
)
"""From thin to rich."""

THIN_RED_VOICE = Voice(from_bps=40_000, frame_ms=60, bitrate_bps=12_000, dtx=True)
THIN_RED_BELOW_BPS = 115_000
"""With RED on thin links: 34 kbit/s in all instead of 42, and the 8 are what stills have there. 12 kbit/s of wideband
were PESQ 3.8 where 16 were 4.2, both without loss."""

LOSSY_VOICES = (
    # With RED 47 kbit/s in all, twice that with copies, and then a small picture.
    Voice(from_bps=140_000, frame_ms=40, bitrate_bps=16_000, dtx=False),
    # 63 in all, with copies 126; a lost pair is a hole of 40 ms.
    Voice(from_bps=180_000, frame_ms=20, bitrate_bps=16_000, dtx=False),
    # At 24 kbit/s libopus has room for in-band FEC, so that each packet is in three. 79 in all.
    Voice(from_bps=400_000, frame_ms=20, bitrate_bps=24_000, dtx=False),
)
"""Instead of the richer ones from `LOSSY` on."""


@dataclass(frozen=True, slots=True)
class PictureStep:
    """The picture for `video_bps`: up to the next step the lines stay and the pictures/s go over evenly."""

    video_bps: int
    lines: int
    fps: int


@dataclass(frozen=True, slots=True)
class Picture:
    """A rung with moving pictures: entered from `enter_bps` of video on, left below `keep_bps`."""

    enter_bps: int
    keep_bps: int
    most_bps: int
    steps: tuple[PictureStep, ...]


PICTURES: dict[int, Picture] = {
    # 240×180. AV1 at 30 kbit/s kept texture and colour at 240 lines and 10 pictures/s; below 16 no encoder follows.
    3: Picture(
        enter_bps=22_000, keep_bps=16_000, most_bps=80_000,
        steps=(PictureStep(16_000, 180, 5), PictureStep(25_000, 180, 6), PictureStep(35_000, 180, 8)),
    ),
    # 320×240, at the upper end 480×360: 120 kbit/s of AV1 at 360 lines was the best picture on a 256 kbit/s link.
    4: Picture(
        enter_bps=50_000, keep_bps=36_000, most_bps=340_000,
        steps=(PictureStep(36_000, 240, 13), PictureStep(50_000, 240, 14), PictureStep(80_000, 240, 15),
               PictureStep(120_000, 360, 15), PictureStep(150_000, 360, 20)),
    ),
    # From 640×360 on. More than 1.2 Mbit/s shows no more of 480 lines. 30 pictures/s though cameras give 25: a limit at
    # the camera's own rate drops every twentieth that comes a little early.
    5: Picture(
        enter_bps=185_000, keep_bps=150_000, most_bps=1_200_000,
        steps=(PictureStep(150_000, 360, 20), PictureStep(200_000, 360, 22), PictureStep(300_000, 360, 27),
               PictureStep(400_000, 480, 30)),
    ),
}  # fmt: skip
"""By rung. The most of each is what the next one needs with its headroom: a link proves a rung by carrying its rate."""

STILLS_ENTER_BPS = 8_000
STILLS_KEEP_BPS = 3_000
"""A still of 10 kB takes 10 s at 8 kbit/s, the longest somebody looks at an old one; at 3 it takes 27."""
STILLS_MOST_BPS = 1_000_000
"""More would show a still no sooner than the eye sees it."""
STILLS_ALONE_SHARE = 0.75
"""Of the picture's room where nothing moves: stills are sent in bursts, and the voice beside them must not wait."""
STILLS_SHARE = 0.1
"""Of the picture's room, for stills that are asked for while pictures move."""

DEFERRED_BELOW_BPS = 12_000
"""Not even two thirds of the thinnest voice fit: nobody understands that."""

LEAST_PICTURE_BPS = 12_000
"""Through a dip: the encoder is held to what a page can be told, and drops pictures."""

LOSSY_PICTURE_BPS = 90_000
"""Where much is lost a picture should be one packet: 900 bytes at 12 pictures/s. Of three packets at 30 % loss all
arrive in one case of three."""

LINES_MARGIN = 1.2
"""More lines only from so much above their step: each change of size costs a keyframe."""


def voice_bps(audio: AudioShape, copies: int = 0) -> int:
    """Return what a voice takes of a direction, with `copies` repetitions of each packet, while somebody speaks."""
    packet_bytes = PACKET_OVERHEAD_BYTES
    payload_bps = audio.bitrate_bps
    if audio.red:
        packet_bytes += RED_HEADER_BYTES
        payload_bps *= 2
    return (payload_bps + packet_bytes * 8 * 1000 // audio.frame_ms) * (1 + copies)


def video_room_bps(direction_bps: float, audio_bps: int, loss: float = 0.0) -> int:
    """Return what a direction has for the picture after feedback, voice, headroom and repair; 0 where nothing is left.

    Each lost packet is sent again, so of the room the share `loss` goes into repair.
    """
    left = direction_bps * (1 - FEEDBACK_SHARE) - audio_bps
    return max(0, int(left * HEADROOM * (1 - min(max(loss, 0.0), 0.9))))


def direction_need_bps(video_bps: int, audio_bps: int) -> int:
    """Return how much a direction must carry for this picture beside this voice: the inverse of `video_room_bps`."""
    return int((video_bps / HEADROOM + audio_bps) / (1 - FEEDBACK_SHARE)) + 1


def highest_entered(room_bps: float) -> int:
    """Return the highest rung (1-5) that may be entered with this room for the picture."""
    for rung in (5, 4, 3):
        if room_bps >= PICTURES[rung].enter_bps:
            return rung
    return 2 if room_bps >= STILLS_ENTER_BPS else 1


def highest_kept(room_bps: float) -> int:
    """Return the highest rung (1-5) that need not be left with this room for the picture."""
    for rung in (5, 4, 3):
        if room_bps >= PICTURES[rung].keep_bps:
            return rung
    return 2 if room_bps >= STILLS_KEEP_BPS else 1


def keep_bps(rung: int) -> int:
    """Return the room for the picture (or the stills) below which a rung is left."""
    if rung in PICTURES:
        return PICTURES[rung].keep_bps
    return STILLS_KEEP_BPS if rung == 2 else 0


def enter_bps(rung: int) -> int:
    """Return the room for the picture (or the stills) from which a rung is entered."""
    if rung in PICTURES:
        return PICTURES[rung].enter_bps
    return STILLS_ENTER_BPS if rung == 2 else 0


def video_shape(rung: int, video_bps: int, codec: VideoCodec, before: VideoShape | None = None) -> VideoShape:
    """Return the picture of a rung (3-5) that takes `video_bps` with headers; the shape's bit rate is the encoder's.

    `before` is the shape till now: its lines are kept until the rate is clearly above the next step. Raises `KeyError`
    for a rung without pictures.
    """
    picture = PICTURES[rung]
    bitrate_bps = min(max(video_bps, LEAST_PICTURE_BPS), picture.most_bps)
    lower = picture.steps[0]
    upper = lower
    lines = lower.lines
    for step in picture.steps:
        upper = step
        if step.video_bps > bitrate_bps:
            break
        lower = step
        if before is None or step.lines <= before.lines or bitrate_bps >= step.video_bps * LINES_MARGIN:
            lines = step.lines
    span_bps = upper.video_bps - lower.video_bps
    part = (bitrate_bps - lower.video_bps) / span_bps if span_bps else 0.0
    fps = lower.fps + int((upper.fps - lower.fps) * min(max(part, 0.0), 1.0))
    packets_per_s = max(fps, bitrate_bps / 8 / FULL_PACKET_BYTES)
    payload_bps = int(bitrate_bps - packets_per_s * PACKET_OVERHEAD_BYTES * 8)
    return VideoShape(bitrate_bps=max(payload_bps, 10_000), fps=fps, lines=lines, codec=codec)
