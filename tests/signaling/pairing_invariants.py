"""What must be true of the waiting room at every instant, and of its audit stream over all time."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

DUMP = """
local out = {}
for _, key in ipairs(redis.call('KEYS', KEYS[1] .. '*')) do
  local kind = redis.call('TYPE', key).ok
  local name = string.sub(key, #KEYS[1] + 1)
  if kind == 'hash' then out[#out + 1] = {name, kind, redis.call('HGETALL', key)}
  elseif kind == 'zset' then out[#out + 1] = {name, kind, redis.call('ZRANGE', key, 0, -1)}
  elseif kind == 'set' then out[#out + 1] = {name, kind, redis.call('SMEMBERS', key)} end
end
return out
"""

CALL = ("connecting", "in_call", "interrupted")


@dataclass
class Room:
    """The waiting room at one instant."""

    patients: dict[str, dict[str, str]]
    nurses: dict[str, dict[str, str]]
    sets: dict[str, set[str]]

    @classmethod
    async def at_this_instant(cls, client: Any, prefix: str) -> Room:
        """Read everything in one atomic script."""
        room = cls({}, {}, {})
        for name, kind, content in await client.eval(DUMP, 1, prefix):
            if kind == "hash" and name[:2] in ("p:", "n:"):
                fields = dict(zip(content[::2], content[1::2], strict=True))
                (room.patients if name[0] == "p" else room.nurses)[name[2:]] = fields
            elif kind != "hash":
                room.sets[name] = set(content)
        return room

    def fits(self, patient: str, nurse: str) -> bool:
        """Whether this nurse could be offered this patient."""
        p, n = self.patients[patient], self.nurses[nurse]
        if p["sk"] not in n["sk"].split(",") or nurse in p.get("dec", "").split(","):
            return False
        return bool(set(p["la"].split(",")) & set(n["la"].split(",")))

    def faults(self) -> list[str]:
        """Everything that should not be."""
        found = [*self._patients(), *self._nurses(), *self._strays()]
        for patient, p in self.patients.items():
            for nurse, n in self.nurses.items():
                if p["st"] == "waiting" and n["st"] == "idle" and self.fits(patient, nurse):
                    found.append(f"{patient} waits while {nurse} is idle")
        return found

    def _has(self, kind: str, person: str) -> bool:
        return f"{kind}|{person}" in self.sets.get("tm", set())

    def _patients(self) -> Iterable[str]:
        for patient, p in self.patients.items():
            state, nurse = p["st"], p.get("nu", "")
            n = self.nurses.get(nurse, {})
            buckets = [f"{p['sk']}:{language}" for language in p["la"].split(",")]
            waits = [patient in self.sets.get("w:" + bucket, ()) for bucket in buckets]
            suspended = [patient in self.sets.get("s:" + bucket, ()) for bucket in buckets]
            if state not in ("waiting", "offered", *CALL, "suspended", "ended"):
                yield f"{patient} is {state}"
            if set(waits) != {state == "waiting"} or set(suspended) != {state == "suspended"}:
                yield f"{patient} {state} is in the wrong buckets"
            if state in ("offered", *CALL):
                wanted = "offered" if state == "offered" else "busy"
                if (n.get("st"), n.get("pt"), n.get("g")) != (wanted, patient, p["g"]):
                    yield f"{patient} {state} and {nurse} do not agree"
            elif nurse:
                yield f"{patient} {state} has a nurse"
            timers = {"offered": "offer", "connecting": "conn", "suspended": "grace", "interrupted": "intr"}
            for timed, timer in timers.items():
                if self._has(timer, patient) != (state == timed):
                    yield f"{patient} {state}: timer {timer}"
            if self._has("nlost", patient) != (state == "interrupted" and n.get("cn") != "1"):
                yield f"{patient} {state}: timer nlost"
            if state in ("waiting", "offered", "connecting", "in_call") and p["cn"] != "1":
                yield f"{patient} {state} is not here"
            if state == "in_call" and (p["pm"], p["nm"], n["cn"], p.get("bc")) not in (
                ("1", "1", "1", ""),
                ("1", "1", "1", None),
            ):
                yield f"{patient} in call without media"
            if state == "ended" and p.get("why") not in ("done", "left", "lost"):
                yield f"{patient} ended without a reason"

    def _nurses(self) -> Iterable[str]:
        for nurse, n in self.nurses.items():
            state = n["st"]
            if state not in ("offline", "idle", "offered", "busy", "wrapup", "gone", "away"):
                yield f"{nurse} is {state}"
            buckets = [f"i:{s}:{language}" for s in n["sk"].split(",") for language in n["la"].split(",")]
            if {nurse in self.sets.get(bucket, ()) for bucket in buckets} != {state == "idle"}:
                yield f"{nurse} {state} is in the wrong buckets"
            if state in ("idle", "offered") and n["cn"] != "1":
                yield f"{nurse} {state} is not here"
            if state in ("offered", "busy"):
                if self.patients.get(n["pt"], {}).get("nu") != nurse:
                    yield f"{nurse} {state} has not her patient"
            elif n.get("pt"):
                yield f"{nurse} {state} has a patient"
            if self._has("wrap", nurse) != (state == "wrapup"):
                yield f"{nurse} {state}: timer wrap"
            if self._has("ngone", nurse) != (state == "gone" or (state == "away" and n["cn"] != "1")):
                yield f"{nurse} {state}: timer ngone"

    def _strays(self) -> Iterable[str]:
        for name, members in self.sets.items():
            if name[:2] in ("w:", "s:", "wp"):
                yield from (f"{member} stray in {name}" for member in members if member not in self.patients)
            if name.startswith("wp:"):
                yield from (
                    f"{member} stray in {name}" for member in members if self.patients[member]["st"] != "waiting"
                )


def replay(entries: Iterable[tuple[str, dict[str, str]]]) -> tuple[set[str], set[str], list[str]]:
    """Go through the audit stream: visits joined, visits ended, and what should not be."""
    nurse_of: dict[str, str] = {}
    patient_of: dict[str, str] = {}
    visit_of: dict[str, str] = {}
    joined: set[str] = set()
    ended: set[str] = set()
    faults: list[str] = []

    def part(patient: str) -> None:
        nurse = nurse_of.pop(patient, None)
        if nurse:
            del patient_of[nurse]

    for entry_id, e in entries:
        kind, patient, nurse, visit = e["e"], e["p"], e["n"], e["v"]
        if kind == "joined":
            if patient in visit_of:
                faults.append(f"{entry_id}: {patient} joined twice")
            visit_of[patient] = visit
            joined.add(visit)
            json.loads(e["x"])
        elif visit_of.get(patient) != visit:
            faults.append(f"{entry_id}: {kind} of another visit")
        if kind == "offered":
            if patient in nurse_of or nurse in patient_of:
                faults.append(f"{entry_id}: {patient} and {nurse} are not both free")
            nurse_of[patient], patient_of[nurse] = nurse, patient
        elif kind in ("accepted", "connected", "interrupted", "resumed"):
            if nurse_of.get(patient) != nurse:
                faults.append(f"{entry_id}: {kind} of {patient} and {nurse}, who are not together")
        elif kind in ("declined", "timed_out", "withdrawn", "connect_failed", "requeued"):
            part(patient)
        elif kind == "ended":
            part(patient)
            visit_of.pop(patient, None)
            ended.add(visit)
    return joined, ended, faults
