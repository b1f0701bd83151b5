"""Random steps of random people, as browsers and processes take them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from signaling.pairing import LegMedia, Pairing

SKILLS = (("general",), ("general", "mental"), ("mental",))
LANGUAGES = (("es",), ("es", "en"), ("en",))

STEPS = (
    ["join"] * 4 + ["attach"] * 2 + ["drop"] * 2 + ["away", "come_back", "leave"]
    + ["online"] * 5 + ["nurse_attach"] * 2 + ["nurse_drop"] * 2 + ["rest", "off_shift"]
    + ["accept"] * 6 + ["decline"] * 2 + ["end"] * 3 + ["extend", "done", "new_leg", "chat", "note"]
    + ["media"] * 6
)  # fmt: skip


@dataclass
class Steps:
    """Takes steps on one waiting room as one process.

    `joined` keeps the visits whose joining was acknowledged.
    """

    pairing: Pairing
    process: str
    chance: random.Random
    patients: int = 4
    nurses: int = 3
    joined: set[str] = field(default_factory=set)
    connections: dict[str, int] = field(default_factory=dict)
    count: int = 0

    async def take(self, step: str) -> None:
        """Take one step with somebody."""
        number = self.chance.randrange
        patient, nurse = f"pat{number(self.patients)}", f"nur{number(self.nurses)}"
        view = await self.pairing.nurse(nurse)
        generation = view.generation if self.chance.random() < 0.9 else view.generation + 1
        await getattr(self, "_" + step)(patient, nurse, generation)

    async def _join(self, patient: str, _nurse: str, _generation: int) -> None:
        self.count += 1
        visit = f"{self.process}-{self.count}"
        attached = await self.pairing.join(
            patient,
            self.process,
            visit=visit,
            skill=self.chance.choice(("general", "general", "mental")),
            languages=self.chance.choice(LANGUAGES),
            preferred=self.chance.choice(("", "", "nur0")),
            boost_ms=self.chance.choice((0, 0, 1_800_000)),
        )
        self.connections[patient] = attached.connection
        if attached.visit == visit:
            self.joined.add(visit)

    async def _attach(self, patient: str, _nurse: str, _generation: int) -> None:
        self.connections[patient] = (await self.pairing.patient_attach(patient, self.process)).connection

    async def _drop(self, patient: str, _nurse: str, _generation: int) -> None:
        await self.pairing.patient_drop(patient, self.process, self.connections.get(patient, 0))

    async def _away(self, patient: str, _nurse: str, _generation: int) -> None:
        visit = (await self.pairing.patient(patient)).visit
        await self.pairing.patient_away(patient, visit.generation if visit else 0)

    async def _come_back(self, patient: str, _nurse: str, _generation: int) -> None:
        await self.pairing.patient_return(patient)

    async def _leave(self, patient: str, _nurse: str, _generation: int) -> None:
        await self.pairing.patient_leave(patient)

    async def _online(self, _patient: str, nurse: str, _generation: int) -> None:
        at = int(nurse[3:]) % 3
        attached = await self.pairing.nurse_online(nurse, self.process, skills=SKILLS[at], languages=LANGUAGES[at])
        self.connections[nurse] = attached.connection

    async def _nurse_attach(self, _patient: str, nurse: str, _generation: int) -> None:
        self.connections[nurse] = (await self.pairing.nurse_attach(nurse, self.process)).connection

    async def _nurse_drop(self, _patient: str, nurse: str, _generation: int) -> None:
        await self.pairing.nurse_drop(nurse, self.process, self.connections.get(nurse, 0))

    async def _rest(self, _patient: str, nurse: str, _generation: int) -> None:
        await self.pairing.nurse_break(nurse)

    async def _off_shift(self, _patient: str, nurse: str, _generation: int) -> None:
        await self.pairing.nurse_offline(nurse)

    async def _accept(self, _patient: str, nurse: str, generation: int) -> None:
        accepted = await self.pairing.accept(nurse, generation)
        call = await self.pairing.call_of("n", nurse)
        if accepted and call and self.chance.random() < 0.7:
            legs = LegMedia(call.patient_epoch, up=True), LegMedia(call.nurse_epoch, up=True)
            await self.pairing.media(call.patient, call.visit, *legs)

    async def _decline(self, _patient: str, nurse: str, generation: int) -> None:
        await self.pairing.decline(nurse, generation)

    async def _end(self, _patient: str, nurse: str, generation: int) -> None:
        await self.pairing.end(nurse, generation)

    async def _extend(self, _patient: str, nurse: str, _generation: int) -> None:
        await self.pairing.extend(nurse)

    async def _done(self, _patient: str, nurse: str, _generation: int) -> None:
        wrapup = (await self.pairing.nurse(nurse)).wrapup
        await self.pairing.wrapup_done(nurse, wrapup.visit if wrapup else "v", self.chance.random() < 0.7)

    async def _new_leg(self, patient: str, nurse: str, _generation: int) -> None:
        epoch = self.chance.randrange(4)
        await self.pairing.new_leg("p", patient, epoch)
        await self.pairing.new_leg("n", nurse, epoch)

    async def _media(self, patient: str, _nurse: str, _generation: int) -> None:
        call = await self.pairing.call_of("p", patient)
        if call is not None:
            up = self.chance.random
            await self.pairing.media(
                call.patient,
                call.visit,
                LegMedia(call.patient_epoch, up() < 0.85),
                LegMedia(call.nurse_epoch, up() < 0.85) if up() < 0.9 else None,
            )

    async def _chat(self, patient: str, nurse: str, _generation: int) -> None:
        await self.pairing.chat("p", patient, "line-0001", "hola, mundo | ñ")
        await self.pairing.chat("n", nurse, "line-0001", "hola")

    async def _note(self, patient: str, nurse: str, _generation: int) -> None:
        await self.pairing.note("p", patient, "b", "3")
        await self.pairing.note("n", nurse, "ms", "{}")
