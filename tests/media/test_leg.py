"""One leg on its link: ICE restart, roaming, unannounced SSRCs, and RTCP hop by hop."""

from __future__ import annotations

import pytest

from media import rtcp
from media.control import AnswerLeg, RestartLeg, SetLeg
from media.leg import MAX_NEW_SSRCS, NEW_SSRC_WINDOW_S
from media.python_plane import ADDRESS_HELD_S
from media.relay import MEDIA_HOLDS_PATH_S, Relay
from media.rtp import unwrap_rtx, wrap_rtx
from tests.media.client import Offer, RawClient, joined, rtp_packet, sequences, slot, until
from tests.media.conftest import Clock

# ---- ICE


async def test_ice_restart_keeps_the_call(relay: Relay) -> None:
    """New credentials work beside the old ones until they are used; then the old password is refused. DTLS goes on."""
    a, b = await joined(relay, "room", "a"), await joined(relay, "room", "b")
    a.send_audio(1)
    await until(lambda: len(b.received) == 1)
    request = RestartLeg(call="call", epoch=1, restart=1)
    offer = relay.restart("a", request)
    assert relay.restart("a", request) == offer
    fresh = Offer(offer.sdp)
    assert fresh.fingerprint == a.offer.fingerprint
    assert fresh.ssrcs == a.offer.ssrcs
    relay.answer("a", AnswerLeg(call="call", epoch=1, restart=1, sdp=a.answer()))
    await a.check()  # with the old ones: the browser has not seen the new offer yet
    old, a.offer = a.offer, fresh
    await a.open_socket()
    await a.check()
    with pytest.raises(TimeoutError):
        await a.check(timeout_s=0.3, pwd=old.pwd, ufrag=old.ufrag)
    assert relay.dropped["unknown_ufrag"] > 0
    a.send_audio(2)
    b.send_audio(1)
    await until(lambda: len(b.received) == 2 and len(a.received) == 1)
    assert len(relay.legs["a"].credentials) == 1
    await a.close()
    await b.close()


async def test_restarts_without_use_do_not_pile_up(relay: Relay) -> None:
    """A page that restarts again and again holds two sets of credentials at most beside the newest."""
    a = await joined(relay, "room", "a")
    for number in range(1, 20):
        relay.restart("a", RestartLeg(call="call", epoch=1, restart=number))
    assert len(relay.legs["a"].credentials) == 3
    assert len(relay._by_ufrag) == 3
    await a.check()
    await a.close()


async def test_roaming_follows_media(relay: Relay) -> None:
    """A phone that changes its network keeps its call: what it hears follows to the new address."""
    a, b = await joined(relay, "room", "a"), await joined(relay, "room", "b")
    b.send_audio(1)
    a.send_audio(1)
    await until(lambda: len(a.received) == len(b.received) == 1)
    former = a.transport
    await a.open_socket()
    await a.check(nominate=False)
    a.send_audio(2)
    await until(lambda: len(b.received) == 2)
    former.close()
    b.send_audio(2)
    await until(lambda: len(a.received) == 2)
    await a.close()
    await b.close()


async def test_roaming_without_media_follows_nomination(clocked: Relay, clock: Clock) -> None:
    """Who only listens moves by nominating the new path, once its media has paused."""
    a, b = await joined(clocked, "room", "a"), await joined(clocked, "room", "b")
    a.send_audio(1)
    await until(lambda: b.received)
    before = clocked.legs["a"].end.path
    await a.open_socket()
    await a.check(nominate=True)
    assert clocked.legs["a"].end.path is before  # media came on the former path a moment ago
    clock.now_s += MEDIA_HOLDS_PATH_S + 0.1
    await a.check(nominate=True)
    assert clocked.legs["a"].end.path is not before
    b.send_audio(1)
    await until(lambda: len(a.received) == 1)
    await a.close()
    await b.close()


async def test_stranger_without_the_password_moves_nothing(relay: Relay) -> None:
    """A check with a wrong password from elsewhere gets no answer, no path, and no media."""
    a, b = await joined(relay, "room", "a"), await joined(relay, "room", "b")
    thief = RawClient(a.offer.sdp)
    await thief.open_socket()
    with pytest.raises(TimeoutError):
        await thief.check(timeout_s=0.3, pwd="x" * 32)
    thief.send(a.protected(rtp_packet(a.audio_ssrc, 111, 1, 0, b"stolen")))
    b.send_audio(1)
    await until(lambda: a.received)
    assert thief.received == []
    assert b.received == []
    assert relay.dropped["stun_auth_failed"] > 0
    assert relay.dropped["stranger"] == 1
    assert relay.plane.addresses == 2
    for client in (thief, a, b):
        await client.close()


async def test_address_of_another_leg_is_not_taken(clocked: Relay, clock: Clock) -> None:
    """A leg's genuine check with a forged source does not take another's address, unless that one has left it."""
    a, b = await joined(clocked, "room", "a"), await joined(clocked, "room", "b")
    of_a = clocked.legs["a"].end.path
    with pytest.raises(TimeoutError):
        await a.check(timeout_s=0.3, pwd=b.offer.pwd, ufrag=b.offer.ufrag)  # b's password from a's address
    assert clocked.legs["a"].end.path is of_a
    assert clocked.dropped["address_held"] > 0
    clock.now_s += ADDRESS_HELD_S
    await a.check(pwd=b.offer.pwd, ufrag=b.offer.ufrag)
    assert clocked.legs["a"].end.path is None
    await a.close(goodbye=False)
    await b.close()


async def test_number_of_paths_is_bounded(relay: Relay) -> None:
    """A page that checks from ever new ports does not fill the table."""
    a = await joined(relay, "room", "a")
    for _ in range(20):
        await a.open_socket()
        await a.check()
    assert relay.plane.addresses == len(relay.legs["a"].end.paths) == 8
    a.send_audio(1)
    await until(lambda: relay.legs["a"].audio.packets == 1)
    await a.close()


# ---- SSRCs


async def test_unannounced_ssrcs_are_told_by_payload_type(relay: Relay) -> None:
    """Answers may leave out a=ssrc: sound, picture and retransmissions find their track anyway."""
    a, b = await joined(relay, "room", "a", announce=False), await joined(relay, "room", "b")
    a.send_audio(1)
    a.send_video(1, keyframe=True)
    a.send_video(3)
    await until(lambda: len(b.received) == 3)
    a.send(a.protected(wrap_rtx(a.video(2), a.rtx_ssrc, 97, 1)))
    await until(lambda: len(b.received) == 4)
    assert sorted(sequences(b, slot(b, 1))) == [1, 2, 3]
    assert sequences(b, slot(b, 0)) == [1]
    await a.close()
    await b.close()


async def test_changed_ssrc_goes_on_where_the_old_one_stopped(relay: Relay) -> None:
    """A browser that changes its SSRC in a call is heard on, with numbers that continue."""
    a, b = await joined(relay, "room", "a"), await joined(relay, "room", "b")
    for sequence in (10, 11):
        a.send_audio(sequence)
    await until(lambda: len(b.received) == 2)
    for sequence in (60_000, 60_001):
        a.send_audio(sequence, ssrc=77)
    await until(lambda: len(b.received) == 4)
    assert sequences(b, slot(b, 0)) == [10, 11, 12, 13]
    assert relay.legs["a"].audio.ssrc == 77
    assert len(relay.legs["a"].end.sources) == 2
    await a.close()
    await b.close()


async def test_ssrc_changes_are_bounded(clocked: Relay, clock: Clock) -> None:
    """A leg that makes up SSRCs is not followed for more than eight a minute."""
    a = await joined(clocked, "room", "a")
    for ssrc in range(1, 50):
        a.send_audio(1, ssrc=ssrc)
    await until(lambda: clocked.dropped["unknown_ssrc"] == 49 - MAX_NEW_SSRCS)
    clock.now_s += NEW_SSRC_WINDOW_S
    a.send_audio(2, ssrc=999)
    await until(lambda: clocked.legs["a"].audio.ssrc == 999)
    await a.close()


async def test_unknown_payload_type_of_unknown_ssrc_is_dropped(relay: Relay) -> None:
    """What was not negotiated is not even decrypted."""
    a = await joined(relay, "room", "a")
    a.send(a.protected(rtp_packet(5, 127, 1, 0, b"?")))
    await until(lambda: relay.dropped["unknown_ssrc"] == 1)
    await a.close()


# ---- RTCP


async def test_reports_tell_loss_and_the_senders_clock(clocked: Relay, clock: Clock) -> None:
    """Once a second each sender is told what was lost on its own link, and when its report had come."""
    a = await joined(clocked, "room", "a")
    a.send_rtcp(rtcp.SenderReport(a.audio_ssrc, 0x1234_5678_9ABC_DEF0, 0, 0, 0))
    for sequence in (1, 2, 4, 5):
        a.send_audio(sequence)
    await until(lambda: clocked.legs["a"].audio.packets == 4)
    a.send_rtcp(rtcp.SenderReport(a.audio_ssrc, 0x1234_5678_9ABC_DEF0, 0, 0, 0))
    a.send_audio(6)
    await until(lambda: clocked.legs["a"].audio.packets == 5)
    clock.now_s += 0.5
    for _ in range(50):
        clocked.tick(clock.now_s)
    await until(lambda: a.of(rtcp.ReceiverReport))
    (block,) = a.of(rtcp.ReceiverReport)[-1].reports
    assert (block.ssrc, block.packets_lost, block.highest_sequence) == (a.audio_ssrc, 1, 6)
    assert (block.lsr, block.dlsr) == (0x5678_9ABC, 32768)
    await a.close()


async def test_sender_reports_are_translated(relay: Relay) -> None:
    """The receiver gets the sender's wall clock under the slot's SSRC, with a CNAME, and its answer is an RTT."""
    a, b = await joined(relay, "room", "a"), await joined(relay, "room", "b")
    a.send_audio(1)
    await until(lambda: b.received)
    a.send_rtcp(rtcp.SenderReport(a.audio_ssrc, 0x1234_5678_9ABC_DEF0, 960, 1, 60))
    await until(lambda: b.of(rtcp.SenderReport) and b.of(rtcp.SourceDescription))
    report = b.of(rtcp.SenderReport)[0]
    assert (report.ssrc, report.ntp, report.rtp_timestamp) == (slot(b, 0), 0x1234_5678_9ABC_DEF0, 960)
    assert report.packet_count == 1
    block = rtcp.ReportBlock(slot(b, 0), 64, 0, 0, 0, 0x5678_9ABC, 0)
    b.send_rtcp(rtcp.ReceiverReport(1, (block,)))
    await until(lambda: relay.leg_stats("b").sent[0].fraction_lost == 0.25)
    rtt_s = relay.leg_stats("b").rtt_s
    assert rtt_s is not None
    assert 0 < rtt_s < 1
    await a.close()
    await b.close()


async def test_missing_packets_are_asked_for_and_repaired(relay: Relay) -> None:
    """A gap in video is reported upstream within a tick or two; the retransmission fills it once."""
    a, b = await joined(relay, "room", "a"), await joined(relay, "room", "b")
    for sequence in (1, 2, 5):
        a.send_video(sequence, keyframe=sequence == 1)
    await until(lambda: a.of(rtcp.Nack))
    assert a.of(rtcp.Nack)[0] == rtcp.Nack(a.of(rtcp.Nack)[0].sender_ssrc, a.video_ssrc, (3, 4))
    for number, sequence in enumerate((3, 4, 4)):
        a.send(a.protected(wrap_rtx(a.video(sequence), a.rtx_ssrc, 97, number)))
    a.send(a.protected(rtp_packet(a.rtx_ssrc, 97, 9, 0, b"")))  # a probe
    await until(lambda: len(b.received) == 5 and relay.dropped["duplicate"] == 1)
    assert sorted(sequences(b, slot(b))) == [1, 2, 3, 4, 5]
    assert not relay.plane.with_holes or await _drained(relay)
    stats = relay.leg_stats("a").received[1]
    assert (stats.retransmitted, stats.packets) == (2, 3)
    await a.close()
    await b.close()


async def _drained(relay: Relay) -> bool:
    await until(lambda: not relay.plane.with_holes)
    return True


async def test_history_answers_receivers(relay: Relay) -> None:
    """What a receiver asks for comes as RTX of the slot, once a round trip, and to that receiver only."""
    a, b, c = [await joined(relay, "room", name) for name in "abc"]
    for sequence in (1, 2, 3):
        a.send_video(sequence, keyframe=sequence == 1)
    await until(lambda: len(b.received) == len(c.received) == 3)
    original = b.received[1]
    for _ in range(2):
        b.send_rtcp(rtcp.Nack(1, slot(b), (2, 900)))
    await until(lambda: len(b.received) == 4)
    again = b.received[3]
    assert int.from_bytes(again[8:12], "big") == slot(b, rtx=True)
    assert unwrap_rtx(again, slot(b), 96) == original
    c.send_rtcp(rtcp.Nack(1, slot(c), (3,)))
    await until(lambda: len(c.received) == 4)
    assert len(b.received) == 4
    assert relay.legs["b"].slots[0].video.resent == 1
    for client in (a, b, c):
        await client.close()


async def test_keyframe_requests_are_one(clocked: Relay, clock: Clock) -> None:
    """Whatever several receivers ask for in whatever words is one request in its time, and ends with a keyframe."""
    a, b, c = [await joined(clocked, "room", name) for name in "abc"]
    await until(lambda: len(a.of(rtcp.PictureLoss)) == 1)  # for joining
    a.send_video(1, keyframe=True)
    await until(lambda: len(b.received) == len(c.received) == 1)
    clock.now_s += 1
    for _ in range(10):
        b.send_rtcp(rtcp.PictureLoss(1, slot(b)))
        c.send_rtcp(rtcp.FullIntra(1, ((slot(c), 3),)))
    await until(lambda: len(a.of(rtcp.PictureLoss)) == 2)
    clocked.tick(clock.now_s)
    a.send_video(2, keyframe=True)
    await until(lambda: len(b.received) == 2)
    clock.now_s += 1
    clocked.tick(clock.now_s)
    assert len(a.of(rtcp.PictureLoss)) == 2
    assert a.of(rtcp.PictureLoss)[0].media_ssrc == a.video_ssrc
    for client in (a, b, c):
        await client.close()


async def test_sender_is_told_the_least_of_its_receivers(clocked: Relay, clock: Clock) -> None:
    """REMB to a sender is the minimum of its receivers' shares and of its own ceiling."""
    a, b, c = [await joined(clocked, "room", name) for name in "abc"]

    async def told() -> int:
        a.reports.clear()
        for _ in range(50):
            clocked.tick(clock.now_s)
        await until(lambda: a.of(rtcp.ReceiverReport))
        rembs = a.of(rtcp.Remb)
        return rembs[-1].bitrate_bps if rembs else 0

    assert await told() == 0
    b.send_rtcp(rtcp.Remb(1, 600_000, (slot(b),)))
    c.send_rtcp(rtcp.Remb(1, 400_000, (slot(c),)))
    await until(lambda: clocked.legs["c"].downlink.budget_bps(clock.now_s) == 400_000)
    assert await told() == 200_000  # c sees two others
    assert a.of(rtcp.Remb)[-1].ssrcs == (a.video_ssrc,)
    a.reports.clear()
    clock.now_s += 0.5
    b.send_rtcp(rtcp.Remb(1, 100_000, (slot(b),)))
    await until(lambda: a.of(rtcp.Remb))  # at once, because it fell
    assert a.of(rtcp.Remb)[0].bitrate_bps == 50_000
    clocked.set("a", SetLeg(call="call", epoch=1, video_cap_bps=30_000))
    assert await told() == 30_000
    clock.now_s += 6  # nobody reports any more: only the ceiling is left
    assert await told() == 30_000
    for client in (a, b, c):
        await client.close()


async def test_muted_leg_sends_nothing_and_comes_back_without_a_hole(relay: Relay) -> None:
    """`set` stops one medium and not the other; afterwards the numbers go on, and a keyframe is asked for."""
    a, b = await joined(relay, "room", "a"), await joined(relay, "room", "b")
    a.send_video(1, keyframe=True)
    a.send_audio(1)
    await until(lambda: len(b.received) == 2)
    relay.set("a", SetLeg(call="call", epoch=1, video=False))
    for sequence in (2, 3):
        a.send_video(sequence)
    a.send_audio(2)
    await until(lambda: relay.legs["a"].video.packets == 3 and len(b.received) == 3)
    asked = len(a.of(rtcp.PictureLoss))
    relay.set("a", SetLeg(call="call", epoch=1, video=True))
    await until(lambda: len(a.of(rtcp.PictureLoss)) > asked)
    a.send_video(4, keyframe=True)
    await until(lambda: len(b.received) == 4)
    assert sequences(b, slot(b)) == [1, 2]
    await a.close()
    await b.close()


@pytest.mark.parametrize(
    "junk", [b"", b"\x80", b"\x81\xc9\xff\xff" + bytes(8), b"\x80\xc8\x00\x01" + bytes(4), b"\xff" * 60]
)
async def test_broken_rtcp_costs_a_count(relay: Relay, junk: bytes) -> None:
    """Authenticated nonsense is counted and the leg goes on."""
    a = await joined(relay, "room", "a")
    assert a.srtp is not None
    a.send(a.srtp.protect_rtcp(b"\x80\xc9\x00\x01" + bytes(4) + junk))
    await until(lambda: not junk or relay.dropped["bad_rtcp"] > 0)
    a.send_audio(1)
    await until(lambda: relay.legs["a"].audio.packets == 1)
    await a.close()
