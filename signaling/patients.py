"""What patients may do."""

from __future__ import annotations

import secrets

from signaling.dispatch import Handler
from signaling.legs import Legs
from signaling.pairing import Pairing
from signaling.presence import Doors
from signaling.protocol import Away, Join, Leave
from signaling.refresh import Refresh
from signaling.refusal import Refusal
from signaling.sessions import Session
from signaling.shared import Shared


def new_visit_id() -> str:
    """A visit's id is also the name of its room and the beginning of its legs' names: no name, nobody can guess it."""
    return "v" + secrets.token_hex(10)


class Patients:
    """Handlers of the namespace `/patient`."""

    def __init__(
        self, process: str, pairing: Pairing, legs: Legs, refresh: Refresh, doors: Doors, shared: Shared
    ) -> None:
        self._process = process
        self._pairing = pairing
        self._legs = legs
        self._refresh = refresh
        self._doors = doors
        self._shared = shared

    def handlers(self) -> dict[str, Handler]:
        """By event name."""
        return {"join": self.join, "leave": self.leave, "away": self.away, **self._shared.handlers()}

    async def join(self, session: Session, message: Join) -> None:
        """Enter the waiting room, or come back to the standing visit."""
        self._doors.check()
        consent = message.consent
        attached = await self._pairing.join(
            session.person.id,
            self._process,
            visit=new_visit_id(),
            skill=message.skill,
            languages=message.languages,
            reason=message.reason,
            data={
                "reason": message.reason,
                "languages": ",".join(message.languages),
                "consent_version": consent.version,
                "consent_language": consent.language,
                "consent_at_ms": str(consent.accepted_at_ms),
            },
        )
        session.connection = attached.connection
        self._refresh.wake(session)

    async def leave(self, session: Session, _message: Leave) -> None:
        """Give the visit up."""
        if not await self._pairing.patient_leave(session.person.id):
            raise Refusal("not_allowed", "there is no visit to leave")

    async def away(self, session: Session, message: Away) -> None:
        """Leave the call for now."""
        if not await self._pairing.patient_away(session.person.id, message.generation):
            raise Refusal("stale", "that call is not the current one")
