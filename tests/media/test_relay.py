"""Legs and rooms as the control API's requests see them, and what time does to them."""

from __future__ import annotations

import asyncio

import pytest

from media.control import AnswerLeg, CloseLeg, CreateLeg, JoinRoom, LeaveRoom, RestartLeg, SetLeg
from media.epochs import MAX_EPOCHS
from media.refusal import Refused
from media.relay import GONE_AFTER_S, Relay
from media.silence import QUIET_SILENT_AFTER_S
from tests.media.client import Offer, RawClient, joined, until
from tests.media.conftest import Clock


def create(relay: Relay, leg: str = "a", epoch: int = 1, call: str = "call") -> str:
    return relay.create(CreateLeg(leg=leg, call=call, epoch=epoch)).sdp


def refusal(relay: Relay, method: str, *args: object) -> str:
    with pytest.raises(Refused) as refused:
        getattr(relay, method)(*args)
    return refused.value.code


def kinds(relay: Relay) -> list[tuple[str, str]]:
    return [(event.leg, event.kind) for event in relay.events.after(relay.boot, 0).events]


# ---- idempotency and epochs


async def test_creating_twice_is_creating_once(relay: Relay) -> None:
    """The same request again gets the same offer, and there is one leg."""
    assert create(relay) == create(relay)
    assert len(relay.legs) == 1


async def test_lower_epochs_are_stale_everywhere(relay: Relay) -> None:
    """After epoch 3 nothing of epoch 2 has an effect, closed or not."""
    create(relay, epoch=3)
    for _ in range(2):
        assert refusal(relay, "create", CreateLeg(leg="a", call="call", epoch=2)) == "stale_epoch"
        for method, message in (
            ("answer", AnswerLeg(call="call", epoch=2, restart=0, sdp="v=0")),
            ("restart", RestartLeg(call="call", epoch=2, restart=1)),
            ("set", SetLeg(call="call", epoch=2)),
            ("close_leg", CloseLeg(call="call", epoch=2)),
        ):
            assert refusal(relay, method, "a", message) == "stale_epoch"
        assert refusal(relay, "join", "room", JoinRoom(call="call", epoch=2, leg="a")) == "stale_epoch"
        assert refusal(relay, "leave", "room", LeaveRoom(call="call", epoch=2, leg="a")) == "stale_epoch"
        relay.close_leg("a", CloseLeg(call="call", epoch=3))
    assert not relay.legs


async def test_higher_epoch_replaces_a_leg(relay: Relay) -> None:
    """A new incarnation has other credentials and SSRCs; the former one is told gone."""
    first, second = Offer(create(relay, epoch=1)), Offer(create(relay, epoch=2))
    assert first.ufrag != second.ufrag
    assert first.ssrcs != second.ssrcs
    event = relay.events.after(relay.boot, 0).events[-1]
    assert (event.kind, event.reason, event.epoch) == ("gone", "replaced", 1)
    assert relay.legs["a"].epoch == 2


async def test_requests_of_the_future_find_nothing(relay: Relay) -> None:
    """A leg of epoch 1 is not the one that a request of epoch 2 means."""
    create(relay)
    assert refusal(relay, "set", "a", SetLeg(call="call", epoch=2)) == "not_found"
    assert refusal(relay, "join", "room", JoinRoom(call="call", epoch=2, leg="a")) == "not_found"


async def test_other_calls_legs_and_rooms_are_out_of_reach(relay: Relay) -> None:
    """Whoever names another call gets nothing and changes nothing."""
    create(relay)
    create(relay, "b", call="other")
    relay.join("room", JoinRoom(call="call", epoch=1, leg="a"))
    assert refusal(relay, "create", CreateLeg(leg="a", call="other", epoch=1)) == "bad_request"
    assert refusal(relay, "set", "a", SetLeg(call="other", epoch=1)) == "not_found"
    assert refusal(relay, "close_leg", "a", CloseLeg(call="other", epoch=9)) == "not_found"
    assert refusal(relay, "join", "room", JoinRoom(call="other", epoch=1, leg="b")) == "bad_request"
    assert refusal(relay, "leave", "room", LeaveRoom(call="other", epoch=1, leg="b")) == "not_found"
    assert relay.legs["a"].epoch == 1
    assert list(relay.rooms["room"].members) == ["a"]


async def test_closing_what_is_not_there_is_done(relay: Relay) -> None:
    """Closing twice, or a leg that never was, has its effect already."""
    create(relay)
    for _ in range(2):
        relay.close_leg("a", CloseLeg(call="call", epoch=1))
    relay.close_leg("never", CloseLeg(call="call", epoch=1))
    assert kinds(relay) == [("a", "gone")]
    assert refusal(relay, "leg_stats", "a") == "not_found"


async def test_remembered_epochs_are_bounded(relay: Relay) -> None:
    """However many names are closed, the memory of their epochs ends."""
    for number in range(MAX_EPOCHS + 10):
        relay.close_leg(f"l{number}", CloseLeg(call="call", epoch=1))
    assert len(relay._epochs) == MAX_EPOCHS


async def test_draining_keeps_legs_and_takes_none(relay: Relay) -> None:
    """A draining worker answers for what it has, and refuses what is new."""
    sdp = create(relay)
    relay.drain()
    assert refusal(relay, "create", CreateLeg(leg="b", call="call", epoch=1)) == "draining"
    assert create(relay) == sdp
    assert relay.stats().draining
    waiting = asyncio.ensure_future(relay.emptied())
    relay.close_leg("a", CloseLeg(call="call", epoch=1))
    await asyncio.wait_for(waiting, 1)


async def test_worker_has_a_limit() -> None:
    """More legs than the limit are refused; a replacement is not one more."""
    relay = Relay(max_legs=1)
    create(relay)
    assert refusal(relay, "create", CreateLeg(leg="b", call="call", epoch=1)) == "worker_full"
    create(relay, epoch=2)
    await relay.close()


# ---- answers


async def test_answer_must_be_one(relay: Relay) -> None:
    """What is no answer is refused without an effect; the right one still works afterwards."""
    client = RawClient(create(relay))
    answer = AnswerLeg(call="call", epoch=1, restart=0, sdp=client.answer())
    for bad in ("x", client.offer.sdp, client.answer().replace("active", "passiv"), "m=audio\n" * 4000):
        assert refusal(relay, "answer", "a", answer.model_copy(update={"sdp": bad})) == "bad_sdp"
    assert relay.legs["a"].state == "new"
    assert refusal(relay, "answer", "a", answer.model_copy(update={"restart": 1})) == "bad_request"
    for _ in range(2):
        relay.answer("a", answer)
    assert relay.legs["a"].state == "connecting"


async def test_certificate_cannot_change(relay: Relay) -> None:
    """A second answer with another fingerprint is refused: DTLS is not made anew within a leg."""
    client = RawClient(create(relay))
    relay.answer("a", AnswerLeg(call="call", epoch=1, restart=0, sdp=client.answer()))
    digest = client.answer().split("sha-256 ")[1][:95]
    other = client.answer().replace(digest, "AB:" * 31 + "AB")
    assert refusal(relay, "answer", "a", AnswerLeg(call="call", epoch=1, restart=0, sdp=other)) == "bad_sdp"


async def test_wrong_certificate_ends_the_leg(relay: Relay) -> None:
    """A browser whose certificate is not the announced one does not get in, and its leg is gone."""
    client = RawClient(create(relay))
    digest = client.answer().split("sha-256 ")[1][:95]
    relay.answer(
        "a", AnswerLeg(call="call", epoch=1, restart=0, sdp=client.answer().replace(digest, "AB:" * 31 + "AB"))
    )
    await client.open_socket()
    await client.check()
    attempt = asyncio.ensure_future(client.handshake(2))
    await until(lambda: "a" not in relay.legs)
    assert relay.events.after(relay.boot, 0).events[-1].reason == "dtls_failed"
    await asyncio.gather(attempt, return_exceptions=True)
    await client.close()


# ---- rooms


async def test_fifth_leg_does_not_fit(relay: Relay) -> None:
    """A room has four places; who does not get one stays where it was."""
    for name in "abcde":
        create(relay, name)
    for name in "abcd":
        relay.join("room", JoinRoom(call="call", epoch=1, leg=name))
    relay.join("other", JoinRoom(call="call", epoch=1, leg="e"))
    assert refusal(relay, "join", "room", JoinRoom(call="call", epoch=1, leg="e")) == "room_full"
    assert relay.legs["e"].room is relay.rooms["other"]


async def test_joining_another_room_leaves_the_first(relay: Relay) -> None:
    """A leg is in one room; a room that nobody is in is no more."""
    create(relay)
    relay.join("one", JoinRoom(call="call", epoch=1, leg="a"))
    state = relay.join("two", JoinRoom(call="call", epoch=1, leg="a"))
    assert [member.leg for member in state.members] == ["a"]
    assert list(relay.rooms) == ["two"]
    assert relay.leave("two", LeaveRoom(call="call", epoch=1, leg="a")).members == []
    assert relay.leave("two", LeaveRoom(call="call", epoch=1, leg="a")).members == []
    assert not relay.rooms


# ---- time


async def test_leg_that_never_proves_itself_is_gone(clocked: Relay, clock: Clock) -> None:
    """Thirty seconds after its creation, and not before, an unused leg is freed."""
    create(clocked)
    for _ in range(50):
        clocked.tick(clock.now_s + GONE_AFTER_S - 0.1)
    assert clocked.legs
    for _ in range(50):
        clocked.tick(clock.now_s + GONE_AFTER_S + 0.1)
    await clocked.settled()
    assert not clocked.legs
    assert clocked.events.after(clocked.boot, 0).events[-1].reason == "timeout"
    assert clocked.plane.addresses == 0


async def test_checks_keep_a_waiting_leg(clocked: Relay, clock: Clock) -> None:
    """A warm leg lives by its connectivity checks alone, and is gone thirty seconds after the last."""
    client = await joined(clocked, "room", "a")
    for _ in range(4):
        clock.now_s += GONE_AFTER_S - 1
        await client.check()
        for _ in range(50):
            clocked.tick(clock.now_s)
        assert clocked.legs
    clock.now_s += GONE_AFTER_S + 1
    for _ in range(50):
        clocked.tick(clock.now_s)
    await clocked.settled()
    assert not clocked.legs
    assert not clocked.rooms
    assert clocked.plane.addresses == 0
    await client.close()


async def test_silence_and_its_end_are_told(clocked: Relay, clock: Clock) -> None:
    """A sender that stops for more than 2.5 s is silent, once; its next packet makes it active."""
    a, b = await joined(clocked, "room", "a"), await joined(clocked, "room", "b")
    a.send_audio(1)
    await until(lambda: b.received)
    clock.now_s += 2.4
    for _ in range(5):
        clocked.tick(clock.now_s)
    assert ("a", "silent") not in kinds(clocked)
    clock.now_s += 0.2
    for _ in range(50):
        clocked.tick(clock.now_s)
    assert kinds(clocked).count(("a", "silent")) == 1
    assert clocked.legs["a"].state == "silent"
    assert ("b", "silent") not in kinds(clocked)  # it was sending nothing, so it may be quiet for longer
    a.send_audio(2)
    await until(lambda: len(b.received) == 2)
    for _ in range(5):
        clocked.tick(clock.now_s)
    assert kinds(clocked)[-1] == ("a", "active")
    clock.now_s += QUIET_SILENT_AFTER_S
    for _ in range(5):
        clocked.tick(clock.now_s)
    assert ("b", "silent") in kinds(clocked)
    await a.close()
    await b.close()


async def test_alone_nobody_is_silent(clocked: Relay, clock: Clock) -> None:
    """In the waiting room there is nobody to whom silence matters."""
    client = await joined(clocked, "room", "a")
    clock.now_s += 20
    for _ in range(50):
        clocked.tick(clock.now_s)
    assert kinds(clocked) == [("a", "connected")]
    await client.close()


async def test_events_of_a_life(relay: Relay) -> None:
    """connected, media, gone: each once, in this order."""
    client = await joined(relay, "room", "a")
    client.send_audio(1)
    client.send_audio(2)
    await until(lambda: len(kinds(relay)) == 2)
    await client.close()
    await until(lambda: len(kinds(relay)) == 3)
    assert kinds(relay) == [("a", "connected"), ("a", "media"), ("a", "gone")]
    assert relay.events.after(relay.boot, 0).events[-1].reason == "peer_closed"
