"""Patients, nurses and visits as the pairing script keeps them, parsed once at the border."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from media.control import Whose, Why
from signaling.protocol import PatientState, StaffState
from signaling.protocol_media import StillKind, StillType
from signaling.values import pairs, whole, whole_or_none

SIDES: dict[str, Literal["patient", "nurse"]] = {"p": "patient", "n": "nurse"}


@dataclass(frozen=True, slots=True)
class Line:
    """A chat line."""

    at_ms: int
    sender: Literal["patient", "nurse"]
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Why an accepted visit is not in call."""

    who: Literal["patient", "nurse", "both"]
    by_choice: bool
    since_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Sending:
    """The rung of what a side sends; `whose` as that side sees it."""

    rung: int
    why: Why
    whose: Whose


@dataclass(frozen=True, slots=True)
class Still:
    """A still as the store tells of it."""

    id: str
    type: StillType
    width: int
    height: int
    kind: StillKind
    bytes: int
    have: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Visit:
    """A patient's visit. Times in Unix ms."""

    patient: str
    visit: str
    state: PatientState
    generation: int
    nurse: str
    reason: str
    languages: tuple[str, ...]
    joined_at_ms: int
    accepted_at_ms: int | None
    connected_at_ms: int | None
    interrupted: Interrupted | None
    patient_away: bool
    rings_until_ms: int | None
    ended: Literal["done", "left", "lost"] | None
    ended_at_ms: int | None
    attended_by: str | None
    """Once ended: the nurse who was with the patient, None when nobody was."""
    skill: str
    buckets: tuple[str, ...]
    patient_epoch: int
    nurse_epoch: int
    patient_media: str
    """JSON of a `protocol.MediaState`, or empty."""
    patient_bars: int | None
    patient_limits: str
    """JSON of a `protocol.LimitsView`, or empty."""
    patient_rung: Sending | None
    patient_link: str
    """JSON of a `protocol.LinkTestView`, or empty."""
    chat: tuple[Line, ...]

    @property
    def accepted(self) -> bool:
        """Whether patient and nurse are together, connected or not."""
        return self.state in ("connecting", "in_call", "interrupted")


@dataclass(frozen=True, slots=True)
class PatientView:
    """What a patient's snapshot is made from."""

    seq: int
    now_ms: int
    visit: Visit | None
    position: int | None
    waiting: int
    nurse_media: str
    nurse_bars: int | None
    nurse_rung: Sending | None
    stills: tuple[Still, ...]
    """The nurse's."""


@dataclass(frozen=True, slots=True)
class Wrapup:
    """The visit a nurse attended last."""

    visit: str
    patient: str
    duration_ms: int
    until_ms: int | None
    ended: Literal["done", "left", "lost"]
    ended_at_ms: int
    languages: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class NurseView:
    """What a nurse's snapshot is made from."""

    seq: int
    now_ms: int
    state: StaffState
    since_ms: int | None
    away_reason: Literal["break", "no_answer"] | None
    generation: int
    visit: Visit | None
    wrapup: Wrapup | None
    limits: str
    """JSON of a `protocol.LimitsView`, or empty."""
    stills: tuple[Still, ...]
    """The patient's."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One who waits, without a name."""

    joined_at_ms: int
    languages: tuple[str, ...]
    reason: str
    suspended: bool


@dataclass(frozen=True, slots=True)
class Queue:
    """How many wait, and the oldest of them."""

    waiting: int
    entries: tuple[Waiting, ...]


def chat_line(text: str) -> Line:
    """Parse a line as the script writes it: time, side, id, JSON of the text."""
    at, side, line_id, body = text.split(" ", 3)
    return Line(whole(at), SIDES[side], line_id, str(json.loads(body)))


def sending(text: str) -> Sending | None:
    """Parse `rung:why:whose`; None when nothing is known."""
    if not text:
        return None
    rung, why, whose = text.split(":")
    return Sending(whole(rung), cast(Why, why), cast(Whose, whose))


def still(text: str) -> Still:
    """Parse a still as the script writes it: id, type, width, height, kind, bytes, how many there are, since when."""
    still_id, kind_of_file, width, height, kind, size, have, at = text.split(" ")
    return Still(
        id=still_id,
        type=cast(StillType, kind_of_file),
        width=whole(width),
        height=whole(height),
        kind=cast(StillKind, kind),
        bytes=whole(size),
        have=whole(have),
        at_ms=whole(at),
    )


def _many(csv: str) -> tuple[str, ...]:
    return tuple(part for part in csv.split(",") if part)


def _visit(fields: Mapping[str, str], patient: str, times: list[str], lines: list[str]) -> Visit:
    rings, interrupted_until, nurse_lost_until = (whole_or_none(time) for time in times)
    state = cast(PatientState, fields["st"])
    interrupted = None
    if state == "interrupted":
        since = whole(fields["it"])
        interrupted = Interrupted(
            who=cast(Literal["patient", "nurse", "both"], fields["who"]),
            by_choice=fields.get("bc") == "1",
            since_ms=since,
            until_ms=nurse_lost_until or interrupted_until or since,
        )
    return Visit(
        patient=patient,
        visit=fields["v"],
        state=state,
        generation=whole(fields["g"]),
        nurse=fields.get("nu", ""),
        reason=fields.get("rs", ""),
        languages=_many(fields.get("lf", "")),
        joined_at_ms=whole(fields["jt"]),
        accepted_at_ms=whole_or_none(fields.get("at")),
        connected_at_ms=whole_or_none(fields.get("up")),
        interrupted=interrupted,
        patient_away=fields.get("bc") == "1",
        rings_until_ms=rings,
        ended=cast(Literal["done", "left", "lost"], fields["why"]) if state == "ended" else None,
        ended_at_ms=whole_or_none(fields.get("et")),
        attended_by=fields.get("by") or None,
        skill=fields["sk"],
        buckets=_many(fields["la"]),
        patient_epoch=whole(fields["pe"]),
        nurse_epoch=whole(fields["ne"]),
        patient_media=fields.get("ms", ""),
        patient_bars=whole_or_none(fields.get("b")),
        patient_limits=fields.get("lm", ""),
        patient_rung=sending(fields.get("rg", "")),
        patient_link=fields.get("lt", ""),
        chat=tuple(chat_line(line) for line in lines),
    )


def patient_view(answer: list[object]) -> PatientView:
    """Parse what the operation `p_view` answers."""
    seq, now, patient, flat, times, place, lines, nurse, stills = answer
    fields = pairs(flat)
    if not fields:
        return PatientView(whole(seq), whole(now), None, None, 0, "", None, None, ())
    rank, waiting = cast(list[int], place)
    media, bars, rung = cast(list[str], nurse)
    return PatientView(
        seq=whole(seq),
        now_ms=whole(now),
        visit=_visit(fields, str(patient), cast(list[str], times), cast(list[str], lines)),
        position=rank + 1 if rank >= 0 else None,
        waiting=waiting,
        nurse_media=media,
        nurse_bars=whole_or_none(bars),
        nurse_rung=sending(rung),
        stills=tuple(still(text) for text in cast(list[str], stills)),
    )


def nurse_view(answer: list[object]) -> NurseView:
    """Parse what the operation `n_view` answers."""
    seq, now, flat, wrap_until, patient, visit, times, lines, stills = answer
    fields, of_visit = pairs(flat), pairs(visit)
    wrapup = None
    if fields.get("wv"):
        wrapup = Wrapup(
            visit=fields["wv"],
            patient=fields["wp"],
            duration_ms=whole(fields["wd"]),
            until_ms=whole_or_none(wrap_until),
            ended=cast(Literal["done", "left", "lost"], fields["wr"]),
            ended_at_ms=whole(fields["we"]),
            languages=_many(fields.get("wla", "")),
            reason=fields.get("wrs", ""),
        )
    return NurseView(
        seq=whole(seq),
        now_ms=whole(now),
        state=cast(StaffState, fields.get("st", "offline")),
        since_ms=whole_or_none(fields.get("ss")),
        away_reason=cast(Literal["break", "no_answer"] | None, fields.get("ar") or None),
        generation=whole(fields.get("g", "0")),
        visit=_visit(of_visit, str(patient), cast(list[str], times), cast(list[str], lines)) if of_visit else None,
        wrapup=wrapup,
        limits=fields.get("lm", ""),
        stills=tuple(still(text) for text in cast(list[str], stills)),
    )
