"""The waiting room: a typed client of the script in `waiting_room/`, in which every transition is one atomic call."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from redis.asyncio import Redis

from signaling.deadlines import Deadlines
from signaling.records import NurseView, PatientView, Queue, Waiting, nurse_view, patient_view
from signaling.script import Script
from signaling.values import whole

Side = Literal["p", "n"]
"""Of a visit: the patient's or the nurse's. Also the letter in the names of legs."""


def server_clock() -> int:
    """The time that means *ask the server*: the script then uses Redis' own clock."""
    return 0


def bucket_language(tag: str) -> str:
    """The language by which people are matched: the primary subtag, so that `es-MX` and `es` meet."""
    return tag.split("-", 1)[0].lower()


def _csv(values: Sequence[str]) -> str:
    return ",".join(dict.fromkeys(values))


@dataclass(frozen=True, slots=True)
class Attached:
    """A person bound to this process. `connection` fences what an older connection of the person still does."""

    state: str
    visit: str
    connection: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """The visit a nurse has taken; `again` when she had taken it before."""

    patient: str
    again: bool


@dataclass(frozen=True, slots=True)
class LegEpoch:
    """Which leg a person is to use now."""

    visit: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Call:
    """An accepted visit and the legs of its two sides."""

    patient: str
    visit: str
    patient_epoch: int
    nurse_epoch: int
    patient_away: bool


@dataclass(frozen=True, slots=True)
class LegMedia:
    """Whether the media of a leg flow."""

    epoch: int
    up: bool


class Pairing:
    """The operations of the waiting room of one programme.

    Args:
        client: a Redis that decodes to text.
        programme: tenant; its keys share one cluster slot.
        deadlines: how long states last.
        clock: Unix ms; 0 means the server's own clock, which is right wherever there are several processes.

    Every method raises `redis.exceptions.RedisError` when the store does not answer; calling again is safe.
    """

    def __init__(
        self, client: Redis, programme: str, deadlines: Deadlines, clock: Callable[[], int] = server_clock
    ) -> None:
        self.script = Script(client, programme, deadlines, clock)
        self.prefix = self.script.prefix
        self.deadlines = deadlines
        self._client = client
        self._run = self.script.run

    # --- Processes and time

    async def beat(self, process: str, lease_ms: int) -> bool:
        """Keep the lease of a process. True when it had none (any more): its people count as lost by now."""
        return await self._run("beat", process, str(lease_ms)) == 1

    async def bye(self, process: str, grace_ms: int) -> None:
        """Let the lease run out in `grace_ms`, so that people connect elsewhere before they count as lost."""
        await self._run("bye", process, str(grace_ms))

    async def tick(self, limit: int = 100, process: str = "") -> int:
        """Do what is due, at most about `limit` things; return how many were done.

        -1, and nothing done, when the lease of the asking `process` has itself run out: it must beat first.
        """
        return whole(await self._run("tick", str(limit), process))

    # --- Patients

    async def join(
        self,
        patient: str,
        process: str,
        *,
        visit: str,
        skill: str = "general",
        languages: Sequence[str] = ("es",),
        reason: str = "",
        boost_ms: int = 0,
        preferred: str = "",
        data: Mapping[str, str] | None = None,
    ) -> Attached:
        """Enter the waiting room as `visit`; one who is in it already keeps the standing visit.

        `boost_ms` is how much earlier the patient counts as having come. `data` goes to the journal.
        """
        answer = await self._run(
            "p_join",
            patient,
            process,
            visit,
            skill,
            _csv([bucket_language(tag) for tag in languages]),
            _csv(languages),
            str(boost_ms),
            preferred,
            reason,
            json.dumps(dict(data or {}), ensure_ascii=False),
        )
        return _attached(answer)

    async def patient_attach(self, patient: str, process: str) -> Attached:
        """The patient is connected to this process (again). State `` when there is no visit."""
        return _attached(await self._run("p_attach", patient, process))

    async def patient_drop(self, patient: str, process: str, connection: int) -> bool:
        """The link of the patient is lost, unless another connection has taken over."""
        return await self._run("p_drop", patient, process, str(connection)) == 1

    async def patient_away(self, patient: str, generation: int) -> bool:
        """The patient leaves the call for now. False when it is not this call."""
        return await self._run("p_away", patient, str(generation)) == 1

    async def patient_return(self, patient: str) -> None:
        """The patient who had left for now is back."""
        await self._run("p_return", patient)

    async def patient_leave(self, patient: str) -> bool:
        """The patient gives the visit up. False when there is none."""
        return await self._run("p_leave", patient) == 1

    # --- Nurses

    async def nurse_online(
        self, nurse: str, process: str, *, skills: Sequence[str], languages: Sequence[str]
    ) -> Attached:
        """Ready for offers."""
        langs = _csv([bucket_language(tag) for tag in languages])
        return _attached(await self._run("n_online", nurse, process, _csv(skills), langs))

    async def nurse_attach(self, nurse: str, process: str) -> Attached:
        """The nurse is connected to this process (again)."""
        return _attached(await self._run("n_attach", nurse, process))

    async def nurse_drop(self, nurse: str, process: str, connection: int) -> bool:
        """The link of the nurse is lost, unless another connection has taken over."""
        return await self._run("n_drop", nurse, process, str(connection)) == 1

    async def nurse_break(self, nurse: str) -> bool:
        """No offers for now. False during an offer or a visit."""
        return await self._run("n_break", nurse) == 1

    async def nurse_offline(self, nurse: str) -> bool:
        """Off shift. False during an offer or a visit."""
        return await self._run("n_offline", nurse) == 1

    async def accept(self, nurse: str, generation: int) -> Accepted | None:
        """Take the offered visit. None when that offer is no longer hers."""
        patient, how = cast(list[str], await self._run("n_accept", nurse, str(generation)))
        return Accepted(patient, how == "again") if patient else None

    async def decline(self, nurse: str, generation: int) -> bool:
        """Not this one, now. False when that offer is no longer hers."""
        return await self._run("n_decline", nurse, str(generation)) == 1

    async def end(self, nurse: str, generation: int) -> bool:
        """End the visit. False when it is not her visit now."""
        return await self._run("n_end", nurse, str(generation)) == 1

    async def extend(self, nurse: str) -> bool:
        """More time for the wrap-up. False when there is none."""
        return await self._run("n_extend", nurse) == 1

    async def may_write(self, nurse: str, visit: str) -> bool:
        """Whether this is the visit the nurse attended last."""
        return await self._run("n_wrote", nurse, visit) == 1

    async def wrapup_done(self, nurse: str, visit: str, available: bool) -> bool:
        """The wrap-up is written. False when it is not her visit; done already is done."""
        return whole(await self._run("n_done", nurse, visit, "1" if available else "0")) > 0

    # --- Media

    async def new_leg(self, side: Side, person: str, given_up: int) -> LegEpoch | None:
        """Give up the leg with that epoch for a new one. Asking twice gives the same one. None without a visit."""
        visit, epoch = cast(list[str], await self._run("leg_new", side, person, str(given_up)))
        return LegEpoch(visit, int(epoch)) if visit else None

    async def media(
        self, patient: str, visit: str, of_patient: LegMedia | None = None, of_nurse: LegMedia | None = None
    ) -> None:
        """What the relay says of the legs; both up makes a call, one down interrupts it. Old epochs are ignored."""
        flags: list[str] = []
        for leg in (of_patient, of_nurse):
            flags += ["", ""] if leg is None else [str(leg.epoch), "1" if leg.up else "0"]
        await self._run("media", patient, visit, *flags)

    async def call_of(self, side: Side, person: str) -> Call | None:
        """The accepted visit this person is in."""
        patient, visit, patient_epoch, nurse_epoch, away = cast(list[str], await self._run("call_of", side, person))
        if not patient:
            return None
        return Call(patient, visit, int(patient_epoch), int(nurse_epoch), away == "1")

    async def note(self, side: Side, person: str, what: Literal["ms", "b"], value: str) -> None:
        """Remember the media state (`ms`) or link bars (`b`) of a person and tell the other side of the call."""
        await self._run("note", side, person, what, value)

    async def limits(self, side: Side, person: str, epoch: int, limits: str, rung: str) -> bool:
        """Remember what a person is to send (JSON of a `protocol.LimitsView`) and its `rung`, as `rung:why:whose`; a
        new rung is told to the other side and written into the journal. False when that leg is not in use any more."""
        return await self._run("limits", side, person, str(epoch), limits, rung) == 1

    async def link(self, patient: str, epoch: int, link: str) -> bool:
        """Remember what the patient's link will carry (JSON of a `protocol.LinkTestView`). True when that is news."""
        return await self._run("link", patient, str(epoch), link) == 1

    async def chat(self, side: Side, person: str, line_id: str, text: str) -> Literal["written", "no_call", "full"]:
        """Write a chat line into the visit this person is in; the same id is written once."""
        answer = await self._run("chat", side, person, line_id, json.dumps(text, ensure_ascii=False))
        return "written" if answer == 1 else "full" if answer == -1 else "no_call"

    # --- Views

    async def seen(self, side: Side, person: str, seq: int) -> None:
        """Snapshot numbers of this person go on from `seq`, even when the store has forgotten them."""
        await self._run("seen", side, person, str(seq))

    async def patient(self, patient: str) -> PatientView:
        """Everything about a patient and the visit, at one instant; takes the next snapshot number."""
        return patient_view(cast(list[object], await self._run("p_view", patient)))

    async def nurse(self, nurse: str) -> NurseView:
        """Everything about a nurse and the visit, at one instant; takes the next snapshot number."""
        return nurse_view(cast(list[object], await self._run("n_view", nurse)))

    async def queue(self, skills: Sequence[str], languages: Sequence[str], limit: int = 20) -> Queue:
        """Who waits for one of these skills in one of these languages."""
        langs = _csv([bucket_language(tag) for tag in languages])
        rows = cast(list[object], await self._run("q_view", _csv(skills), langs, str(limit)))
        entries = []
        for row in rows[1:]:
            joined, said, reason, suspended = cast(list[str], row)
            entries.append(Waiting(whole(joined), tuple(said.split(",")), reason, suspended == "1"))
        return Queue(whole(rows[0]), tuple(entries))

    async def queue_version(self) -> str:
        """Changes whenever somebody enters or leaves a line."""
        return str(await self._client.get(self.prefix + "qv"))

    async def line(self, skill: str, language: str, limit: int) -> list[str]:
        """The patients of one bucket in their order, at most `limit`."""
        key = f"{self.prefix}w:{skill}:{language}"
        return cast(list[str], await self._client.zrange(key, 0, limit - 1))


def _attached(answer: object) -> Attached:
    state, visit, connection = cast(list[str], answer)
    return Attached(state, visit, int(connection))
