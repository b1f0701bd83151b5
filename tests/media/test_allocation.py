"""A downlink's division: voices first, the speaker's picture where there is room for one, and nobody held down."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from media.allocation import Allocator, Sender, anticipates, doubles, repeats, spared

VOICE_BPS = 26_000


def sender(key: str, since_s: float | None = None, most_bps: int | None = None) -> Sender:
    return Sender(key, VOICE_BPS, since_s, most_bps)


@given(st.integers(0, 3_000_000), st.integers(1, 3), st.lists(st.integers(20_000, 900_000), min_size=3, max_size=3))
def test_shares_are_the_downlink_and_hold_every_voice(downlink_bps: int, count: int, most_bps: list[int]) -> None:
    """Nobody gets less than the voice where all voices fit, and together they get no more than there is."""
    senders = [sender(str(index), most_bps=most_bps[index]) for index in range(count)]
    shares = Allocator().divide(0.0, downlink_bps, senders)
    least_bps = min(VOICE_BPS, downlink_bps // count - 1)
    assert all(share.bps >= least_bps for share in shares.values())
    assert sum(share.bps for share in shares.values()) <= downlink_bps
    assert any(share.shown for share in shares.values())


def test_one_sender_has_it_all() -> None:
    """In a call of two the share is the downlink."""
    assert Allocator().divide(0.0, 90_000, [sender("a")])["a"].bps == 90_000
    assert Allocator().divide(0.0, 90_000, []) == {}


def test_a_link_that_fell_below_its_voice_is_told_as_it_is() -> None:
    """Told of what its voice takes instead, the sender would have kept that voice."""
    assert Allocator().divide(0.0, 20_000, [sender("a")])["a"].bps == 20_000
    shares = Allocator().divide(0.0, 20_000, [sender("a"), sender("b")])
    assert {share.bps for share in shares.values()} == {10_000}


def test_what_one_cannot_use_goes_to_the_others() -> None:
    """A sender that is held to little elsewhere leaves the rest."""
    shares = Allocator().divide(0.0, 1_000_000, [sender("a", most_bps=126_000), sender("b")])
    assert shares["a"].bps == 126_000
    assert shares["b"].bps == 874_000


def test_thin_link_shows_the_speaker_only() -> None:
    """Where two small pictures do not fit the one who speaks is shown, and the others are heard."""
    shares = Allocator().divide(10.0, 80_000, [sender("a"), sender("b", 2.0)])
    assert (shares["a"].shown, shares["b"].shown) == (False, True)
    assert shares["a"].bps == VOICE_BPS
    assert shares["b"].bps == 80_000 - VOICE_BPS


def test_speaker_changes_with_patience() -> None:
    """A short word changes nothing, nor does a speaker beside the one who is shown and still speaks."""
    allocator = Allocator()
    allocator.divide(0.0, 80_000, [sender("a", -5.0), sender("b")])

    def shown(now_s: float, *senders: Sender) -> list[str]:
        return [key for key, share in allocator.divide(now_s, 80_000, senders).items() if share.shown]

    assert shown(6.0, sender("a"), sender("b", 5.5)) == ["a"]
    assert shown(7.0, sender("a", 6.0), sender("b", 5.5)) == ["a"]
    assert shown(8.0, sender("a"), sender("b", 5.5)) == ["b"]
    assert shown(10.0, sender("a", 8.5), sender("b")) == ["b"]
    assert shown(13.1, sender("a", 8.5), sender("b")) == ["a"]
    assert shown(14.0, sender("b")) == ["b"]
    assert shown(15.0, sender("c"), sender("d")) == ["c"]


def test_all_come_back_only_with_a_margin() -> None:
    """A rate at the line does not show and hide pictures in turn."""
    allocator = Allocator()
    two = [sender("a"), sender("b")]

    def count(downlink_bps: int) -> int:
        return sum(share.shown for share in allocator.divide(0.0, downlink_bps, two).values())

    assert [count(rate_bps) for rate_bps in (100_000, 90_000, 100_000, 125_000, 100_000)] == [2, 1, 1, 2, 2]


def test_who_can_be_shown_nothing_does_not_hold_the_others_down() -> None:
    """Without room for the smallest picture a receiver does without, and comes back with a margin."""
    paused = spared({"rich": 400_000, "poor": 8_000}, frozenset())
    assert paused == {"poor"}
    assert spared({"rich": 400_000, "poor": 17_000}, paused) == {"poor"}
    assert spared({"rich": 400_000, "poor": 25_000}, paused) == frozenset()
    assert spared({"rich": 400_000, "small": 20_000}, frozenset()) == frozenset()
    assert spared({"none": 5_000, "neither": 5_000}, frozenset()) == frozenset()
    assert spared({"alone": 0}, frozenset({"alone"})) == frozenset()


def test_voice_is_repeated_as_loss_asks_and_room_allows() -> None:
    """From a tenth on once, from a quarter on twice, and never into a link that is full."""
    assert repeats(0.05, 1_000_000, VOICE_BPS) == 0
    assert repeats(0.15, 1_000_000, VOICE_BPS) == 1
    assert repeats(0.30, 1_000_000, VOICE_BPS) == 2
    assert repeats(0.30, VOICE_BPS + 1, VOICE_BPS) == 1
    assert repeats(0.30, 0, VOICE_BPS) == 0
    assert repeats(0.30, 1_000, 0) == 0


def test_pictures_go_twice_where_asking_is_of_little_use() -> None:
    """Over a long way or where much is lost, with room for two small ones; what began ends a little later."""
    assert doubles(0.6, 0.0, 130_000, False)
    assert doubles(0.1, 0.3, 130_000, False)
    assert not doubles(0.1, 0.05, 1_000_000, False)
    assert not doubles(0.6, 0.3, 110_000, False)
    assert doubles(0.6, 0.3, 110_000, True)
    assert not doubles(0.6, 0.3, 90_000, True)


def test_pictures_are_asked_for_ahead_with_room_for_two() -> None:
    """Half of the room is to be enough for the smallest picture."""
    assert anticipates(44_000, False)
    assert not anticipates(40_000, False)
    assert anticipates(40_000, True)
