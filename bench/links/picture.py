"""What was seen of the far side: how often it moved, how old it was, how like the camera's picture."""

from __future__ import annotations

import base64
import itertools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import uniform_filter

from bench.links import timecode
from bench.links.log import Log, Row

FREEZE_MS = 500
OLDEST_MS = 30_000
"""The counter repeats after 38 s, so a frame of more than this age is not known from a younger one."""
MOVES_MS = 1500
"""Three new pictures within this: it moves again."""


def shown(receiver: Log, begin_ms: float, end_ms: float) -> list[Row]:
    """Pictures as they were displayed, `[at, counter, width, height, presented or None, …]`, repeats left out.

    From the element that shows the far side; where there is none (a canvas), from the decoded track.
    """
    rows = sorted(receiver.shown)
    if not any(begin_ms <= row[0] <= end_ms for row in rows):
        rows = sorted([at, count, width, height, None, None, rtp] for at, count, width, height, rtp in receiver.got)
    found, last = [], None
    for row in rows:
        key = row[1] if row[1] >= 0 else -row[6] - 2
        if key != last:
            found.append(row)
        last = key
    return found


def ages(sender: Log, rows: list[Row]) -> list[tuple[float, float]]:
    """`(at, age in ms)` of each displayed picture whose counter could be read."""
    sent: dict[int, list[float]] = {}
    for at, count, *_ in sender.sent:
        sent.setdefault(count, []).append(at)
    found = []
    for at, count, *_ in rows:
        times = [t for t in sent.get(count, ()) if at - OLDEST_MS < t <= at + 5] if count >= 0 else []
        if times:
            found.append((at, at - times[-1]))
    return found


def picture(sender: Log, receiver: Log, begin_ms: float, end_ms: float) -> dict[str, Any]:
    """Fields of `Way` for a picture."""
    rows = shown(receiver, begin_ms, end_ms)
    inside = [row for row in rows if begin_ms <= row[0] <= end_ms]
    before = [row[0] for row in rows if row[0] < begin_ms]
    edges = [before[-1] if before else begin_ms - FREEZE_MS - 1, *(row[0] for row in inside), end_ms]
    gaps = np.diff(edges)
    parts = np.diff(np.maximum(edges, begin_ms))  # of a freeze that began earlier only what is inside counts
    presented = [row[4] for row in inside if row[4] is not None]
    # An element may skip a callback when two pictures come within one tick; its count of them does not.
    counted = 1 + sum(max(0, b - a) for a, b in itertools.pairwise(presented)) if presented else 0
    late = [age for at, age in ages(sender, inside)]
    camera = sum(begin_ms <= row[0] <= end_ms for row in sender.sent)
    secs = (end_ms - begin_ms) / 1000
    return {
        "fps": round(max(len(inside), counted) / secs, 1) if inside else 0.0,
        "frozen_pct": round(100 * float(parts[gaps > FREEZE_MS].sum()) / (end_ms - begin_ms), 1),
        "longest_freeze_ms": round(float(parts.max())),
        "width_px": inside[-1][2] if inside else None,
        "height_px": inside[-1][3] if inside else None,
        "latency_p50_ms": round(float(np.percentile(late, 50))) if late else None,
        "latency_p95_ms": round(float(np.percentile(late, 95))) if late else None,
        "camera_fps": round(camera / secs, 1),
    }


def back(sender: Log, receiver: Log, restored_ms: float, end_ms: float) -> dict[str, Any]:
    """Fields of `Way` for the time after a cut: a packet of the voice is played again; it says nothing of how well."""
    voice = [row[0] for row in receiver.sync if row[0] > restored_ms]
    rows = [row for row in shown(receiver, restored_ms, end_ms) if restored_ms < row[0] <= end_ms]
    moves = [a[0] for a, _, b in zip(rows, rows[1:], rows[2:], strict=False) if b[0] - a[0] < MOVES_MS]
    late = [age for _, age in ages(sender, rows)]
    return {
        "voice_back_ms": round(min(voice) - restored_ms) if voice else None,
        "picture_back_ms": round(moves[0] - restored_ms) if moves else None,
        "latency_back_p95_ms": round(float(np.percentile(late, 95))) if late else None,
    }


Plane = NDArray[np.float64]


def fidelity(receiver: Log, camera: Path, begin_ms: float, end_ms: float) -> dict[str, Any]:
    """PSNR and SSIM of luma at the camera's size, without the counter's band."""
    pixels = timecode.WIDTH * timecode.HEIGHT
    noise, likeness = [], []
    with camera.open("rb") as file:
        head = len(file.readline())
        for at, count, width, height, luma in receiver.shots:
            if not begin_ms <= at <= end_ms or not width or not height or count >= timecode.FRAMES:
                continue
            file.seek(head + count * (pixels * 3 // 2 + len(b"FRAME\n")) + len(b"FRAME\n"))
            original = np.frombuffer(file.read(pixels), np.uint8).reshape(timecode.HEIGHT, timecode.WIDTH)
            seen = np.frombuffer(base64.b64decode(luma), np.uint8).reshape(height, width)
            a, b = _comparable(original, seen)
            noise.append(10 * np.log10(255**2 / max(float(np.mean((a - b) ** 2)), 1e-3)))
            likeness.append(_ssim(a, b))
    return {
        "psnr_db": round(float(np.mean(noise)), 1) if noise else None,
        "ssim": round(float(np.mean(likeness)), 3) if likeness else None,
    }


def _comparable(original: NDArray[np.uint8], seen: NDArray[np.uint8]) -> tuple[Plane, Plane]:
    """The part of the camera's picture that was sent (a centred crop), and what was seen in its size."""
    height, width = seen.shape
    scale = min(timecode.WIDTH / width, timecode.HEIGHT / height)
    wide, high = min(timecode.WIDTH, round(width * scale)), min(timecode.HEIGHT, round(height * scale))
    left, top = (timecode.WIDTH - wide) // 2, (timecode.HEIGHT - high) // 2
    crop = original[top : top + high, left : left + wide].astype(np.float64)
    scaled = np.asarray(Image.fromarray(seen).resize((wide, high), Image.Resampling.BICUBIC)).astype(np.float64)
    below = timecode.TOP + timecode.BLOCK + 8 - top
    return crop[below:], scaled[below:]


def _ssim(a: Plane, b: Plane) -> float:
    """Structural similarity over windows of 7×7 (Wang et al., 2004)."""
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2

    def mean(x: Plane) -> Plane:
        averaged: Plane = uniform_filter(x, 7)
        return averaged

    ma, mb = mean(a), mean(b)
    va, vb, both = mean(a * a) - ma * ma, mean(b * b) - mb * mb, mean(a * b) - ma * mb
    return float(np.mean((2 * ma * mb + c1) * (2 * both + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))))
