"""What the browsers of a test see and say: a colour and a pitch per party, as files for a fake camera and microphone.

A colour and a pitch are content: a test that finds them at the other side knows that the right picture and the right
voice went through, not merely that packets did.
"""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

WIDTH, HEIGHT, FPS, SECONDS = 320, 240, 15, 4
SAMPLE_HZ = 48_000


@dataclass(frozen=True)
class Look:
    """How a party can be told from the others."""

    name: str
    rgb: tuple[int, int, int]
    pitch_hz: float


GREEN = Look("green", (40, 170, 60), 440.0)
BLUE = Look("blue", (50, 70, 200), 1000.0)


def _yuv(rgb: tuple[int, int, int]) -> tuple[int, int, int]:
    """BT.601, limited range."""
    r, g, b = (c / 255 for c in rgb)
    luma = 16 + 65.481 * r + 128.553 * g + 24.966 * b
    blue = 128 - 37.797 * r - 74.203 * g + 112.0 * b
    red = 128 + 112.0 * r - 93.786 * g - 18.214 * b
    return round(luma), round(blue), round(red)


def write_camera(path: Path, look: Look) -> None:
    """Write a clip in the party's colour; a light bar wanders along the lower edge so that every frame is new."""
    luma, blue, red = _yuv(look.rgb)
    chroma = (
        np.full(WIDTH * HEIGHT // 4, blue, np.uint8).tobytes() + np.full(WIDTH * HEIGHT // 4, red, np.uint8).tobytes()
    )
    frames = FPS * SECONDS
    with path.open("wb") as out:
        out.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FPS}:1 Ip A1:1 C420jpeg\n".encode())
        for number in range(frames):
            plane = np.full((HEIGHT, WIDTH), luma, np.uint8)
            left = number * (WIDTH - 16) // frames
            plane[HEIGHT - 24 :, left : left + 16] = 235
            out.write(b"FRAME\n" + plane.tobytes() + chroma)


def write_microphone(path: Path, look: Look) -> None:
    """Write a tone that swells and fades three times a second.

    A steady tone is noise to a browser's noise suppressor and is gone within seconds; one with the rhythm of
    syllables passes as a voice does.
    """
    t = np.arange(SAMPLE_HZ * SECONDS) / SAMPLE_HZ
    envelope = np.clip(np.sin(2 * np.pi * 3 * t), 0, None)
    tone = np.sin(2 * np.pi * look.pitch_hz * t) + 0.3 * np.sin(2 * np.pi * 2 * look.pitch_hz * t)
    pcm = (0.5 * envelope * tone / 1.3 * 32767).astype("<i2")
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_HZ)
        out.writeframes(pcm.tobytes())
