"""The waiting room, transition by transition, on each kind of store."""

from __future__ import annotations

import pytest

from signaling.deadlines import Deadlines
from signaling.pairing import LegMedia, Pairing
from signaling.records import NurseView, Visit
from signaling.store import Store
from tests.signaling.pairing_invariants import Room

START_MS = 1_700_000_000_000


class Ward:
    """A waiting room whose clock is moved by hand."""

    def __init__(self, store: Store) -> None:
        self.client = store.client
        self.now_ms = START_MS
        self.pairing = Pairing(store.client, "test", Deadlines(), lambda: self.now_ms)

    async def join(self, patient: str, **options: object) -> str:
        """A patient joins as the visit `v<id>`."""
        options.setdefault("visit", "v" + patient)
        return (await self.pairing.join(patient, "a", **options)).state  # type: ignore[arg-type]

    async def online(self, nurse: str, skills: tuple[str, ...] = ("general",), langs: tuple[str, ...] = ("es",)) -> str:
        """A nurse goes online."""
        return (await self.pairing.nurse_online(nurse, "a", skills=skills, languages=langs)).state

    async def passes(self, ms: int) -> None:
        """Time passes and what is due is done."""
        self.now_ms += ms
        while await self.pairing.tick(3) >= 3:
            pass
        assert (await Room.at_this_instant(self.client, self.pairing.prefix)).faults() == []

    async def visit(self, patient: str) -> Visit:
        """The patient's visit."""
        visit = (await self.pairing.patient(patient)).visit
        assert visit is not None
        return visit

    async def nurse(self, nurse: str) -> NurseView:
        """The nurse."""
        return await self.pairing.nurse(nurse)

    async def accepted(self, patient: str = "pat", nurse: str = "nur") -> int:
        """A patient and a nurse who has accepted; return the generation."""
        await self.join(patient)
        await self.online(nurse)
        generation = (await self.nurse(nurse)).generation
        assert await self.pairing.accept(nurse, generation)
        return generation

    async def connected(self, patient: str = "pat", nurse: str = "nur") -> int:
        """A patient and a nurse in a call; return the generation."""
        generation = await self.accepted(patient, nurse)
        await self.media(patient, True, True)
        assert (await self.visit(patient)).state == "in_call"
        return generation

    async def media(self, patient: str, of_patient: bool, of_nurse: bool) -> None:
        """What the relay says of the present legs."""
        visit = await self.visit(patient)
        legs = LegMedia(visit.patient_epoch, of_patient), LegMedia(visit.nurse_epoch, of_nurse)
        await self.pairing.media(patient, visit.visit, *legs)


@pytest.fixture
def ward(store: Store) -> Ward:
    """An empty waiting room."""
    return Ward(store)


async def test_joining_twice_is_joining_once(ward: Ward) -> None:
    """The standing visit is returned, also while it is offered; after the end a new one begins."""
    assert await ward.join("pat") == "waiting"
    again = await ward.pairing.join("pat", "b", visit="other")
    assert (again.state, again.visit, again.connection) == ("waiting", "vpat", 2)
    assert await ward.pairing.patient_leave("pat")
    assert await ward.pairing.patient_leave("pat")
    assert (await ward.pairing.join("pat", "b", visit="other")).visit == "other"


@pytest.mark.parametrize(
    ("skill", "wanted", "skills", "spoken", "meet"),
    [
        ("general", ["es-MX"], ("general",), ("es",), True),
        ("general", ["es"], ("mental", "general"), ("en", "es-419"), True),
        ("general", ["tzo", "es"], ("general",), ("tzo",), True),
        ("general", ["tzo"], ("general",), ("es",), False),
        ("mental", ["es"], ("general",), ("es",), False),
    ],
)
async def test_people_meet_by_skill_and_language(
    ward: Ward, skill: str, wanted: list[str], skills: tuple[str, ...], spoken: tuple[str, ...], meet: bool
) -> None:
    """One language in common, compared without region, and the skill asked for; whoever comes first."""
    state = "offered" if meet else "idle"
    await ward.join("pat", skill=skill, languages=wanted)
    assert await ward.online("nur", skills, spoken) == state
    await ward.pairing.patient_leave("pat")
    await ward.join("pat", skill=skill, languages=wanted)
    assert (await ward.nurse("nur")).state == state


async def test_who_waits_longest_and_who_is_idle_longest_go_first(ward: Ward) -> None:
    """Patients in their order, nurses in theirs."""
    for patient in ("pat1", "pat2"):
        await ward.join(patient)
        await ward.passes(10)
    await ward.online("nur1")
    assert (await ward.visit("pat1")).nurse == "nur1"
    await ward.pairing.patient_leave("pat2")
    await ward.online("nur2")
    await ward.passes(10)
    await ward.online("nur3")
    await ward.join("pat3")
    assert (await ward.visit("pat3")).nurse == "nur2"


async def test_a_boost_counts_as_having_come_earlier(ward: Ward) -> None:
    """An urgent patient overtakes those who came up to that much before."""
    await ward.join("early")
    await ward.passes(600_000)
    await ward.join("later")
    await ward.join("urgent", boost_ms=1_000_000)
    assert (await ward.pairing.patient("urgent")).position == 1
    await ward.online("nur")
    assert (await ward.visit("urgent")).state == "offered"


async def test_a_preferred_nurse_is_worth_ten_minutes(ward: Ward) -> None:
    """One who asked for this nurse goes before those who came up to ten minutes earlier, not before older ones."""
    await ward.join("old")
    await ward.passes(650_000)
    await ward.join("older", preferred="nobody")
    await ward.passes(1000)
    await ward.join("fond", preferred="nur")
    await ward.online("nur")
    assert (await ward.visit("old")).state == "offered"
    await ward.pairing.decline("nur", (await ward.nurse("nur")).generation)
    assert (await ward.visit("fond")).state == "offered"


async def test_an_offer_not_answered_leaves_the_nurse_away(ward: Ward) -> None:
    """After 20 s the patient waits again in the old place, and the nurse must say that she is there."""
    await ward.join("pat")
    await ward.online("nur")
    late = (await ward.nurse("nur")).generation
    await ward.passes(19_999)
    assert (await ward.nurse("nur")).state == "offered"
    await ward.passes(1)
    nurse = await ward.nurse("nur")
    assert (nurse.state, nurse.away_reason) == ("away", "no_answer")
    assert (await ward.visit("pat")).state == "waiting"
    assert await ward.pairing.accept("nur", late) is None
    assert await ward.online("nur") == "offered"
    assert await ward.pairing.accept("nur", late) is None


async def test_accepting_and_ending_twice_is_once(ward: Ward) -> None:
    """A repeated request, whose first answer was lost, is answered as the first."""
    generation = await ward.connected()
    again = await ward.pairing.accept("nur", generation)
    assert again is not None
    assert again.again
    assert await ward.pairing.end("nur", generation)
    assert await ward.pairing.end("nur", generation)
    assert not await ward.pairing.end("nur", generation + 1)


async def test_a_declined_patient_keeps_the_place_and_is_offered_again(ward: Ward) -> None:
    """Not to the same nurse for two minutes, then to her if there is no other."""
    await ward.join("pat")
    await ward.online("nur")
    assert await ward.pairing.decline("nur", (await ward.nurse("nur")).generation)
    assert not await ward.pairing.decline("nur", (await ward.nurse("nur")).generation)
    await ward.passes(119_999)
    assert ((await ward.visit("pat")).state, (await ward.nurse("nur")).state) == ("waiting", "idle")
    await ward.passes(1)
    assert (await ward.visit("pat")).state == "offered"
    assert (await ward.visit("pat")).joined_at_ms == START_MS


async def test_a_patient_lost_while_waiting_keeps_the_place(ward: Ward) -> None:
    """Suspended for 15 minutes: not offered, but before those who came later when back."""
    await ward.join("pat1")
    await ward.passes(10)
    await ward.join("pat2")
    assert await ward.pairing.patient_drop("pat1", "a", 1)
    assert (await ward.pairing.patient("pat2")).position == 1
    queue = await ward.pairing.queue(["general"], ["es"])
    assert [entry.suspended for entry in queue.entries] == [True, False]
    assert queue.waiting == 1
    await ward.passes(899_000)
    await ward.pairing.patient_attach("pat1", "b")
    assert (await ward.pairing.patient("pat1")).position == 1
    await ward.pairing.patient_drop("pat1", "b", 2)
    await ward.passes(900_000)
    assert (await ward.visit("pat1")).ended == "lost"


async def test_a_patient_lost_while_ringing_gives_the_nurse_her_turn_back(ward: Ward) -> None:
    """The offer is withdrawn; she is still the one idle longest."""
    await ward.join("pat")
    await ward.online("nur1")
    await ward.passes(10)
    await ward.online("nur2")
    await ward.pairing.patient_drop("pat", "a", 1)
    assert (await ward.nurse("nur1")).state == "idle"
    await ward.join("pat2")
    assert (await ward.visit("pat2")).nurse == "nur1"


async def test_an_older_connection_cannot_drop_a_newer_one(ward: Ward) -> None:
    """What the old socket's process says late is ignored."""
    await ward.join("pat")
    await ward.pairing.patient_attach("pat", "b")
    assert not await ward.pairing.patient_drop("pat", "a", 1)
    assert not await ward.pairing.patient_drop("pat", "b", 1)
    assert (await ward.visit("pat")).state == "waiting"
    assert await ward.pairing.patient_drop("pat", "b", 2)


async def test_no_media_within_30_s_tries_another_nurse(ward: Ward) -> None:
    """The patient goes to the head of the line, and not to the same nurse at once."""
    await ward.accepted()
    await ward.join("other")
    await ward.passes(30_000)
    assert (await ward.visit("pat")).state == "waiting"
    assert (await ward.pairing.patient("pat")).position == 1
    assert (await ward.visit("other")).nurse == "nur"
    await ward.online("nur2")
    assert (await ward.visit("pat")).nurse == "nur2"


async def test_a_patient_lost_in_a_call_keeps_the_seat_for_15_minutes(ward: Ward) -> None:
    """Then the visit is lost and the nurse goes to the wrap-up; she may end it before."""
    generation = await ward.connected()
    await ward.pairing.patient_drop("pat", "a", 1)
    why = (await ward.visit("pat")).interrupted
    assert why is not None
    assert (why.who, why.by_choice, why.until_ms - why.since_ms) == ("patient", False, 900_000)
    await ward.passes(899_999)
    assert (await ward.nurse("nur")).state == "busy"
    await ward.passes(1)
    assert (await ward.visit("pat")).ended == "lost"
    assert (await ward.nurse("nur")).state == "wrapup"
    generation = await ward.connected("pat2", "nur2")
    await ward.pairing.patient_drop("pat2", "a", 1)
    assert await ward.pairing.end("nur2", generation)
    assert (await ward.visit("pat2")).ended == "done"


async def test_a_nurse_lost_in_a_call_gives_the_patient_to_another_after_a_minute(ward: Ward) -> None:
    """The patient is first in line, this nurse preferred; she is off shift."""
    await ward.connected()
    await ward.join("other")
    await ward.pairing.nurse_drop("nur", "a", 1)
    why = (await ward.visit("pat")).interrupted
    assert why is not None
    assert (why.who, why.until_ms - why.since_ms) == ("nurse", 60_000)
    await ward.passes(60_000)
    assert (await ward.pairing.patient("pat")).position == 1
    assert (await ward.nurse("nur")).state == "offline"
    await ward.online("nur")
    visit = await ward.visit("pat")
    assert (visit.state, visit.visit) == ("offered", "vpat")


async def test_a_nurse_who_comes_back_in_time_goes_on(ward: Ward) -> None:
    """Within the minute the call resumes, and it still began when it began."""
    await ward.connected()
    await ward.pairing.nurse_drop("nur", "a", 1)
    await ward.passes(59_000)
    await ward.pairing.nurse_attach("nur", "b")
    visit = await ward.visit("pat")
    assert (visit.state, visit.connected_at_ms) == ("in_call", START_MS)


async def test_when_both_are_lost_the_patient_keeps_the_place(ward: Ward) -> None:
    """After a minute the nurse is off shift, after 15 more the visit is lost."""
    await ward.connected()
    await ward.pairing.nurse_drop("nur", "a", 1)
    await ward.pairing.patient_drop("pat", "a", 1)
    why = (await ward.visit("pat")).interrupted
    assert why is not None
    assert why.who == "both"
    await ward.passes(60_000)
    assert ((await ward.visit("pat")).state, (await ward.nurse("nur")).state) == ("suspended", "offline")
    await ward.passes(900_000)
    assert (await ward.visit("pat")).ended == "lost"


async def test_media_lost_and_found(ward: Ward) -> None:
    """Without anybody's socket being lost the call is interrupted and resumes by itself."""
    await ward.connected()
    await ward.media("pat", True, False)
    why = (await ward.visit("pat")).interrupted
    assert why is not None
    assert why.who == "nurse"
    await ward.media("pat", False, False)
    why = (await ward.visit("pat")).interrupted
    assert why is not None
    assert why.who == "both"
    await ward.media("pat", True, True)
    assert (await ward.visit("pat")).state == "in_call"


async def test_a_nurse_without_media_for_15_minutes_is_away(ward: Ward) -> None:
    """It was not the patient's fault: the patient is first in line."""
    await ward.connected()
    await ward.media("pat", True, False)
    await ward.passes(900_000)
    assert ((await ward.visit("pat")).state, (await ward.nurse("nur")).state) == ("waiting", "away")


async def test_what_an_old_leg_does_changes_nothing(ward: Ward) -> None:
    """An event of a leg that has been given up is ignored; giving it up twice gives one new leg."""
    await ward.connected()
    first = await ward.pairing.new_leg("p", "pat", 1)
    again = await ward.pairing.new_leg("p", "pat", 1)
    assert first == again
    assert first is not None
    assert first.epoch == 2
    assert (await ward.visit("pat")).state == "interrupted"
    await ward.pairing.media("pat", "vpat", LegMedia(1, up=True))
    assert (await ward.visit("pat")).state == "interrupted"
    await ward.pairing.media("pat", "other", LegMedia(2, up=True))
    assert (await ward.visit("pat")).state == "interrupted"
    await ward.pairing.media("pat", "vpat", LegMedia(2, up=True))
    assert (await ward.visit("pat")).state == "in_call"


async def test_away_by_choice(ward: Ward) -> None:
    """It is not undone by a socket that comes back, only by the patient; the seat is held for 15 minutes."""
    generation = await ward.connected()
    assert not await ward.pairing.patient_away("pat", generation + 1)
    assert await ward.pairing.patient_away("pat", generation)
    await ward.pairing.patient_attach("pat", "a")
    await ward.media("pat", True, True)
    why = (await ward.visit("pat")).interrupted
    assert why is not None
    assert (why.who, why.by_choice) == ("patient", True)
    await ward.pairing.patient_return("pat")
    await ward.media("pat", True, True)
    assert (await ward.visit("pat")).state == "in_call"
    await ward.pairing.patient_away("pat", generation)
    await ward.passes(900_000)
    assert (await ward.visit("pat")).ended == "lost"


async def test_the_wrapup_ends_by_itself(ward: Ward) -> None:
    """After two minutes, or four with more time asked for twice in a row, she is idle."""
    generation = await ward.connected()
    await ward.passes(5_000)
    await ward.pairing.end("nur", generation)
    wrapup = (await ward.nurse("nur")).wrapup
    assert wrapup is not None
    assert (wrapup.visit, wrapup.duration_ms, wrapup.ended) == ("vpat", 5_000, "done")
    assert await ward.pairing.extend("nur")
    assert await ward.pairing.extend("nur")
    await ward.passes(239_999)
    assert (await ward.nurse("nur")).state == "wrapup"
    await ward.passes(1)
    assert (await ward.nurse("nur")).state == "idle"
    assert not await ward.pairing.extend("nur")
    assert await ward.pairing.may_write("nur", "vpat")
    assert await ward.pairing.wrapup_done("nur", "vpat", available=False)
    assert (await ward.nurse("nur")).state == "idle"


async def test_breaks_and_shifts(ward: Ward) -> None:
    """Neither during an offer or a visit; a break is kept when the link is lost, for a while."""
    await ward.online("nur")
    assert await ward.pairing.nurse_break("nur")
    await ward.join("pat")
    nurse = await ward.nurse("nur")
    assert (nurse.state, nurse.away_reason) == ("away", "break")
    await ward.pairing.nurse_drop("nur", "a", 1)
    await ward.passes(899_999)
    assert (await ward.nurse("nur")).state == "away"
    await ward.passes(1)
    assert (await ward.nurse("nur")).state == "offline"
    assert await ward.online("nur") == "offered"
    assert not await ward.pairing.nurse_break("nur")
    assert not await ward.pairing.nurse_offline("nur")
    await ward.pairing.patient_leave("pat")
    assert await ward.pairing.nurse_offline("nur")
    assert not await ward.pairing.nurse_break("nur")


async def test_a_dead_process_is_reaped_in_slices_and_leaves_nothing(ward: Ward) -> None:
    """Its people count as lost, and what concerns them later does not bring its stream back to life."""
    await ward.pairing.beat("dead", 1000)
    assert not await ward.pairing.beat("dead", 1000)
    for number in range(10):
        await ward.pairing.join(f"pat{number}", "dead", visit=f"v{number}")
    await ward.passes(1000)
    assert {(await ward.visit(f"pat{number}")).state for number in range(10)} == {"suspended"}
    await ward.passes(900_000)
    keys = await ward.client.keys("*dead*")
    assert keys == []
    assert await ward.pairing.beat("dead", 1000)


async def test_a_process_without_a_lease_counts_nobody_out(ward: Ward) -> None:
    """After an outage each beats before it reaps; then what is due is done."""
    for process in ("a", "b"):
        await ward.pairing.beat(process, 1000)
    await ward.join("pat")
    ward.now_ms += 1000
    assert await ward.pairing.tick(10, "b") == -1
    assert (await ward.visit("pat")).state == "waiting"
    await ward.pairing.beat("b", 1000)
    assert await ward.pairing.tick(10, "b") == 1
    assert (await ward.visit("pat")).state == "suspended"


async def test_everything_of_an_ended_visit_goes_away(ward: Ward) -> None:
    """What is left after an end has an end itself, except counters, the audit stream and leases."""
    generation = await ward.connected()
    await ward.pairing.chat("p", "pat", "line-0001", "hola")
    await ward.pairing.end("nur", generation)
    await ward.passes(120_000)
    assert await ward.pairing.nurse_offline("nur")
    left = {key for key in await ward.client.keys("*") if await ward.client.ttl(key) == -1}
    assert {key.removeprefix(ward.pairing.prefix) for key in left} <= {"ev", "seq", "qv", "out:a"}


async def test_chat_is_bounded_and_written_once(ward: Ward) -> None:
    """200 lines are shown, the same id of the same person counts once, and only those in the call write."""
    assert await ward.pairing.chat("p", "pat", "line-0001", "hola") == "no_call"
    await ward.connected()
    for number in range(205):
        assert await ward.pairing.chat("n", "nur", f"line-{number:04}", f"línea | {number}") == "written"
    assert await ward.pairing.chat("n", "nur", "line-0204", "otra vez") == "written"
    assert await ward.pairing.chat("p", "pat", "line-0204", "yo") == "written"
    chat = (await ward.visit("pat")).chat
    assert len(chat) == 200
    assert [(line.sender, line.text) for line in chat[-2:]] == [("nurse", "línea | 204"), ("patient", "yo")]
    await ward.client.hset(ward.pairing.prefix + "ci:vpat", mapping={f"n:{n}": "1" for n in range(2000)})
    assert await ward.pairing.chat("n", "nur", "one-more", "x") == "full"


async def test_a_store_that_forgot_the_script_is_told_again(ward: Ward) -> None:
    """After a restart of the store the script is sent once more."""
    await ward.join("pat")
    await ward.client.script_flush()
    assert (await ward.visit("pat")).state == "waiting"


async def test_snapshot_numbers_go_on_from_what_was_seen(ward: Ward) -> None:
    """Also when the store has lost them; never backwards."""
    assert (await ward.pairing.patient("pat")).seq == 1
    await ward.pairing.seen("p", "pat", 41)
    await ward.pairing.seen("p", "pat", 7)
    assert (await ward.pairing.patient("pat")).seq == 42


async def test_the_queue_of_several_buckets_counts_people_once(ward: Ward) -> None:
    """One who speaks two languages stands in two lines and is one person."""
    for number in range(30):
        await ward.join(f"pat{number:02}", languages=["es", "en"], reason=f"r{number}")
        ward.now_ms += 10
    queue = await ward.pairing.queue(["general"], ["es", "en"], limit=20)
    assert (queue.waiting, len(queue.entries)) == (30, 20)
    assert [entry.reason for entry in queue.entries[:2]] == ["r0", "r1"]
    assert (await ward.pairing.queue(["general"], ["es"], limit=20)).waiting == 30


@pytest.mark.parametrize("wrong", [0, -1, 10**9])
def test_a_deadline_must_be_one(wrong: int) -> None:
    """Neither at once nor never."""
    with pytest.raises(ValueError, match="offer_ms"):
        Deadlines(offer_ms=wrong)
