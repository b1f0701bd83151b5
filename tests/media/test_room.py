"""Slots: who is heard and seen where, and that nobody moves."""

from __future__ import annotations

from media.control import CloseLeg, CreateLeg, JoinRoom, LeaveRoom, RoomState
from media.relay import Relay
from tests.media.client import joined, until


def _join(relay: Relay, name: str) -> RoomState:
    relay.create(CreateLeg(leg=name, call="call", epoch=1))
    return relay.join("room", JoinRoom(call="call", epoch=1, leg=name))


def _slots(state: RoomState) -> dict[str, dict[str, str]]:
    return {
        member.leg: {slot.source: slot.audio_mid + slot.video_mid for slot in member.slots} for member in state.members
    }


async def test_two_see_each_other_in_the_first_slot(relay: Relay) -> None:
    """The first other participant is on mids 0 and 1."""
    _join(relay, "a")
    assert _slots(_join(relay, "b")) == {"a": {"b": "01"}, "b": {"a": "01"}}


async def test_slots_are_stable(relay: Relay) -> None:
    """Who leaves frees a place, who stays keeps theirs, who comes gets the first free one."""
    for name in "abc":
        _join(relay, name)
    state = _join(relay, "d")
    assert _slots(state)["a"] == {"b": "01", "c": "23", "d": "45"}
    assert _slots(state)["d"] == {"a": "01", "b": "23", "c": "45"}
    relay.leave("room", LeaveRoom(call="call", epoch=1, leg="b"))
    relay.create(CreateLeg(leg="e", call="call", epoch=1))
    state = relay.join("room", JoinRoom(call="call", epoch=1, leg="e"))
    assert _slots(state)["a"] == {"e": "01", "c": "23", "d": "45"}
    assert _slots(state)["d"] == {"a": "01", "e": "23", "c": "45"}
    again = relay.join("room", JoinRoom(call="call", epoch=1, leg="e"))
    assert again == state


async def test_media_of_four_arrives_in_its_slots(relay: Relay) -> None:
    """Everybody hears the three others, each under the SSRC of the slot the room names."""
    clients = {name: await joined(relay, "room", name) for name in "abcd"}
    state = _slots(relay.rooms["room"].state())
    for client in clients.values():
        for sequence in range(5):
            client.send_audio(sequence, payload=client.ufrag.encode())
    await until(lambda: all(len(client.received) == 15 for client in clients.values()))
    for name, client in clients.items():
        for source, mids in state[name].items():
            ssrc = client.offer.ssrcs[int(mids[0])][0].to_bytes(4, "big")
            heard = [packet[12:] for packet in client.received if packet[8:12] == ssrc]
            assert heard == [clients[source].ufrag.encode()] * 5
    for client in clients.values():
        await client.close()


async def test_nothing_is_sent_out_of_a_room(relay: Relay) -> None:
    """Who left hears nothing and is not heard."""
    a, b = await joined(relay, "room", "a"), await joined(relay, "room", "b")
    relay.leave("room", LeaveRoom(call="call", epoch=1, leg="b"))
    for sequence in range(5):
        a.send_audio(sequence)
        b.send_audio(sequence)
    await until(lambda: relay.legs["a"].audio.packets == relay.legs["b"].audio.packets == 5)
    assert a.received == b.received == []
    assert relay.plane.dropped == {}
    await a.close()
    await b.close()


async def test_closed_leg_frees_its_slot(relay: Relay) -> None:
    """Closing is leaving, too."""
    _join(relay, "a")
    _join(relay, "b")
    relay.close_leg("a", CloseLeg(call="call", epoch=1))
    assert _slots(relay.rooms["room"].state()) == {"b": {}}
