"""The plane's first look at a datagram: what each kind costs, and that nothing else does."""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from media.relay import Relay
from media.srtp import MAX_PACKET
from tests.media.client import RawClient, joined, rtp_packet, until

STRANGER = ("192.0.2.99", 4242)


def _counted(relay: Relay, data: bytes, address: object) -> dict[str, int]:
    before = dict(relay.dropped)
    relay.plane.datagram(data, address)  # type: ignore[arg-type]
    return {
        reason: count - before.get(reason, 0)
        for reason, count in relay.dropped.items()
        if count != before.get(reason, 0)
    }


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\x80", "stranger"),
        (b"\x80\x60" + bytes(200), "stranger"),
        (b"\x80\xc8" + bytes(60), "stranger"),
        (b"\x16" + bytes(100), "stranger"),
        (b"\x00", "stranger"),
        (b"\x00\x01\x00\x00", "stranger"),
        (b"\xff" * 100, "stranger"),
        (bytes(20), "bad_stun"),
        (b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12), "bad_stun"),
        (b"\x80" * (MAX_PACKET + 1), "oversized"),
        (b"\x00" * 2048, "oversized"),
    ],
)
async def test_strangers_cost_one_count(relay: Relay, data: bytes, reason: str) -> None:
    """Whatever an unknown address sends is one count, no answer and no state."""
    assert _counted(relay, data, STRANGER) == {reason: 1}
    assert relay.plane.packets_out == 0
    assert relay.plane.addresses == 0


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\x80" * 11, "truncated"),
        (b"\x16" * 11, "truncated"),
        (b"\x80" * (MAX_PACKET + 1), "oversized"),
        (b"\x10" * 100, "unknown_kind"),
        (b"\xff" * 100, "unknown_kind"),
        (b"\x80\x60" + bytes(60), "auth_failed"),
        (b"\x80\x7f" + bytes(60), "unknown_ssrc"),
        (b"\x80\xc8" + bytes(60), "auth_failed"),
        (b"\x80\xc8" + bytes(10), "srtp_error"),
        (b"\x03" + bytes(60), "bad_stun"),
    ],
)
async def test_spoofed_source_costs_one_count(relay: Relay, data: bytes, reason: str) -> None:
    """A datagram that pretends to come from a leg's address proves nothing, and the leg is no less idle by it."""
    client = await joined(relay, "room", "a")
    end = relay.legs["a"].end
    heard_s = end.heard_s
    assert end.path is not None
    assert _counted(relay, data, end.path.address) == {reason: 1}
    assert end.heard_s == heard_s
    await client.close()


async def test_forged_and_replayed_media(relay: Relay) -> None:
    """A known SSRC with a wrong tag is forged; the same packet twice is replayed; neither is forwarded."""
    a, b = await joined(relay, "room", "a"), await joined(relay, "room", "b")
    end = relay.legs["a"].end
    assert end.path is not None
    address = end.path.address
    packet = a.protected(rtp_packet(a.audio_ssrc, 111, 1, 0, b"voice"))
    assert _counted(relay, packet[:-1] + bytes([packet[-1] ^ 1]), address) == {"auth_failed": 1}
    assert _counted(relay, packet, address) == {}
    assert _counted(relay, packet, address) == {"replayed": 1}
    await until(lambda: b.received)
    assert len(b.received) == 1
    await a.close()
    await b.close()


async def test_media_before_keys_is_dropped(relay: Relay) -> None:
    """Between the check and the end of the handshake there is nothing to decrypt with."""
    client = await joined(relay, "room", "a", connect=False)
    await client.open_socket()
    await client.check()
    client.send(b"\x80\x60" + bytes(60))
    client.send(b"\x80\xc8" + bytes(60))
    await until(lambda: relay.dropped["before_keys"] == 2)
    await client.handshake()
    await client.close()


async def test_rtcp_ssrcs_are_bounded(relay: Relay) -> None:
    """libsrtp keeps state for each SSRC: a leg gets sixteen for its RTCP."""
    client = await joined(relay, "room", "a")
    assert client.srtp is not None
    for ssrc in range(1, 30):
        client.send(client.srtp.protect_rtcp(b"\x80\xc9\x00\x01" + ssrc.to_bytes(4, "big")))
    await until(lambda: relay.dropped["unknown_ssrc"] == 13)
    assert len(relay.legs["a"].end.rtcp_ssrcs) == 16
    await client.close()


async def test_media_passes_through_untouched(relay: Relay) -> None:
    """Marker, payload type, sequence, timestamp, extension, CSRCs and payload arrive as they were sent; only the
    SSRC is the slot's."""
    a, b = await joined(relay, "room", "a"), await joined(relay, "room", "b")
    rng = random.Random(1)
    extension = bytes.fromhex("bede0002") + bytes(8)
    sent = []
    for sequence in range(65_530, 65_550):
        head = bytes([0x92, 0x80 | 96]) + (sequence & 0xFFFF).to_bytes(2, "big") + rng.randbytes(4)
        sent.append(head + a.video_ssrc.to_bytes(4, "big") + rng.randbytes(8) + extension + rng.randbytes(900))
        a.send(a.protected(sent[-1]))
    await until(lambda: len(b.received) == len(sent))
    out = b.offer.ssrcs[1][0].to_bytes(4, "big")
    assert b.received == [packet[:8] + out + packet[12:] for packet in sent]
    await a.close()
    await b.close()


async def test_largest_media_is_forwarded(relay: Relay) -> None:
    """A packet as long as an Ethernet frame carries gets through; its protected form is as long again."""
    a, b = await joined(relay, "room", "a"), await joined(relay, "room", "b")
    a.send_video(1, os.urandom(MAX_PACKET - 12 - 2 - 16), keyframe=True)
    await until(lambda: b.received)
    assert relay.dropped == {}
    await a.close()
    await b.close()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_datagram_raises(data: st.DataObject) -> None:
    """Random bytes with likely first ones, from strangers and from a leg's address, are counted or ignored."""
    relay = Relay()
    relay._port.sendto = lambda *_: 0
    address = ("192.0.2.1", 1)
    from media.streams import End

    class Owner:
        def on_dtls(self, _datagram: bytes) -> bool:
            return False

        def on_new_ssrc(self, *_: object) -> bool:
            return True

    relay.plane.admit(End(Owner(), 0.0), address)  # type: ignore[arg-type]
    head = data.draw(
        st.sampled_from(
            [
                b"",
                b"\x00\x01",
                b"\x16\xfe\xfd",
                b"\x80\x60",
                b"\x80\xc8",
                b"\xbf\xff",
                b"\x00\x01\x00\x08\x21\x12\xa4\x42",
            ]
        )
    )
    datagram = head + data.draw(st.binary(max_size=200))
    relay.plane.datagram(datagram, data.draw(st.sampled_from([address, STRANGER])))
    assert relay.plane.packets_in == 1
    assert sum(relay.dropped.values()) == 1


def test_clients_do_not_share_ssrcs() -> None:
    """The tests' own SSRCs differ between clients, or the tests above would prove less."""
    offers = "a=ice-ufrag:x\na=ice-pwd:y\na=fingerprint:sha-256 z\n"
    a, b = RawClient(offers), RawClient(offers)
    assert not {a.audio_ssrc, a.video_ssrc, a.rtx_ssrc} & {b.audio_ssrc, b.video_ssrc, b.rtx_ssrc}
