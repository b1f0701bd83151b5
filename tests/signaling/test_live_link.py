"""What the relay says of links reaches pages, the other side, the journal and snapshots, over real sockets."""

from __future__ import annotations

from typing import Any

from media.control import (
    AudioShape,
    LegReport,
    Limits,
    LinkMeasure,
    RungStep,
    VideoShape,
    WayReport,
)
from signaling.turn import Turn
from tests.signaling.conftest import Live, Start
from tests.signaling.live_fakes import CONSENT, FakeRelay, Page
from tests.signaling.test_live_calls import in_call, ringing, waiting

AUDIO = AudioShape(frame_ms=60, bitrate_bps=16_000, red=False, dtx=True)


def limits(rung: int, why: Any = "rate", whose: Any = "other", bitrate_bps: int = 90_000) -> Limits:
    """Limits of one rung."""
    video = VideoShape(bitrate_bps=bitrate_bps, fps=12, lines=240, codec="VP8") if rung >= 3 else None
    return Limits(rung=rung, why=why, whose=whose, audio=AUDIO, video=video, stills_bps=0, since_ms=5)


def report(seconds: float) -> LegReport:
    """A report of a leg."""
    way = WayReport(packets=100, bytes=10_000, lost=1)
    step = RungStep(at_ms=1, rung=4, why="start", whose="none")
    return LegReport(
        seconds=seconds, transport="udp", rtt_ms=50, rtt_max_ms=80, up=way, down=way, rungs=[step]
    )  # fmt: skip


def leg_of(page: Page) -> str:
    """The leg a page uses."""
    return str(page.snapshot["leg"]["leg"])


async def test_limits_reach_the_page_and_mirrored_the_other_side(live: Live) -> None:
    """The one that sends gets all of it, the other side the rung, why, and whose link it is as seen from there."""
    patient, nurse = await in_call(live)
    await live.relay.says(leg_of(patient), "limits", limits=limits(3, "rate", "other"))
    told = await patient.hears("limits")
    assert (told["rung"], told["whose"], told["video"]["lines"], told["audio"]["frame_ms"]) == (3, "other", 240, 60)
    peer = await nurse.hears("peer", lambda data: data["receives"])
    assert peer["receives"] == {"rung": 3, "why": "rate", "whose": "own"}


async def test_the_other_side_is_told_of_rungs_only(live: Live) -> None:
    """A change of the bit rate within a rung is nothing for the other side, and nothing for the journal."""
    patient, nurse = await in_call(live)
    await live.relay.says(leg_of(patient), "limits", limits=limits(4))
    await live.relay.says(leg_of(patient), "limits", limits=limits(4, bitrate_bps=80_000))
    await live.relay.says(leg_of(patient), "limits", limits=limits(3))
    await nurse.hears("peer", lambda data: data["receives"] and data["receives"]["rung"] == 3)
    assert [data["receives"]["rung"] for event, data in nurse.heard if event == "peer"] == [4, 3]
    await live.journal.until(lambda: sum(event.kind == "rung" for event in live.journal.events) == 2)
    details = [event.detail for event in live.journal.events if event.kind == "rung"]
    assert details == ["p:4:rate:other", "p:3:rate:other"]


async def test_snapshots_carry_what_both_sides_send_also_across_processes(start: Start) -> None:
    """A nurse at one process and a patient at another, connecting again, find limits and rungs in the snapshot."""
    relay = FakeRelay()
    here, there = await start(relay=relay), await start(relay=relay)
    patient, nurse = await waiting(here), await ringing(there)
    await nurse.ok("offer.accept", generation=nurse.snapshot["generation"])
    await patient.state("in_call")
    await nurse.state("in_call")
    await relay.says(leg_of(patient), "limits", limits=limits(2, "loss", "own"))
    await relay.says(leg_of(nurse), "limits", limits=limits(5, "clear", "none"))
    await nurse.hears("peer", lambda data: data["receives"] == {"rung": 2, "why": "loss", "whose": "other"})
    await patient.hears("peer", lambda data: data["receives"] == {"rung": 5, "why": "clear", "whose": "none"})
    again = await there.page("pat1").connect(leg=leg_of(patient))
    call = (await again.state("in_call"))["call"]
    assert (call["sends"]["rung"], call["sends"]["video"], call["receives"]["rung"]) == (2, None, 5)
    again = await here.page("nur1").connect(leg=leg_of(nurse))
    call = (await again.state("in_call"))["call"]
    assert (call["sends"]["rung"], call["receives"]["rung"]) == (5, 2)


async def test_rungs_known_before_the_call_are_written_when_it_is_accepted(live: Live) -> None:
    """The legs are warm, so the record begins with what each was to send."""
    patient = await waiting(live)
    await live.relay.says(leg_of(patient), "limits", limits=limits(4, "start", "none"))
    await patient.hears("limits")
    nurse = await ringing(live)
    await nurse.ok("offer.accept", generation=nurse.snapshot["generation"])
    assert (await nurse.state("in_call"))["call"]["receives"]["rung"] == 4
    await live.journal.until(lambda: any(event.kind == "rung" for event in live.journal.events))
    kinds = [event.kind for event in live.journal.events]
    assert kinds.index("rung") == kinds.index("accepted") + 1


async def test_limits_of_a_leg_that_was_given_up_are_forgotten(live: Live) -> None:
    """A new leg starts without the limits of the old one, and what is still said of that one changes nothing."""
    patient, nurse = await in_call(live)
    old = leg_of(patient)
    await live.relay.says(old, "limits", limits=limits(2))
    await nurse.hears("peer", lambda data: data["receives"])
    await patient.ok("leg.renew", leg=old)
    await patient.until(lambda shot: shot["leg"] and shot["leg"]["leg"] != old)
    await patient.answer()
    shot = await patient.until(lambda shot: shot["state"] == "in_call" and shot["leg"]["leg"] != old)
    assert shot["call"]["sends"] is None
    assert not await live.signaling.pairing.limits("p", "pat1", 1, "{}", "2:rate:own")


async def test_limits_missed_in_a_gap_are_asked_for(live: Live) -> None:
    """After a relay has lost events its legs are looked at, and their limits with them."""
    patient, _ = await in_call(live)
    live.relay.legs[leg_of(patient)].limits = limits(1, "loss", "own")
    live.relay.boot = "boot2"
    await live.relay.goes_down(False)
    assert (await patient.hears("limits"))["rung"] == 1


async def test_the_measured_link_is_told_in_words_and_to_the_nurse(live: Live) -> None:
    """While it is measured, the verdict waits; then patient and nurse have it, at once, in the call, after a reload."""
    patient = await waiting(live)
    measure = LinkMeasure(up_bps=60_000, rtt_ms=700, loss_up=0.04, rung_up=3)
    await live.relay.says(leg_of(patient), "measured", measure=measure)
    assert (await patient.hears("link"))["verdict"] == "measuring"
    nurse = await ringing(live)
    assert nurse.snapshot["offer"]["link"]["verdict"] == "measuring"
    whole = measure.model_copy(update={"down_bps": 40_000, "loss_down": 0.01, "rung_down": 2, "final": True})
    await live.relay.says(leg_of(patient), "measured", measure=whole)
    told = await patient.hears("link", lambda link: link["verdict"] != "measuring")
    expected = {"verdict": "voice", "up_bps": 60_000, "down_bps": 40_000, "rtt_ms": 700, "loss": 0.04}
    assert told == expected
    await nurse.until(lambda shot: shot["offer"] and shot["offer"]["link"] == expected)
    again = await live.page("pat1").connect(leg=leg_of(patient))
    assert (await again.until(lambda shot: shot["link"]))["link"] == expected
    await nurse.ok("offer.accept", generation=nurse.snapshot["generation"])
    attending = await live.page("nur1").connect(leg=None)
    assert (await attending.until(lambda shot: shot["call"]))["link"] == expected


async def test_what_the_page_sees_goes_to_the_relay_at_most_every_two_seconds(live: Live) -> None:
    """The first report is handed over; one that comes at once after it is not, and neither are bars."""
    patient, _ = await in_call(live)
    media = {"wants_video": True, "concealed": 0.02, "fps": 11.5, "codec": "VP9"}
    await patient.ok("link", bars=2, rtt_ms=900, media=media)
    await patient.ok("link", bars=3, media={"wants_video": False})
    await patient.ok("chat.send", id="line-0001", text="hola")
    while not live.relay.reports:
        await patient.ok("media", microphone=True, camera=True)
    [(leg, request)] = live.relay.reports
    assert leg == leg_of(patient)
    assert (request.report.concealed, request.report.codec, request.report.wants_video) == (0.02, "VP9", True)


async def test_what_the_last_visit_carried_is_a_hint_to_the_relay(live: Live) -> None:
    """`memory` of the answer goes with it."""
    page = await live.patient()
    await page.ok("join", consent=CONSENT)
    leg = (await page.until(lambda shot: shot["leg"] and shot["leg"]["sdp"]))["leg"]
    memory = {"up_bps": 64_000, "down_bps": 128_000}
    await page.ok("leg.answer", leg=leg["leg"], epoch=leg["epoch"], restart=0, sdp="answer", memory=memory)
    hint = live.relay.hints[leg["leg"]]
    assert hint is not None
    assert (hint.up_bps, hint.down_bps) == (64_000, 128_000)


async def test_reports_of_legs_are_kept_also_the_last_one(live: Live) -> None:
    """A report in the call and the one that comes with the end of the leg reach the journal, which may fail once."""
    patient, nurse = await in_call(live)
    leg = leg_of(patient)
    await live.relay.says(leg, "report", report=report(10))
    await live.journal.until(lambda: live.journal.reports)
    live.journal.failures = 1
    await live.relay.says(leg, "gone", report=report(20))
    await live.journal.until(lambda: live.journal.reports[-1].is_last)
    first, last = live.journal.reports[0], live.journal.reports[-1]
    assert (first.leg, first.side, first.visit, first.is_last) == (leg, "patient", patient.snapshot["visit"], False)
    assert last.report.seconds == 20
    assert nurse.snapshot["visit"] == last.visit


async def test_the_report_of_a_leg_already_let_go_is_kept(live: Live) -> None:
    """At the end of a visit its legs are closed first, and their last reports come after that."""
    patient, nurse = await in_call(live)
    leg = leg_of(patient)
    kept = live.relay.legs[leg]
    await nurse.ok("call.end", generation=nurse.snapshot["generation"])
    await patient.state("ended")
    live.relay.legs[leg] = kept
    await live.relay.says(leg, "gone", report=report(30))
    await live.journal.until(lambda: any(kept.leg == leg and kept.is_last for kept in live.journal.reports))


async def test_turn_servers_come_with_an_offer_and_not_without(start: Start) -> None:
    """The page that is to make a connection gets credentials; a snapshot without an offer is not made longer."""
    live = await start(turn=Turn(["turn:turn.example:3478"], "s" * 32, 600))
    page = await live.patient()
    await page.ok("join", consent=CONSENT)
    leg = (await page.until(lambda shot: shot["leg"] and shot["leg"]["sdp"]))["leg"]
    [server] = leg["ice_servers"]
    assert server["urls"] == ["turn:turn.example:3478"]
    assert "pat1" not in server["username"]
    await page.answer()
    assert (await page.ok("leg.restart", leg=leg["leg"], epoch=leg["epoch"]))["ice_servers"][0]["credential"]
    nurse = await ringing(live)
    await nurse.ok("offer.accept", generation=nurse.snapshot["generation"])
    assert (await page.state("in_call"))["leg"]["ice_servers"] == []
