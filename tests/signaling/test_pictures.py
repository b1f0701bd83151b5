"""What picture files say of themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.pictures import type_of


def webp(form: bytes, rest: bytes) -> bytes:
    """The head of a WebP file."""
    return (b"RIFF\x00\x00\x00\x00WEBP" + form + b"\x00\x00\x00\x00" + rest).ljust(40, b"\0")


def lossy(width: int, height: int) -> bytes:
    return webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + width.to_bytes(2, "little") + height.to_bytes(2, "little"))


def lossless(width: int, height: int) -> bytes:
    return webp(b"VP8L", b"\x2f" + ((width - 1) | (height - 1) << 14).to_bytes(4, "little"))


def extended(width: int, height: int) -> bytes:
    return webp(b"VP8X", bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little"))


def jpeg(width: int, height: int, before: bytes = b"", frame: int = 0xC0) -> bytes:
    size = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return b"\xff\xd8" + before + bytes([0xFF, frame]) + b"\x00\x11\x08" + size + bytes(40)


EXIF = b"\xff\xe1\x00\x10" + bytes(14)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (lossy(640, 480), "image/webp"),
        (lossless(640, 480), "image/webp"),
        (extended(8192, 8192), "image/webp"),
        (extended(8193, 10), None),
        (lossy(0, 480), None),
        (lossless(9000, 10), None),
        (webp(b"XXXX", b""), None),
        (jpeg(640, 480), "image/jpeg"),
        (jpeg(4000, 3000, EXIF, 0xC2), "image/jpeg"),
        (jpeg(640, 65_535, EXIF), None),
        (b"\xff\xd8\xff\xe1\xff\xff" + bytes(100), "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), None),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", None),
        (jpeg(640, 480)[:20], None),
        (b"", None),
    ],
)
def test_type_and_size_of_a_file(head: bytes, kind: str | None) -> None:
    """WebP of each form and JPEG with and without EXIF are known; other files and giants are not."""
    assert type_of(head) == kind


@given(st.sampled_from([b"", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBPVP8X"]), st.binary(max_size=300))
def test_any_bytes_have_an_answer(start: bytes, rest: bytes) -> None:
    """Nothing a client sends makes it raise or loop."""
    assert type_of(start + rest) in (None, "image/webp", "image/jpeg")
