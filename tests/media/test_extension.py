"""Header extensions: what is read of a sender's packet, and the number that each receiver gets."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from media import extension
from media.rtp import RtpError, payload_offset


def packet(elements: bytes | None, payload: bytes = b"payload", profile: bytes = b"\xbe\xde") -> bytes:
    head = struct.pack("!BBHII", 0x80 if elements is None else 0x90, 111, 7, 960, 1234)
    if elements is None:
        return head + payload
    padded = elements + bytes(-len(elements) % 4)
    return head + profile + struct.pack("!H", len(padded) // 4) + padded + payload


LEVEL, SEND_TIME, SEQUENCE = b"\x10\x7f", b"\x22\x01\x02\x03", b"\x31\xab\xcd"


def test_reads_both_wherever_they_are() -> None:
    """The order of the elements and what stands between them does not matter."""
    for elements in (LEVEL + SEND_TIME + SEQUENCE, SEQUENCE + b"\x00" + SEND_TIME + LEVEL, SEND_TIME + SEQUENCE):
        made = packet(elements)
        at, send_time = extension.read(made)
        assert extension.sequence_of(made, at) == 0xABCD
        assert send_time == 0x010203


def test_absent_elements_are_none() -> None:
    """A packet without the block, without the elements, or with two-byte headers has neither."""
    for made in (packet(None), packet(LEVEL), packet(SEQUENCE, profile=b"\x10\x00")):
        assert extension.read(made) == (0, extension.NONE)


def test_stamp_overwrites_in_place() -> None:
    """Only the two bytes of the number change."""
    made = packet(LEVEL + SEND_TIME + SEQUENCE)
    at, _ = extension.read(made)
    stamped = extension.stamp(made, at, 0x1234)
    assert len(stamped) == len(made)
    assert stamped.replace(b"\x12\x34", b"\xab\xcd", 1) == made


def test_stamp_adds_what_is_missing() -> None:
    """A packet of a sender that does not number them is numbered, its other elements and payload unchanged."""
    for elements in (None, LEVEL, LEVEL + SEND_TIME):
        made = packet(elements)
        stamped = extension.stamp(made, 0, 0xBEEF)
        at, send_time = extension.read(stamped)
        assert extension.sequence_of(stamped, at) == 0xBEEF
        assert send_time == extension.read(made)[1]
        assert stamped[payload_offset(stamped) :] == b"payload"


def test_stamp_leaves_other_forms_alone() -> None:
    """Two-byte headers are passed on as they are."""
    made = packet(SEQUENCE, profile=b"\x10\x00")
    assert extension.stamp(made, 0, 1) == made


@given(st.binary(min_size=12, max_size=80))
def test_hostile_bytes_never_raise(data: bytes) -> None:
    """Whatever stands in a packet, reading and stamping end without an error and the payload stays reachable."""
    at, _ = extension.read(data)
    stamped = extension.stamp(data, at, 5)
    try:
        offset = payload_offset(data)
    except RtpError:
        return
    assert stamped[payload_offset(stamped) :] == data[offset:]
