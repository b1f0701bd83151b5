"""A patient and a nurse meet, over real sockets."""

from __future__ import annotations

from typing import Any

from signaling.deadlines import Deadlines
from tests.signaling.conftest import Live, Start
from tests.signaling.live_fakes import CONSENT, Page


async def waiting(live: Live, person: str = "pat1", **join: Any) -> Page:
    """A patient in the waiting room with a leg that is up."""
    page = await live.patient(person)
    await page.ok("join", consent=CONSENT, **join)
    await page.answer()
    return page


async def ringing(live: Live, person: str = "nur1") -> Page:
    """A nurse with an offer and a leg that is up."""
    page = await live.nurse(person)
    await page.ok("available")
    await page.state("offered")
    await page.answer()
    return page


async def in_call(live: Live) -> tuple[Page, Page]:
    """A patient and a nurse in a call."""
    patient, nurse = await waiting(live), await ringing(live)
    await nurse.ok("offer.accept", generation=nurse.snapshot["generation"])
    await patient.state("in_call")
    await nurse.state("in_call")
    return patient, nurse


async def test_a_visit_from_joining_to_the_end_of_the_wrapup(live: Live) -> None:
    """Join, offer, accept, talk, write, end, wrap up: each side sees each step, and the journal has all of it."""
    patient = await live.patient()
    first = await patient.until(lambda shot: True)
    assert (first["state"], first["name"], first["leg"]) == ("new", "Full pat1", None)
    await patient.ok("join", consent=CONSENT, reason="fiebre", languages=["es-MX"])
    shot = await patient.state("waiting")
    assert shot["queue"] == {"position": 1, "waiting": 1}
    await patient.answer()
    await patient.ok("link", bars=3)

    nurse = await live.nurse()
    assert (await nurse.until(lambda shot: True))["state"] == "offline"
    await nurse.ok("available")
    shot = await nurse.state("offered")
    offer = shot["offer"]
    assert (offer["given_name"], offer["age_years"], offer["reason"], offer["bars"]) == ("Given pat1", 44, "fiebre", 3)
    assert offer["ring_ms"] == 20_000
    assert "Full" not in str(offer)
    assert shot["patient"] is None
    await nurse.answer()

    await nurse.ok("offer.accept", generation=offer["generation"])
    shot = await nurse.state("in_call")
    assert (shot["state"], shot["patient"]["name"]) == ("busy", "Full pat1")
    assert shot["call"]["slots"] == [{"participant": "patient", "audio_mid": "0", "video_mid": "1"}]
    shot = await patient.state("in_call")
    assert shot["nurse"] == {"name": "Full nur1", "title": "Enf.", "licence": "12345678"}
    assert shot["call"]["slots"][0]["participant"] == "nurse"
    assert shot["leg"]["sdp"] is None

    await patient.ok("media", microphone=True, camera=False)
    assert (await nurse.hears("peer"))["media"]["camera"] is False
    await nurse.ok("chat.send", id="line-0001", text="¿Cómo está?")
    await nurse.ok("chat.send", id="line-0001", text="¿Cómo está?")
    line = await patient.hears("chat")
    assert (line["sender"], line["text"]) == ("nurse", "¿Cómo está?")

    await nurse.ok("call.end", generation=offer["generation"])
    shot = await patient.state("ended")
    assert (shot["ended"]["reason"], shot["leg"]) == ("done", None)
    shot = await nurse.state("wrapup")
    assert (shot["wrapup"]["patient"]["name"], shot["leg"]) == ("Full pat1", None)
    visit = shot["wrapup"]["visit"]
    assert await nurse.refused("wrapup.done", visit="another", outcome="guidance") == "not_allowed"
    await nurse.ok("wrapup.extend")
    await nurse.until(lambda later: later["wrapup"]["until_ms"] == shot["wrapup"]["until_ms"] + 120_000)
    await nurse.ok("wrapup.done", visit=visit, outcome="guidance", note="reposo", available=False)
    assert (await nurse.state("away"))["away_reason"] == "break"
    assert live.journal.outcomes == [(visit, "nur1", "guidance", "reposo")]
    assert live.relay.legs == {}
    assert patient.seqs == sorted(set(patient.seqs))
    await live.journal.kinds("joined", "offered", "accepted", "connected", "ended")
    joined = live.journal.events[0]
    assert (joined.patient, joined.data["reason"], joined.data["consent_version"]) == ("pat1", "fiebre", "2026-01")


async def test_a_declined_offer_goes_to_another_nurse(live: Live) -> None:
    """Declining gives the visit to the next nurse; the patient keeps waiting and the first one stays free."""
    patient, first = await waiting(live), await ringing(live, "nur1")
    second = await live.nurse("nur2")
    await second.ok("available")
    await second.state("idle")
    await first.ok("offer.decline", generation=first.snapshot["generation"])
    assert (await second.state("offered"))["offer"]["given_name"] == "Given pat1"
    shot = await first.state("idle")
    assert (shot["leg"], shot["visit"]) == (None, None)
    await second.answer()
    await second.ok("offer.accept", generation=second.snapshot["generation"])
    assert (await patient.state("in_call"))["nurse"]["name"] == "Full nur2"


async def test_an_offer_not_answered_goes_to_another_nurse(start: Start) -> None:
    """After the ring time the nurse is away, and the patient rings at the next one."""
    live = await start(deadlines=Deadlines(offer_ms=300))
    patient, first = await waiting(live), await ringing(live, "nur1")
    stale = first.snapshot["generation"]
    assert (await first.state("away"))["away_reason"] == "no_answer"
    await patient.state("waiting")
    assert await first.refused("offer.accept", generation=stale) == "stale"
    second = await ringing(live, "nur2")
    await second.ok("offer.accept", generation=second.snapshot["generation"])
    assert (await patient.state("in_call"))["nurse"]["name"] == "Full nur2"


async def test_a_reloaded_page_comes_back_into_the_same_call(live: Live) -> None:
    """A page load gets a new leg for the same visit; the other side sees the interruption and its end."""
    patient, nurse = await in_call(live)
    before = patient.snapshot
    await live.relay.says(before["leg"]["leg"], "gone")
    await patient.drop()
    shot = await nurse.state("interrupted")
    assert shot["call"]["interruption"]["who"] == "patient"
    again = await live.patient()
    shot = await again.until(lambda shot: shot["leg"] and shot["leg"]["sdp"])
    assert (shot["visit"], shot["leg"]["leg"] != before["leg"]["leg"]) == (before["visit"], True)
    await again.answer()
    shot = await again.state("in_call")
    assert shot["call"]["started_at_ms"] == before["call"]["started_at_ms"]
    assert shot["call"]["slots"]
    await nurse.until(lambda shot: shot["call_state"] == "in_call" and shot["call"]["slots"])


async def test_the_nurse_may_reload_too(live: Live) -> None:
    """The nurse's page comes back into her call with a new leg."""
    patient, nurse = await in_call(live)
    await nurse.drop()
    again = await live.nurse()
    await again.answer()
    await again.state("in_call")
    await patient.state("in_call")
    assert again.snapshot["patient"]["name"] == "Full pat1"


async def test_a_dropped_socket_does_not_end_media(live: Live) -> None:
    """The same page connecting again keeps its leg, is offered nothing, and nobody saw an interruption."""
    patient, nurse = await in_call(live)
    leg = patient.snapshot["leg"]["leg"]
    await patient.drop()
    again = await live.page("pat1").connect(leg=leg, seq=patient.snapshot["seq"])
    shot = await again.state("in_call")
    assert (shot["leg"]["leg"], shot["leg"]["sdp"]) == (leg, None)
    assert shot["seq"] > patient.snapshot["seq"]
    await live.journal.kinds("joined", "offered", "accepted", "connected")
    assert nurse.snapshot["call_state"] == "in_call"


async def test_a_socket_that_stays_away_interrupts_the_call(live: Live) -> None:
    """After the hold the other side is told; coming back with the leg goes on at once."""
    patient, nurse = await in_call(live)
    leg = patient.snapshot["leg"]["leg"]
    await patient.drop()
    shot = await nurse.state("interrupted")
    assert shot["call"]["interruption"]["who"] == "patient"
    await live.page("pat1").connect(leg=leg)
    await nurse.state("in_call")


async def test_silence_interrupts_and_sound_resumes(live: Live) -> None:
    """When the relay hears nothing of a leg both sides see it; when it hears it again both are back."""
    patient, nurse = await in_call(live)
    leg = nurse.snapshot["leg"]["leg"]
    await live.relay.says(leg, "silent")
    assert (await patient.state("interrupted"))["call"]["interruption"]["who"] == "nurse"
    await nurse.state("interrupted")
    await live.relay.says(leg, "active")
    await patient.state("in_call")
    await nurse.state("in_call")


async def test_a_restarted_relay_gives_everybody_new_legs(live: Live) -> None:
    """Another incarnation of the worker knows no leg: both pages are offered new ones and the call goes on."""
    patient, nurse = await in_call(live)
    old = {patient.snapshot["leg"]["leg"], nurse.snapshot["leg"]["leg"]}
    await live.relay.restarts()
    for page in (patient, nurse):
        await page.until(lambda shot: shot["leg"] and shot["leg"]["sdp"] and shot["leg"]["leg"] not in old)
        await page.answer()
    await patient.state("in_call")
    await nurse.state("in_call")


async def test_the_queue_works_without_the_relay(live: Live) -> None:
    """While the relay is away people wait and ring without a leg, and get it when it is back."""
    await live.relay.goes_down()
    patient = await live.patient()
    await patient.ok("join", consent=CONSENT)
    nurse = await live.nurse()
    await nurse.ok("available")
    assert (await nurse.state("offered"))["leg"] is None
    await live.relay.goes_down(False)
    await patient.answer()
    await nurse.answer()
    await nurse.ok("offer.accept", generation=nurse.snapshot["generation"])
    await patient.state("in_call")


async def test_leaving_for_now_holds_the_seat(live: Live) -> None:
    """Away is an interruption by choice; asking for a leg comes back."""
    patient, nurse = await in_call(live)
    await patient.ok("away", generation=patient.snapshot["generation"])
    shot = await nurse.state("interrupted")
    assert shot["call"]["interruption"]["by_choice"] is True
    assert (await patient.until(lambda shot: shot["leg"] is None))["state"] == "interrupted"
    await patient.ok("leg.renew")
    await patient.answer()
    await nurse.state("in_call")


async def test_leaving_for_good_ends_the_visit(live: Live) -> None:
    """The patient gives the visit up; the nurse goes to the wrap-up."""
    patient, nurse = await in_call(live)
    await patient.ok("leave")
    assert (await patient.state("ended"))["ended"]["reason"] == "left"
    assert (await nurse.state("wrapup"))["wrapup"]["ended"]["reason"] == "left"


async def test_a_restart_of_ice_is_answered_with_an_offer(live: Live) -> None:
    """The offer counts up; the answer must name it."""
    patient, _nurse = await in_call(live)
    leg = patient.snapshot["leg"]
    offer = await patient.ok("leg.restart", leg=leg["leg"], epoch=leg["epoch"])
    assert offer["restart"] == 1
    mine = {"leg": leg["leg"], "epoch": leg["epoch"], "sdp": "answer"}
    assert await patient.refused("leg.answer", **mine, restart=0) == "stale"
    await patient.ok("leg.answer", **mine, restart=1)


async def test_a_leg_can_be_renewed_once(live: Live) -> None:
    """Giving the same leg up twice gives one new leg."""
    patient, _nurse = await in_call(live)
    old = patient.snapshot["leg"]["leg"]
    await patient.ok("leg.renew", leg=old)
    await patient.ok("leg.renew", leg=old)
    shot = await patient.until(lambda shot: shot["leg"] and shot["leg"]["leg"] != old)
    assert shot["leg"]["epoch"] == 2
    await patient.answer()
    await patient.state("in_call")


async def test_a_second_page_replaces_the_first(live: Live) -> None:
    """The newest page of a person counts; the older one is told and closed, and nothing of the visit is lost."""
    patient, nurse = await in_call(live)
    second = await live.patient()
    await patient.hears("replaced")
    await patient.gone()
    await second.answer()
    await second.state("in_call")
    await nurse.state("in_call")


async def test_places_in_line_are_told_when_they_change(live: Live) -> None:
    """Those behind move up, and staff see the queue without names."""
    first = await waiting(live, "pat1")
    second = await waiting(live, "pat2", reason="tos")
    assert (await second.state("waiting"))["queue"] == {"position": 2, "waiting": 2}
    await first.ok("leave")
    assert await second.hears("queue", lambda place: place["position"] == 1) == {"position": 1, "waiting": 1}
    nurse = await live.nurse()
    shot = await nurse.until(lambda shot: shot["queue"]["waiting"] == 1)
    assert shot["queue"]["entries"][0]["reason"] == "tos"
    assert "pat2" not in str(shot["queue"])
    await second.ok("leave")
    assert (await nurse.hears("queue", lambda queue: queue["waiting"] == 0))["entries"] == []
