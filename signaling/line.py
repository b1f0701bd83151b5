"""Places in line: told when they have changed, at most every `EVERY_S`, and counted once for everybody."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict

from signaling.pairing import Pairing
from signaling.protocol import QueuePlace
from signaling.sessions import Session, Sessions
from signaling.snapshots import queue_view
from signaling.sockets import Sockets

EVERY_S = 2.0
COUNTED = 20_000
"""Further back in a line than this nobody is told a new place."""


class Line:
    """Tells patients their place and staff their queue. Costs one read per bucket, not one per person."""

    def __init__(self, pairing: Pairing, sessions: Sessions, sockets: Sockets, every_s: float = EVERY_S) -> None:
        self._pairing = pairing
        self._sessions = sessions
        self._sockets = sockets
        self._every_s = every_s
        self._version = ""

    async def turn(self) -> None:
        """Wait, look whether anybody came or went, and tell."""
        await asyncio.sleep(self._every_s)
        version = await self._pairing.queue_version()
        if version != self._version:
            await self._tell_patients()
            await self._tell_staff()
            self._version = version

    async def _tell_patients(self) -> None:
        waiting = [
            (session, session.visit)
            for session in self._sessions
            if session.side == "p" and session.is_open and session.visit and session.visit.state == "waiting"
        ]
        buckets = {(visit.skill, language) for _, visit in waiting for language in visit.buckets}
        lines: dict[tuple[str, str], tuple[dict[str, int], int]] = {}
        for skill, language in buckets:
            line = await self._pairing.line(skill, language, COUNTED)
            lines[skill, language] = ({patient: index + 1 for index, patient in enumerate(line)}, len(line))
        for session, visit in waiting:
            places = [
                (places[session.person.id], total)
                for places, total in (lines[visit.skill, language] for language in visit.buckets)
                if session.person.id in places
            ]
            if places:
                place = QueuePlace(position=min(places)[0], waiting=min(places)[1])
                if place != session.place:
                    session.place = place
                    await self._sockets.emit(session.namespace, session.sid, "queue", place)

    async def _tell_staff(self) -> None:
        alike: dict[tuple[tuple[str, ...], tuple[str, ...]], list[Session]] = defaultdict(list)
        for session in self._sessions:
            if session.side == "n" and session.is_open:
                alike[session.person.skills, session.person.languages].append(session)
        for (skills, languages), sessions in alike.items():
            queue = await self._pairing.queue(skills, languages)
            view = queue_view(queue, int(time.time() * 1000))
            for session in sessions:
                if session.queue != queue:
                    session.queue = queue
                    await self._sockets.emit(session.namespace, session.sid, "queue", view)
