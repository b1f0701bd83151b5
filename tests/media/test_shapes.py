"""The tables agree with the design's needs, and rates and shapes with each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media import shapes
from media.control import VideoShape

THIN = shapes.VOICES[1].shape(red=False)


@pytest.mark.parametrize(("rung", "about_bps"), [(5, 280_000), (4, 90_000), (3, 55_000), (2, 37_000)])
def test_rungs_need_what_the_design_says(rung: int, about_bps: int) -> None:
    """With the thin voice each rung begins near the figure of the design's table."""
    need_bps = shapes.direction_need_bps(shapes.enter_bps(rung), shapes.voice_bps(THIN))
    assert need_bps == pytest.approx(about_bps, rel=0.08)


def test_voices_cost_what_was_counted() -> None:
    """Headers are counted: speech of 12-32 kbit/s takes 17-61."""
    costs = [round(shapes.voice_bps(voice.shape(red=False)) / 1000) for voice in shapes.VOICES]
    assert costs == [17, 26, 38, 61]
    assert shapes.voice_bps(THIN, copies=2) == 3 * shapes.voice_bps(THIN)
    assert shapes.voice_bps(shapes.VOICES[1].shape(red=True)) == pytest.approx(42_000, rel=0.02)


def test_every_voice_leaves_room_where_it_is_used() -> None:
    """Unprotected, each voice takes less than two thirds of the least direction it is for."""
    for voice in shapes.VOICES[1:]:
        assert shapes.voice_bps(voice.shape(red=False)) < voice.from_bps * 2 / 3


@given(st.integers(0, 5_000_000), st.sampled_from(shapes.VOICES), st.floats(0, 1))
def test_audio_is_never_below_its_share(direction_bps: int, voice: shapes.Voice, loss: float) -> None:
    """Voice, feedback and picture together stay within the direction; the picture has what is left."""
    audio_bps = shapes.voice_bps(voice.shape(red=True))
    room_bps = shapes.video_room_bps(direction_bps, audio_bps, loss)
    assert room_bps >= 0
    if room_bps:
        assert room_bps + audio_bps + direction_bps * shapes.FEEDBACK_SHARE <= direction_bps


@given(st.integers(0, 2_000_000))
def test_entering_asks_for_more_than_keeping(room_bps: int) -> None:
    """The two lines of each rung are apart, so that one rate does not mean two rungs in turn."""
    assert shapes.highest_entered(room_bps) <= shapes.highest_kept(room_bps)


@given(st.sampled_from([3, 4, 5]), st.integers(10_000, 3_000_000), st.integers(0, 500_000))
def test_more_rate_is_no_smaller_picture(rung: int, video_bps: int, more_bps: int) -> None:
    """Within a rung bit rate, pictures a second and lines only rise with the room."""
    lower = shapes.video_shape(rung, video_bps, "AV1")
    higher = shapes.video_shape(rung, video_bps + more_bps, "AV1")
    assert (higher.fps, higher.lines) >= (lower.fps, lower.lines)
    assert higher.fps >= lower.fps
    # Where packets begin to be full their headers grow with the rate, by a few bytes.
    assert higher.bitrate_bps >= lower.bitrate_bps - 4_000


@pytest.mark.parametrize(
    ("rung", "video_bps", "fps", "lines"),
    [(3, 16_000, 5, 180), (3, 40_000, 8, 180), (4, 36_000, 13, 240), (4, 70_000, 14, 240), (4, 120_000, 15, 360),
     (4, 200_000, 20, 360),
     (5, 200_000, 22, 360), (5, 320_000, 27, 360), (5, 1_200_000, 30, 480)],
)  # fmt: skip
def test_pictures_of_the_rungs(rung: int, video_bps: int, fps: int, lines: int) -> None:
    """What the issue asks for on its links is what the table gives."""
    shape = shapes.video_shape(rung, video_bps, "AV1")
    assert (shape.fps, shape.lines) == (fps, lines)
    assert shape.bitrate_bps < video_bps


def test_lines_do_not_go_to_and_fro() -> None:
    """More lines come clearly above their step, and go only below it."""
    small = VideoShape(bitrate_bps=300_000, fps=25, lines=360, codec="AV1")
    large = VideoShape(bitrate_bps=500_000, fps=25, lines=480, codec="AV1")
    assert shapes.video_shape(5, 420_000, "AV1", small).lines == 360
    assert shapes.video_shape(5, 500_000, "AV1", small).lines == 480
    assert shapes.video_shape(5, 420_000, "AV1", large).lines == 480
    assert shapes.video_shape(5, 390_000, "AV1", large).lines == 360
