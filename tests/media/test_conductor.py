"""Legs that count: numbered and fed back both ways, measured before a call, told what to send in it, held in a cut."""

from __future__ import annotations

import asyncio
import time

import pytest

from media import rtcp
from media.ahead import Ahead
from media.conductor import FELL_QUEUE_S, FELL_UNHEARD_S, UNHEARD_AFTER_UPLINK_S, UNHEARD_S
from media.control import ClientReport, Events, LegEvent, ReportLeg
from media.downlink import Downlink
from media.estimator import Estimator, SentLog
from media.feedback import OVERFLOW
from media.relay import Relay
from media.rtp import wrap_rtx
from media.twcc import Clock, parse
from media.uplink import Uplink
from tests.media.client import rtp_packet, sequences, slot, until
from tests.media.counting import CountingClient, counting


def told(relay: Relay, kind: str, leg: str) -> list[LegEvent]:
    events: Events = relay.events.after(relay.boot, 0)
    return [event for event in events.events if event.kind == kind and event.leg == leg]


async def talk(*clients: CountingClient, packets: int, gap_s: float = 0.02, first: int = 1) -> None:
    """Send voice and a small picture from each client."""
    for number in range(first, first + packets):
        for client in clients:
            client.send_audio(number)
            client.send_video(number, bytes(300), keyframe=number == first)
        await asyncio.sleep(gap_s)


async def test_what_leaves_is_numbered_in_one_sequence(relay: Relay) -> None:
    """Voice, picture and padding to a leg share its numbers, without a gap; the sender's own are not passed on."""
    a, b = await counting(relay, "a"), await counting(relay, "b")
    await until(lambda: all(leg.downlink.known for leg in relay.legs.values()))
    a.number = 40_000
    await talk(a, packets=20)
    await until(lambda: len(b.media) >= 40)
    numbers = b.counted
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    await a.close()
    await b.close()


async def test_the_browser_hears_what_came(relay: Relay) -> None:
    """The relay's feedback names each packet that a browser sent, lost ones too."""
    a = await counting(relay, "a")
    await talk(a, packets=10)
    a.number += 1  # one is lost on the way
    await talk(a, packets=10, first=11)
    heard: dict[int, bool] = {}

    def all_heard() -> bool:
        for report in a.feedback():
            for number, arrived_s in parse(report.body, Clock()).arrivals:
                heard[number] = arrived_s is not None
        return len(heard) >= 41

    await until(all_heard)
    assert [number for number, came in heard.items() if not came] == [21]
    await a.close()


async def test_a_warm_leg_is_measured(relay: Relay) -> None:
    """Padding finds what the downlink carries before anybody has spoken, and the measure is told."""
    a = await counting(relay, "a", room=None)
    await until(lambda: relay.legs["a"].downlink.estimator.known)
    await until(lambda: told(relay, "measured", "a"))
    measure = told(relay, "measured", "a")[-1].measure
    assert measure is not None
    assert measure.down_bps is not None
    assert measure.down_bps > 200_000
    assert measure.rung_down is not None
    assert measure.rung_down >= 4
    assert not a.media
    await a.close()


async def test_both_are_told_what_to_send(relay: Relay) -> None:
    """In a call each leg's page gets limits with a reason, and its browser a ceiling by REMB."""
    a, b = await counting(relay, "a"), await counting(relay, "b")
    await talk(a, b, packets=30)
    await until(lambda: told(relay, "limits", "a") and told(relay, "limits", "b"))
    limits = told(relay, "limits", "a")[0].limits
    assert limits is not None
    assert limits.audio.bitrate_bps >= 12_000
    await until(lambda: a.of(rtcp.Remb))
    await a.close()
    await b.close()


async def test_voice_only_is_a_choice(relay: Relay) -> None:
    """A page that does not want to send pictures is told rung 1, and that it was a choice."""
    a, b = await counting(relay, "a"), await counting(relay, "b")
    relay.report("a", ReportLeg(call="call", epoch=1, report=ClientReport(wants_video=False)))
    await talk(a, b, packets=30)

    def chosen() -> bool:
        limits = [event.limits for event in told(relay, "limits", "a")]
        return bool(limits) and limits[-1] is not None and (limits[-1].rung, limits[-1].why) == (1, "choice")

    await until(chosen)
    await a.close()
    await b.close()


@pytest.mark.parametrize("told_by", ["queue_s", "late_s"])
async def test_what_a_full_link_lost_is_not_asked_for(
    relay: Relay, monkeypatch: pytest.MonkeyPatch, told_by: str
) -> None:
    """Sent again it would hold up what comes now; when the queue is gone, or the next is in time, it is asked for."""
    a, b = await counting(relay, "a"), await counting(relay, "b")
    await talk(a, b, packets=10)
    asked, full = len(a.of(rtcp.Nack)), True
    teller = Estimator if told_by == "queue_s" else Uplink
    monkeypatch.setattr(teller, told_by, property(lambda _: 0.4 if full else 0.0))
    a.send_audio(12)
    source = relay.legs["a"].audio
    await until(lambda: source.missing)
    for _ in range(5):
        relay.tick(time.monotonic())
    assert len(a.of(rtcp.Nack)) == asked
    full = False
    await until(lambda: len(a.of(rtcp.Nack)) > asked)
    await a.close()
    await b.close()


async def test_what_a_full_links_queue_dropped_is_given_up(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dozens of packets of a picture are not asked for when the queue is gone, as they would fill it again."""
    a, b = await counting(relay, "a"), await counting(relay, "b")
    await talk(a, b, packets=10)
    asked, full = len(a.of(rtcp.Nack)), True
    monkeypatch.setattr(Uplink, "late_s", property(lambda _: 0.4 if full else 0.0))
    source = relay.legs["a"].video
    came = source.packets
    a.send_video(10 + OVERFLOW + 2, bytes(300), keyframe=False)
    await until(lambda: source.packets > came)
    relay.tick(time.monotonic())
    assert not source.missing
    full = False
    for _ in range(5):
        relay.tick(time.monotonic())
    assert len(a.of(rtcp.Nack)) == asked
    await a.close()
    await b.close()


async def test_only_voice_goes_to_a_leg_whose_uplink_fell(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its feedback waits in the queue before the uplink, and most likely the downlink is as thin by now."""
    a, b = await counting(relay, "a"), await counting(relay, "b")
    await talk(a, b, packets=10)
    leg = relay.legs["a"]
    outlet, uplink = leg.end.outlet, leg.end.uplink
    assert outlet is not None
    assert uplink is not None
    waits_s = leg.end.rtt_s + (UNHEARD_AFTER_UPLINK_S + UNHEARD_S) / 2
    monkeypatch.setattr(SentLog, "outstanding_s", lambda _self, _now_s: waits_s)
    leg.conductor.look(time.monotonic())
    open_bps = outlet.pacer.rate_bps
    monkeypatch.setattr(type(uplink.estimator), "queue_s", property(lambda _: 0.4))
    leg.conductor.look(time.monotonic())
    assert outlet.pacer.rate_bps < open_bps
    await a.close()
    await b.close()


async def test_who_speaks_to_a_leg_that_fell_is_told_to_be_brief(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue before its uplink and no word of its downlink: the other's voice must fit what little is left."""
    a, b = await counting(relay, "a"), await counting(relay, "b")
    await talk(a, b, packets=30)
    leg, speaker = relay.legs["a"], relay.legs["b"]
    await until(lambda: speaker.conductor.controller.limits is not None)
    waits_s = leg.end.rtt_s + FELL_UNHEARD_S + 0.1
    monkeypatch.setattr(SentLog, "outstanding_s", lambda _self, _now_s: waits_s)
    assert not leg.conductor.fell(time.monotonic())
    monkeypatch.setattr(Estimator, "queue_s", property(lambda _: FELL_QUEUE_S))
    assert leg.conductor.fell(time.monotonic())
    speaker.conductor.look(time.monotonic())
    limits = speaker.conductor.limits
    assert limits is not None
    assert limits.audio.frame_ms == 120
    await a.close()
    await b.close()


async def test_what_is_coming_is_asked_for_where_much_is_lost(relay: Relay) -> None:
    """With a third lost requests name packets that were not sent yet; a copy that was played before is not lost."""
    a, b = await counting(relay, "a"), await counting(relay, "b")
    leg, newest = relay.legs["a"], 0

    def asked_ahead() -> bool:
        return any(request.lost[0] > newest for request in a.of(rtcp.Nack) if request.media_ssrc == a.audio_ssrc)

    for newest in range(1, 1_000):
        if newest % 3 == 2:
            a.number += 1  # lost on the way
        else:
            a.send_audio(newest)
        b.send_audio(newest)
        await asyncio.sleep(0.02)
        if asked_ahead():
            break
    assert asked_ahead()
    assert leg.audio.ahead is not None
    assert leg.end.uplink is not None
    voice = rtp_packet(a.audio_ssrc, 111, newest + 1, newest * 960, bytes(60))
    a.send(a.protected(voice))
    told = len(a.feedback())
    a.send(a.protected(voice))
    await until(lambda: relay.dropped["replayed"] == 1)
    copy = a.number
    await until(lambda: any(_came(report.body, copy) for report in a.feedback()[told:]))
    await a.close()
    await b.close()


def _came(body: bytes, number: int) -> bool:
    return any(sequence == number and at is not None for sequence, at in parse(body, Clock()).arrivals)


async def test_a_copy_of_a_picture_that_comes_first_is_shown_once(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy is taken before its picture is known to be missing; the next one does not ask for it again."""
    a, b = await counting(relay, "a"), await counting(relay, "b")
    source = relay.legs["a"].video
    monkeypatch.setattr(relay.legs["a"].conductor, "look", lambda _: None)  # nothing is lost: it would see no need
    a.send_video(100, keyframe=True)
    await until(lambda: 100 in sequences(b, slot(b)))
    source.ahead = Ahead()
    for number in (1, 2):
        a.send(a.protected(wrap_rtx(a.video(101), a.rtx_ssrc, 97, number)))
    await until(lambda: 101 in sequences(b, slot(b)))
    a.send_video(102)
    await until(lambda: 102 in sequences(b, slot(b)))
    assert sequences(b, slot(b)).count(101) == 1
    assert not source.missing
    await a.close()
    await b.close()


async def test_a_picture_that_has_ended_is_not_asked_for(relay: Relay) -> None:
    """Where no picture is to be sent any more, what is missing of the last one is left alone; voice is asked for."""
    a, b = await counting(relay, "a"), await counting(relay, "b")
    relay.report("a", ReportLeg(call="call", epoch=1, report=ClientReport(wants_video=False)))
    await talk(a, b, packets=30)
    await until(lambda: relay.legs["a"].conductor.shows_nothing)
    asked = len(a.of(rtcp.Nack))
    a.send_video(35, bytes(300))
    a.send_audio(35)
    await until(lambda: len(a.of(rtcp.Nack)) > asked)
    voice = relay.legs["a"].audio.ssrc
    assert {request.media_ssrc for request in a.of(rtcp.Nack)[asked:]} == {voice}
    assert not relay.legs["a"].video.missing
    await a.close()
    await b.close()


async def test_a_link_that_does_not_answer_gets_no_pictures(relay: Relay) -> None:
    """Without feedback pictures are held back within seconds; when it answers again they begin with a keyframe."""
    a, b = await counting(relay, "a"), await counting(relay, "b")
    await talk(a, packets=5)
    await until(lambda: len(b.media) >= 10)
    sink = relay.legs["b"].slots[0].video
    assert b.reporting is not None
    b.reporting.cancel()
    number = 6

    async def talk_until(paused: bool) -> None:
        nonlocal number
        while sink.paused is not paused:
            await talk(a, packets=1, first=number)
            number += 1

    async with asyncio.timeout(15):
        await talk_until(True)
        b.keep_reporting()
        await talk_until(False)
    asked = len(a.of(rtcp.PictureLoss))
    await until(lambda: len(a.of(rtcp.PictureLoss)) >= asked)
    assert relay.legs["a"].video.sinks == (sink,)
    await a.close()
    await b.close()


async def test_the_end_of_a_leg_reports_on_it(relay: Relay) -> None:
    """With `gone` comes what was sent and received, for the record of the visit."""
    a, b = await counting(relay, "a"), await counting(relay, "b")
    await talk(a, b, packets=10)
    await until(lambda: len(b.media) >= 20)
    await a.close()
    await until(lambda: told(relay, "gone", "a"))
    report = told(relay, "gone", "a")[0].report
    assert report is not None
    assert report.up.packets == 20
    assert report.down.packets > 0
    assert report.transport == "udp"
    await b.close()


async def test_a_thin_downlink_shows_who_speaks(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a room of three a link without room for two pictures gets all voices and the speaker's picture."""
    a, b, c = await counting(relay, "a"), await counting(relay, "b"), await counting(relay, "c")
    b.level_db, c.level_db = 90, 20
    leg = relay.legs["a"]
    own = vars(Downlink)["rate_bps"].fget
    monkeypatch.setattr(Downlink, "rate_bps", property(lambda one: 90_000 if one is leg.downlink else own(one)))
    number = 1
    await until(lambda: all(leg.downlink.known for leg in relay.legs.values()))

    def shown() -> dict[str, bool]:
        shares = {name: leg.conductor.share(relay.legs[name]) for name in ("b", "c")}
        return {name: share is not None and share.shown for name, share in shares.items()}

    async with asyncio.timeout(30):
        while shown() != {"b": False, "c": True} or not leg.slots[0].video.paused:
            await talk(b, c, packets=1, first=number)
            number += 1
    heard = {int.from_bytes(packet[8:12], "big") for packet in a.media}
    assert {leg.slots[0].audio.ssrc, leg.slots[1].audio.ssrc} <= heard
    for client in (a, b, c):
        await client.close()
