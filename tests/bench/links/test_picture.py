"""The picture's figures, by frames at known times."""

from __future__ import annotations

import numpy as np
import pytest

from bench.links import timecode
from bench.links.log import Log
from bench.links.picture import back, picture

BEGIN_MS, END_MS = 10_000.0, 20_000.0


def call(shown_at: list[float], late_ms: float = 200, every_ms: float = 40) -> tuple[Log, Log]:
    """A camera at 25 a second, and a far side that shows the newest frame of `late_ms` ago at these times."""
    sender, receiver = Log(), Log()
    sender.sent = [[i * every_ms, i % timecode.FRAMES, 640, 480, 0] for i in range(1000)]
    for number, at in enumerate(shown_at):
        counter = int((at - late_ms) // every_ms) % timecode.FRAMES
        receiver.shown.append([at, counter, 320, 240, number, at, number])
    return sender, receiver


def every(ms: float, first_ms: float = 9000, last_ms: float = 21_000) -> list[float]:
    return list(np.arange(first_ms, last_ms, ms))


def test_a_steady_picture() -> None:
    """Ten a second, 200 ms old, never frozen."""
    found = picture(*call(every(100)), BEGIN_MS, END_MS)
    assert found["fps"] == pytest.approx(10, abs=0.2)
    assert found["frozen_pct"] == 0
    assert found["latency_p50_ms"] == pytest.approx(200, abs=40)
    assert (found["width_px"], found["height_px"]) == (320, 240)
    assert found["camera_fps"] == pytest.approx(25, abs=0.2)


def test_a_freeze_counts_with_all_its_time() -> None:
    """3 s without a new picture are 30 % of 10 s."""
    times = [at for at in every(100) if not 13_000 < at < 16_000]
    found = picture(*call(times), BEGIN_MS, END_MS)
    assert found["frozen_pct"] == pytest.approx(30, abs=1.5)
    assert found["longest_freeze_ms"] == pytest.approx(3000, abs=110)


def test_the_same_picture_again_is_not_a_new_one() -> None:
    """A display that repeats an old frame is frozen."""
    sender, receiver = call(every(100))
    for row in receiver.shown:
        row[1], row[4] = 5, 0
    found = picture(sender, receiver, BEGIN_MS, END_MS)
    assert found["frozen_pct"] == 100
    assert found["fps"] == 0


def test_no_picture_at_all() -> None:
    """Frozen all the time, and nothing to be late."""
    found = picture(*call([]), BEGIN_MS, END_MS)
    assert (found["fps"], found["frozen_pct"], found["latency_p50_ms"]) == (0.0, 100.0, None)


def test_a_page_without_an_element_is_measured_by_the_track() -> None:
    """A canvas shows what was decoded."""
    sender, receiver = call(every(100))
    receiver.got = [[row[0], row[1], 320, 240, row[6]] for row in receiver.shown]
    receiver.shown = []
    assert picture(sender, receiver, BEGIN_MS, END_MS)["fps"] == pytest.approx(10, abs=0.2)


def test_what_comes_back_after_a_cut() -> None:
    """The voice by its first packet, the picture when it moves, and how old pictures are from then on."""
    times = [at for at in every(100) if not 12_000 < at < 15_800]
    sender, receiver = call(times)
    receiver.sync = [[11_900.0, 0, 1, 0.1], [15_300.0, 0, 2, 0.1]]
    found = back(sender, receiver, 15_000, END_MS)
    assert found["voice_back_ms"] == 300
    assert found["picture_back_ms"] == pytest.approx(800, abs=10)
    assert found["latency_back_p95_ms"] == pytest.approx(220, abs=40)
    assert back(*call([]), 15_000, END_MS) == {
        "voice_back_ms": None, "picture_back_ms": None, "latency_back_p95_ms": None,
    }  # fmt: skip


def test_one_block_of_the_counter_changes_a_frame() -> None:
    """Besides the parity, so the counter costs an encoder little and a half-updated one is noticed."""
    for frame in range(timecode.FRAMES - 1):
        a, b = timecode.bits(frame), timecode.bits(frame + 1)
        assert sum(x != y for x, y in zip(a[2:12], b[2:12], strict=True)) == 1
        assert a[12] != b[12]
    assert len({tuple(timecode.bits(frame)) for frame in range(timecode.FRAMES)}) == timecode.FRAMES


def test_the_counter_is_written_where_a_crop_leaves_it() -> None:
    """White and black first, inside the part that 16:9 keeps."""
    luma = np.full((timecode.HEIGHT, timecode.WIDTH), 128, np.uint8)
    timecode.burn(luma, 5)
    middle = timecode.TOP + timecode.BLOCK // 2
    assert luma[middle, timecode.LEFT + 16] == timecode.WHITE
    assert luma[middle, timecode.LEFT + timecode.BLOCK + 16] == timecode.BLACK
    assert timecode.TOP >= (480 - 360) // 2
    assert (luma[: timecode.TOP] == 128).all()
