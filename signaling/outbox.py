"""What the store has to say to the people of this process: reads its outbox stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from redis.asyncio import Redis

from signaling.metrics import LOOP_FAILURES
from signaling.model import Model
from signaling.pairing import Side
from signaling.presence import Presence
from signaling.protocol import Peer
from signaling.protocol_media import StillAsked, StillRefused
from signaling.records import chat_line, sending, still
from signaling.refresh import Refresh
from signaling.sessions import Sessions
from signaling.snapshots import chat_view, media_state, rung_view, still_view
from signaling.sockets import Sockets
from signaling.values import whole_or_none

BLOCK_S = 2.0
AT_ONCE = 500


class Outbox:
    """Reader of `out:<process>`. What it misses does no harm: after a failure everybody gets a snapshot."""

    def __init__(
        self, client: Redis, key: str, sessions: Sessions, refresh: Refresh, presence: Presence, sockets: Sockets
    ) -> None:
        self._client = client
        self._key = key
        self._sessions = sessions
        self._refresh = refresh
        self._presence = presence
        self._sockets = sockets
        self._told = {
            "chat": self._chat, "peer": self._peer, "still": self._still, "asked": self._asked,
            "refused": self._refused,
        }  # fmt: skip
        self._last = "0-0"
        self._has_failed = False

    async def turn(self) -> None:
        """Wait for entries and carry them out."""
        try:
            answer = await self._client.xread({self._key: self._last}, count=AT_ONCE, block=int(BLOCK_S * 1000))
        except Exception:
            self._has_failed = True
            raise
        if self._has_failed:
            self._has_failed = False
            self._refresh.wake_all()
        streams = cast(list[tuple[str, list[tuple[str, dict[str, str]]]]], answer or [])
        for _, entries in streams:
            for entry_id, fields in entries:
                self._last = entry_id
                await self._entry(fields)

    async def _entry(self, fields: dict[str, str]) -> None:
        kind, patient, nurse = fields.get("e", ""), fields.get("p", ""), fields.get("n", "")
        if kind == "moved":
            await self._moved("p" if patient else "n", patient or nurse, fields["x"])
        elif kind in self._told:
            await self._told[kind](patient, nurse, fields["x"])
        else:
            if patient:
                self._refresh.wake_person("p", patient)
            if nurse:
                self._refresh.wake_person("n", nurse)

    async def _moved(self, side: Side, person: str, connection: str) -> None:
        session = self._sessions.of_person(side, person)
        if session is not None:
            await self._presence.moved(session, int(connection))

    async def _chat(self, patient: str, nurse: str, text: str) -> None:
        line = chat_view(chat_line(text))
        for session in (self._sessions.of_person("p", patient), self._sessions.of_person("n", nurse)):
            if session is not None and session.is_open:
                await self._sockets.emit(session.namespace, session.sid, "chat", line)

    async def _peer(self, patient: str, nurse: str, text: str) -> None:
        whose, bars, rung, media = text.split(" ", 3)
        await self._to_other(
            patient,
            nurse,
            whose,
            "peer",
            lambda: Peer(media=media_state(media), bars=whole_or_none(bars), receives=rung_view(sending(rung))),
        )

    async def _still(self, patient: str, nurse: str, text: str) -> None:
        whose, rest = text.split(" ", 1)
        await self._to_other(patient, nurse, whose, "still", lambda: still_view(still(rest)))

    async def _asked(self, patient: str, nurse: str, text: str) -> None:
        whose, wanted = text.split(" ", 1)
        await self._to_other(patient, nurse, whose, "still.asked", lambda: StillAsked(id=wanted or None))

    async def _refused(self, patient: str, nurse: str, whose: str) -> None:
        await self._to_other(patient, nurse, whose, "still.refused", StillRefused)

    async def _to_other(self, patient: str, nurse: str, whose: str, event: str, made: Callable[[], Model]) -> None:
        other = self._sessions.of_person("n", nurse) if whose == "p" else self._sessions.of_person("p", patient)
        if other is None or not other.is_open:
            return
        try:
            model = made()
        except (ValueError, KeyError):
            LOOP_FAILURES.labels("outbox_entry").inc()
        else:
            await self._sockets.emit(other.namespace, other.sid, event, model)
