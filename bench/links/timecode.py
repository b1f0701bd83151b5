"""A frame counter burnt into the camera's picture, so that a displayed frame tells which one it is and how old.

13 blocks of 32×32 pixels at 640×480: white, black, ten bits of Gray code, parity. By Gray code one block changes a
frame, so the counter itself costs an encoder little. The band lies in the middle of the width and below row 60, where
a centred crop to 16:9 or to 3:4 leaves it. `probe.js` reads it with the same numbers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, FRAMES_PER_S = 640, 480, 25
BLOCK, BLOCKS = 32, 13
FRAMES = 960
"""In the camera's loop: 38.4 s. The counter repeats after 1024, so a frame's age is known up to that."""
LEFT = (WIDTH - BLOCK * BLOCKS) // 4 * 2
TOP = 64
WHITE, BLACK = 225, 30


def bits(frame: int) -> list[int]:
    """What the blocks show: 1 for white."""
    gray = frame ^ (frame >> 1)
    code = [(gray >> bit) & 1 for bit in range(9, -1, -1)]
    return [1, 0, *code, sum(code) & 1]


def burn(luma: NDArray[np.uint8], frame: int) -> None:
    """Write the counter into a picture of full size, in place."""
    for block, bit in enumerate(bits(frame)):
        luma[TOP : TOP + BLOCK, LEFT + block * BLOCK : LEFT + (block + 1) * BLOCK] = WHITE if bit else BLACK
