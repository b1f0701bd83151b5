"""The codec: the best for the rate that all know, given up for a cheaper one where the processor complains."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.codec_choice import CHANGE_EVERY_S, VETO_S, CodecChoice
from media.control import ClientReport, VideoCodec

ALL: tuple[VideoCodec, ...] = ("AV1", "VP9", "VP8", "H264")
HOT = ClientReport(cpu_limited=True)


@pytest.mark.parametrize(
    ("codecs", "video_bps", "codec"),
    [(ALL, 50_000, "AV1"), (ALL, 1_000_000, "VP8"), (("VP9", "VP8", "H264"), 50_000, "VP9"),
     (("H264",), 50_000, "H264"), (("VP8", "H264"), 50_000, "VP8"), ((), 50_000, None)],
)  # fmt: skip
def test_best_that_all_know(codecs: Sequence[VideoCodec], video_bps: int, codec: VideoCodec | None) -> None:
    """Where bits are dear the newest, where they are cheap the lightest, H264 where there is nothing else."""
    assert CodecChoice().step(0.0, codecs, video_bps, 15, None) == codec


def test_slow_encoder_is_not_asked_again() -> None:
    """More than its share of a picture's time for some seconds, and a codec is left for a quarter of an hour."""
    choice = CodecChoice()
    slow = ClientReport(codec="AV1", encode_ms=50)
    choice.step(0.0, ALL, 50_000, 15, None)
    for tick in range(200):
        choice.step(tick / 5, ALL, 50_000, 15, slow)
    assert choice.codec == "VP9"
    assert choice.most_rung == 5
    assert choice.step(100, ALL, 50_000, 15, None) == "VP9"
    assert choice.step(100 + VETO_S, ALL, 50_000, 15, None) == "AV1"


def test_rung_is_held_down_where_the_lightest_is_too_much() -> None:
    """VP8 that is too much makes the picture smaller, down to the least rung; it comes back when it is quiet."""
    choice = CodecChoice()
    for tick in range(5 * 60):
        choice.step(tick / 5, ["VP8"], 50_000, 15, HOT)
    assert (choice.codec, choice.most_rung) == ("VP8", 3)
    for second in range(60, 3600):
        choice.step(float(second), ["VP8"], 50_000, 15, None)
    assert choice.most_rung == 5


def test_one_report_is_none() -> None:
    """A page that complains for a moment keeps its codec."""
    choice = CodecChoice()
    for tick in range(100):
        choice.step(tick / 5, ALL, 50_000, 15, HOT if 40 <= tick < 50 else None)
    assert choice.codec == "AV1"


@given(st.lists(st.tuples(st.floats(0.1, 10), st.integers(0, 2_000_000), st.booleans()), max_size=120))
@settings(max_examples=60, deadline=None)
def test_at_most_one_change_in_twenty_seconds(looks: list[tuple[float, int, bool]]) -> None:
    """Whatever rate and processor do."""
    choice, now_s, changed_s = CodecChoice(), 0.0, float("-inf")
    for elapsed_s, video_bps, hot in looks:
        now_s += elapsed_s
        before = choice.codec
        if choice.step(now_s, ALL, video_bps, 15, HOT if hot else None) != before:
            assert now_s - changed_s >= CHANGE_EVERY_S
            changed_s = now_s


def test_codec_that_a_newcomer_does_not_know_is_left_at_once() -> None:
    """Nobody waits twenty seconds for a picture."""
    choice = CodecChoice()
    choice.step(0.0, ALL, 50_000, 15, None)
    assert choice.step(1.0, ["VP8"], 50_000, 15, None) == "VP8"
