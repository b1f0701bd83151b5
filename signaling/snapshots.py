"""Snapshots made from what is known. Pure: no I/O, the same input gives the same snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from media.control import Whose
from signaling.ports import Person
from signaling.protocol import (
    CallView,
    ChatLine,
    Ended,
    Interruption,
    LegView,
    OfferCard,
    PatientCard,
    PatientSnapshot,
    QueuePlace,
    QueueView,
    SlotView,
    StaffCard,
    StaffSnapshot,
    WaitingEntry,
    WrapupView,
)
from signaling.protocol_media import LimitsView, LinkTestView, MediaState, RungView, StillView
from signaling.records import Interrupted, Line, NurseView, PatientView, Queue, Sending, Still, Visit

MIRRORED: dict[Whose, Whose] = {"own": "other", "other": "own", "none": "none"}


def staff_card(person: Person | None) -> StaffCard:
    """How a nurse is shown to a patient."""
    if person is None:
        return StaffCard(name="", title="", licence="")
    return StaffCard(name=person.name, title=person.title, licence=person.licence)


def patient_card(person: Person | None, languages: Sequence[str], reason: str) -> PatientCard:
    """How a patient is shown to the nurse who has accepted."""
    return PatientCard(
        name=person.name if person else "",
        age_years=person.age_years if person else None,
        languages=list(languages),
        reason=reason,
    )


def media_state(text: str) -> MediaState | None:
    """What a page said it sends; None when it has said nothing."""
    return MediaState.model_validate_json(text) if text else None


def chat_view(line: Line) -> ChatLine:
    """A chat line as it is sent."""
    return ChatLine(id=line.id, sender=line.sender, text=line.text, at_ms=line.at_ms)


def queue_view(queue: Queue, now_ms: int) -> QueueView:
    """The queue as it is sent."""
    entries = [
        WaitingEntry(
            waited_ms=max(0, now_ms - entry.joined_at_ms),
            languages=list(entry.languages),
            reason=entry.reason,
            suspended=entry.suspended,
        )
        for entry in queue.entries
    ]
    waiting = [entry.waited_ms for entry in entries if not entry.suspended]
    return QueueView(waiting=queue.waiting, oldest_ms=max(waiting, default=None), entries=entries)


def limits_view(text: str) -> LimitsView | None:
    """What a page is to send; None when the relay has not said it yet."""
    return LimitsView.model_validate_json(text) if text else None


def link_view(text: str) -> LinkTestView | None:
    """What a link will carry; None when nothing is known of it."""
    return LinkTestView.model_validate_json(text) if text else None


def rung_view(sending: Sending | None) -> RungView | None:
    """What one side sends, as the other side sees it."""
    if sending is None:
        return None
    return RungView(rung=sending.rung, why=sending.why, whose=MIRRORED[sending.whose])


def still_view(still: Still) -> StillView:
    """A still as it is sent."""
    return StillView(
        id=still.id,
        type=still.type,
        bytes=still.bytes,
        width=still.width,
        height=still.height,
        kind=still.kind,
        have=still.have,
        at_ms=still.at_ms,
    )


@dataclass(frozen=True, slots=True)
class _Other:
    """What one side of a call is shown of the other."""

    media: str
    bars: int | None
    sending: Sending | None
    stills: Sequence[Still]


def _call(visit: Visit, slots: list[SlotView], other: _Other, limits: str) -> CallView | None:
    if not visit.accepted or visit.accepted_at_ms is None:
        return None
    return CallView(
        accepted_at_ms=visit.accepted_at_ms,
        started_at_ms=visit.connected_at_ms,
        slots=slots,
        peer_media=media_state(other.media),
        peer_bars=other.bars,
        sends=limits_view(limits),
        receives=rung_view(other.sending),
        stills=[still_view(still) for still in other.stills],
        interruption=_interruption(visit.interrupted),
        chat=[chat_view(line) for line in visit.chat],
    )


def _interruption(why: Interrupted | None) -> Interruption | None:
    if why is None:
        return None
    return Interruption(who=why.who, by_choice=why.by_choice, since_ms=why.since_ms, until_ms=why.until_ms)


def _ended(visit: Visit) -> Ended | None:
    if visit.ended is None or visit.ended_at_ms is None:
        return None
    return Ended(reason=visit.ended, at_ms=visit.ended_at_ms)


def patient_snapshot(
    view: PatientView, me: Person, nurse: Person | None, leg: LegView | None, slots: list[SlotView]
) -> PatientSnapshot:
    """Everything the patient's page needs. The nurse has a name from when she has accepted, also after the end."""
    visit = view.visit
    if visit is None:
        return PatientSnapshot(
            seq=view.seq,
            server_time_ms=view.now_ms,
            state="new",
            name=me.name,
            visit=None,
            generation=0,
            joined_at_ms=None,
            queue=None,
            nurse=None,
            leg=None,
            call=None,
            ended=None,
        )
    other = _Other(view.nurse_media, view.nurse_bars, view.nurse_rung, view.stills)
    return PatientSnapshot(
        seq=view.seq,
        server_time_ms=view.now_ms,
        state=visit.state,
        name=me.name,
        visit=visit.visit,
        generation=visit.generation,
        joined_at_ms=visit.joined_at_ms,
        queue=QueuePlace(position=view.position, waiting=view.waiting) if view.position is not None else None,
        nurse=staff_card(nurse) if visit.accepted or visit.attended_by else None,
        leg=leg,
        link=link_view(visit.patient_link),
        call=_call(visit, slots, other, visit.patient_limits),
        ended=_ended(visit),
    )


def staff_snapshot(
    view: NurseView,
    me: Person,
    patient: Person | None,
    wrapped: Person | None,
    leg: LegView | None,
    slots: list[SlotView],
    queue: Queue,
    ring_ms: int,
) -> StaffSnapshot:
    """Everything the nurse's page needs.

    Args:
        view: of the store.
        me: the nurse.
        patient: who is offered or attended.
        wrapped: who was attended last.
        leg: of this page.
        slots: in which the patient is heard and seen.
        queue: of the nurse's skills and languages.
        ring_ms: how long an offer rings.
    """
    visit = view.visit
    call_state = visit.state if visit and visit.accepted else None
    other = _Other(visit.patient_media, visit.patient_bars, visit.patient_rung, view.stills) if visit else None
    return StaffSnapshot(
        seq=view.seq,
        server_time_ms=view.now_ms,
        state=view.state,
        state_since_ms=view.since_ms or view.now_ms,
        away_reason=view.away_reason if view.state == "away" else None,
        call_state=call_state,  # type: ignore[arg-type]  # `accepted` is just these three
        me=staff_card(me),
        generation=view.generation,
        visit=visit.visit if visit else None,
        offer=_offer(view, patient, ring_ms),
        patient=patient_card(patient, visit.languages, visit.reason) if visit and visit.accepted else None,
        link=link_view(visit.patient_link) if visit and visit.accepted else None,
        leg=leg,
        call=_call(visit, slots, other, view.limits) if visit and other else None,
        wrapup=_wrapup(view, wrapped),
        queue=queue_view(queue, view.now_ms),
    )


def _offer(view: NurseView, patient: Person | None, ring_ms: int) -> OfferCard | None:
    visit = view.visit
    if view.state != "offered" or visit is None or visit.rings_until_ms is None:
        return None
    return OfferCard(
        generation=visit.generation,
        given_name=patient.given_name if patient else "",
        age_years=patient.age_years if patient else None,
        reason=visit.reason,
        languages=list(visit.languages),
        waited_ms=max(0, view.now_ms - visit.joined_at_ms),
        bars=visit.patient_bars,
        link=link_view(visit.patient_link),
        rings_until_ms=visit.rings_until_ms,
        ring_ms=ring_ms,
    )


def _wrapup(view: NurseView, patient: Person | None) -> WrapupView | None:
    wrapup = view.wrapup
    if view.state != "wrapup" or wrapup is None:
        return None
    return WrapupView(
        visit=wrapup.visit,
        patient=patient_card(patient, wrapup.languages, wrapup.reason),
        duration_ms=wrapup.duration_ms,
        until_ms=wrapup.until_ms or view.now_ms,
        ended=Ended(reason=wrapup.ended, at_ms=wrapup.ended_at_ms),
    )
