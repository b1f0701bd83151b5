"""Rooms: who hears and sees whom, and in which slot.

A slot is a pair of m-lines of the fixed offer. Each leg has three, and holds another leg of its room in one of them
from the moment that one comes until it goes: nobody moves to another place of the screen because a third one left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from media.control import MAX_ROOM_LEGS, RoomMember, RoomState, Slot
from media.sdp import MIDS

if TYPE_CHECKING:
    from media.leg import Leg


class RoomFull(Exception):  # noqa: N818 - it is an answer
    """There are as many legs in the room as the offer has slots for."""


class Room:
    """Up to four legs that hear and see each other."""

    def __init__(self, name: str, call: str) -> None:
        self.name = name
        self.call = call
        self.members: dict[str, Leg] = {}

    def join(self, leg: Leg, now_s: float) -> None:
        """Add a leg; adding it again changes nothing. Raises RoomFull."""
        if self.members.get(leg.id) is leg:
            return
        self.check_space()
        for other in self.members.values():
            leg.show(other, now_s)
            other.show(leg, now_s)
        self.members[leg.id] = leg
        leg.room = self
        for member in self.members.values():
            self.rewire(member)
            if member is not leg:
                leg.video_wanted(member)
                member.video_wanted(leg)

    def check_space(self) -> None:
        """Raise RoomFull if nobody else can come in."""
        if len(self.members) >= MAX_ROOM_LEGS:
            raise RoomFull

    def connected(self, leg: Leg, now_s: float) -> None:
        """Begin to send to a member that was not connected when it joined."""
        for other in self.members.values():
            if other is not leg:
                self.rewire(other)
                other.video_wanted(leg)
                leg.video_wanted(other)

    def leave(self, leg: Leg) -> None:
        """Take a leg out; its slot in the others is free again."""
        if self.members.get(leg.id) is not leg:
            return
        del self.members[leg.id]
        leg.room = None
        for other in self.members.values():
            other.hide(leg)
            leg.hide(other)
        leg.unroute()
        for other in self.members.values():
            self.rewire(other)

    def rewire(self, source: Leg) -> None:
        """Work out anew who receives what `source` sends."""
        receiving = [
            slot
            for member in self.members.values()
            if member is not source
            for slot in member.slots
            if slot.shows(source)
        ]
        source.route_to(receiving)

    def state(self) -> RoomState:
        """The room as the control API tells it."""
        members = []
        for leg in self.members.values():
            slots = [
                Slot(source=slot.source.id, audio_mid=MIDS[2 * index], video_mid=MIDS[2 * index + 1])
                for index, slot in enumerate(leg.slots)
                if slot.source is not None
            ]
            members.append(RoomMember(leg=leg.id, connected=leg.connected, slots=slots))
        return RoomState(room=self.name, members=members)
