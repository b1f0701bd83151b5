"""Answering connectivity checks."""

from pathlib import Path

import pytest
from aioice import stun
from hypothesis import given
from hypothesis import strategies as st

from media.ice import MAX_REQUEST_BYTES, IceCredentials, binding_response, parse_request

FIXTURES = Path(__file__).parent / "fixtures"
PWD = "p" * 32


def request(username: str = "leg0:peer", pwd: str = PWD, **attributes: object) -> bytes:
    """A signed binding request."""
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, b"abcdefghijkl", dict(attributes))
    message.attributes["USERNAME"] = username
    message.add_message_integrity(pwd.encode())
    return bytes(message)


def test_sample_request_of_the_standard_is_authentic() -> None:
    """RFC 5769 §2.1, made by nobody we know."""
    parsed = parse_request((FIXTURES / "stun_rfc5769_request.bin").read_bytes())
    assert parsed is not None
    assert (parsed.ufrag, parsed.remote_ufrag, parsed.use_candidate) == ("evtj", "h6vY", False)
    assert parsed.authentic("VOkJxbRl1RmTxUk/WvJxBt")
    assert not parsed.authentic("VOkJxbRl1RmTxUk/WvJxBT")


def test_nomination_is_seen() -> None:
    """A request with USE-CANDIDATE nominates."""
    parsed = parse_request((FIXTURES / "stun_binding_request.bin").read_bytes())
    assert parsed is not None
    assert parsed.authentic(PWD)
    assert parsed.use_candidate
    assert parsed.ufrag == "leg0"


@pytest.mark.parametrize(
    ("address", "mapped"),
    [
        (("192.0.2.7", 50000), ("192.0.2.7", 50000)),
        (("2001:db8::7", 50000, 0, 0), ("2001:db8::7", 50000)),
        (("::ffff:192.0.2.7", 1, 0, 0), ("192.0.2.7", 1)),
        (("fe80::1%eth0", 65535, 0, 3), ("fe80::1", 65535)),
    ],
)
def test_response_tells_the_address_and_is_signed(address: tuple[object, ...], mapped: tuple[str, int]) -> None:
    """The browser finds its transaction, its address as seen here, and our signature."""
    parsed = parse_request(request())
    assert parsed is not None
    response = stun.parse_message(binding_response(parsed, PWD, address))
    assert response.message_class == stun.Class.RESPONSE
    assert response.transaction_id == b"abcdefghijkl"
    assert response.attributes["XOR-MAPPED-ADDRESS"] == mapped
    assert response.check_message_integrity(PWD.encode())


def test_request_without_signature_is_not_authentic() -> None:
    """A request that nobody signed is parsed, but proves nothing."""
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, b"abcdefghijkl", {"USERNAME": "leg0:peer"})
    parsed = parse_request(bytes(message))
    assert parsed is not None
    assert not parsed.authentic(PWD)


def test_nomination_after_the_signature_is_not_believed() -> None:
    """An attribute that was appended on the way does not nominate."""
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, b"abcdefghijkl", {"USERNAME": "leg0:peer"})
    message.attributes["MESSAGE-INTEGRITY"] = bytes(20)
    message.attributes["USE-CANDIDATE"] = None
    parsed = parse_request(bytes(message))
    assert parsed is not None
    assert not parsed.use_candidate


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\x00\x01" + bytes(18),
        request()[:-4],
        request() + b"x",
        request() + bytes(MAX_REQUEST_BYTES),
        request(username="leg0"),
        request(username=":peer"),
        b"\x01\x01" + request()[2:],
        b"\x00\x02" + request()[2:],
        bytes(request()[:4]) + b"\x00" * 4 + request()[8:],
        bytes(stun.Message(stun.Method.BINDING, stun.Class.REQUEST, b"abcdefghijkl")),
    ],
)
def test_anything_else_is_none(datagram: bytes) -> None:
    """What is no binding request with a name of ours and theirs is nothing."""
    assert parse_request(datagram) is None


@given(st.binary(max_size=200))
def test_garbage_never_raises(body: bytes) -> None:
    """Neither random bytes nor random attributes behind a right header raise."""
    parse_request(body)
    body = body[: len(body) & ~3]
    parse_request(b"\x00\x01" + len(body).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + bytes(12) + body)


@given(st.integers(0, 83), st.integers(1, 255))
def test_changed_request_never_raises_and_is_not_authentic(at: int, change: int) -> None:
    """A request with one byte changed before its checksum is refused, quietly."""
    datagram = bytearray((FIXTURES / "stun_binding_request.bin").read_bytes())
    datagram[at] ^= change
    parsed = parse_request(bytes(datagram))
    assert parsed is None or not parsed.authentic(PWD)


def test_fresh_credentials_differ_and_have_the_lengths_of_the_standard() -> None:
    """At least 24 bits of name and 128 bits of password (RFC 8445 §5.3)."""
    made = [IceCredentials.fresh() for _ in range(50)]
    assert len({c.ufrag for c in made}) == len({c.pwd for c in made}) == 50
    assert all(len(c.ufrag) >= 4 and len(c.pwd) >= 22 and (c.ufrag + c.pwd).isalnum() for c in made)
