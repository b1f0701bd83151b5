"""What a leg is told to send finds the rung of its link soon, keeps it, and says truly why."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media import shapes
from media.control import ClientReport, LinkHint, VideoCodec
from media.controller import Controller, Decision, Receiver, Way
from media.ladder import CHANGE_EVERY_S, START_S
from tests.media.fluid import Link, call

GOOD = Way(9_000_000, known=True, rtt_s=0.07)
CODECS: tuple[VideoCodec, ...] = ("AV1", "VP9", "VP8")

# name: kbit/s up and down, loss %, RTT ms, queue ms; the rungs up and down.
PROFILES = {
    "lan": (100_000, 100_000, 0, 2, 250, 5, 5),
    "good-4g": (3000, 9000, 0.1, 70, 300, 5, 5),
    "leo-satellite": (4000, 20_000, 0.4, 44, 250, 5, 5),
    "wifi-lossy": (5000, 5000, 4, 10, 300, 5, 5),
    "3g-rural": (128, 400, 1, 180, 1500, 4, 5),
    "geo-satellite": (128, 512, 0.3, 600, 800, 4, 4),
    "sat-256k": (256, 256, 0.5, 700, 800, 4, 4),
    "edge-2g": (60, 100, 3, 350, 2000, 2, 3),
    "64k-5loss": (64, 64, 5, 200, 1000, 2, 2),
    "30-loss": (1000, 1000, 30, 100, 300, 4, 4),
    "outage-10s": (1000, 1000, 0.5, 120, 500, 5, 5),
    "256k-100ms-2loss": (256, 256, 2, 200, 500, 4, 4),
}


class Given:
    """A controller that is shown the same again and again, until something changes."""

    def __init__(self, uplink: Way = GOOD, *downlinks: Way, codecs: Sequence[VideoCodec] = CODECS) -> None:
        self.now_s = 0.0
        self.uplink = uplink
        self.downlinks = list(downlinks) or [GOOD]
        self.codecs = codecs
        self.client: ClientReport | None = None
        self.others_want = True
        self.hint: LinkHint | None = None
        self.own_downlink: Way | None = GOOD
        self.sending_bps: int | None = None
        self.shown = True
        self.fell = False
        self.controller = Controller()
        self.changes = 0

    def look(self) -> Decision:
        receivers = [
            Receiver(str(index), way, way.rate_bps, shown=self.shown, wants_video=self.others_want, fell=self.fell)
            for index, way in enumerate(self.downlinks)
        ]
        sending_bps = self.sending_bps
        if sending_bps is None:
            told = self.controller.limits
            sending_bps = 0 if told is None else shapes.voice_bps(told.audio)
            if told is not None and told.video is not None:
                sending_bps += int(told.video.bitrate_bps * 1.1)
        decision = self.controller.decide(
            self.now_s, int(self.now_s * 1000), uplink=self.uplink, receivers=receivers, client=self.client,
            codecs=self.codecs, hint=self.hint, sending_bps=sending_bps, own_downlink=self.own_downlink,
        )  # fmt: skip
        self.changes += decision.changed
        return decision

    def run(self, seconds: float) -> Decision:
        for _ in range(round(seconds / 0.2)):
            self.now_s += 0.2
            decision = self.look()
        return decision


def way(kbps: float, **more: float) -> Way:
    return Way(int(kbps * 1000), known=True, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("probed", [True, False], ids=["probed", "unknown"])
@pytest.mark.parametrize("name", PROFILES)
def test_finds_the_rung_of_a_link_and_keeps_it(name: str, probed: bool) -> None:
    """Within 10 s the rung is what the link carries, or on the way up to it; it hardly changes in five minutes."""
    up_kbps, down_kbps, loss, rtt_ms, queue_ms, up_rung, down_rung = PROFILES[name]
    delay_s = rtt_ms / 2000
    sides = call(
        Link(lambda _: up_kbps * 1000, loss / 100, delay_s, queue_ms / 1000),
        Link(lambda _: down_kbps * 1000, loss / 100, delay_s, queue_ms / 1000),
        rtt_ms / 1000,
        300 if probed else 120,
        probed=probed,
    )
    for side, rung in zip(sides, (up_rung, down_rung), strict=True):
        soon, end = side.limits_at(10).rung, side.told[-1][1]
        if probed:
            assert soon == rung
        else:
            assert min(rung, 4) - 1 <= soon <= rung + 1  # a thin link may be tried one rung too high
        assert end.rung == rung
        later = side.rungs(START_S + 10)
        assert len(later) <= 3, later
        for link in (side.uplink.link, side.downlink.link):
            assert link.late_s <= 0.08 * (300 if probed else 120), link.late_s


def test_square_wave_steps_down_within_two_seconds_and_does_not_flap() -> None:
    """2 Mbit/s and 64 kbit/s in turn, 15 s each: down soon each time, never up again between two falls."""

    def rate_bps(now_s: float) -> float:
        return 2e6 if now_s % 30 < 15 else 64e3

    patient, nurse = call(Link(rate_bps, 0, 0.05, 1), Link(rate_bps, 0, 0.05, 1), 0.1, 300)
    for side in (patient, nurse):
        falls = [(at_s, rung) for at_s, rung in side.rungs() if at_s >= 15]
        assert falls[0][0] <= 17
        assert side.limits_at(17).rung <= 3
        assert len([at_s for at_s, _ in falls if at_s > 20]) <= 4


def test_a_link_that_fell_gets_the_thinnest_voice_at_once() -> None:
    """Before anything is known of what it carries now; what is shown is not decided by that."""
    side = Given()
    rung = side.run(5).limits.rung
    side.fell = True
    limits = side.look().limits
    assert limits.audio.frame_ms == 120
    assert limits.rung == rung


def test_good_link_is_full_from_the_first_look() -> None:
    """A wide downlink with a short round trip stands for an uplink that nobody has measured yet."""
    side = Given(Way(None, known=False))
    decision = side.look()
    assert decision.limits.rung == 5
    assert decision.limits.video is not None
    assert decision.limits.video.lines == 480
    assert decision.limits.audio.frame_ms == 20
    assert not decision.limits.audio.red
    side.own_downlink = way(9000, rtt_s=0.6)
    side.controller = Controller()
    assert side.look().limits.rung == 4


@pytest.mark.parametrize(
    ("hint", "down_kbps", "rung"),
    [(None, None, 4), (LinkHint(up_bps=60_000, down_bps=100_000), None, 2),
     (LinkHint(up_bps=60_000, down_bps=100_000), 90, 2), (LinkHint(up_bps=60_000, down_bps=100_000), 5000, 5),
     (LinkHint(up_bps=2_000_000, down_bps=4_000_000), 400, 4), (None, 64, 2), (None, 400, 4)],
)  # fmt: skip
def test_unknown_uplink_begins_at_what_is_likely(hint: LinkHint | None, down_kbps: int | None, rung: int) -> None:
    """The last visit counts while the downlink looks like then; else the downlink; else the least with pictures."""
    side = Given(Way(None, known=False))
    side.hint = hint
    side.own_downlink = None if down_kbps is None else way(down_kbps)
    decision = side.look()
    assert decision.limits.rung == rung
    if rung < 5:
        assert (decision.limits.why, decision.limits.whose) == ("start", "none")


def test_wrong_hint_is_given_up_when_a_queue_grows() -> None:
    """The first sign of congestion ends every assumption."""
    side = Given(Way(None, known=False))
    side.hint = LinkHint(up_bps=2_000_000, down_bps=9_000_000)
    assert side.look().limits.rung == 5
    side.uplink = way(55, queue_s=0.4, overusing=True)
    limits = side.run(0.4).limits
    assert limits.rung <= 3
    assert (limits.why, limits.whose) == ("rate", "own")


def test_says_whose_link_it_is() -> None:
    """A poor receiver is the other's link, a poor uplink one's own."""
    assert Given(GOOD, way(100)).look().limits.whose == "other"
    side = Given(way(100), GOOD)
    side.own_downlink = None
    assert side.look().limits.whose == "own"


def test_dip_of_the_estimate_costs_bits_and_no_rung() -> None:
    """While a queue drains the picture gets cheaper at once, and keeps its rung."""
    side = Given(way(600), GOOD)
    before = side.run(60)
    side.uplink = way(270)
    dip = side.run(0.6)
    assert before.limits.rung == dip.limits.rung == 5
    assert dip.remb_bps < before.remb_bps / 1.5
    side.uplink = way(600)
    assert side.run(5).limits.rung == 5


def test_much_loss_is_met_by_copies_and_room_for_them() -> None:
    """From a tenth on each packet is asked for ahead, and the ceiling is what the uplink carries, not what is new."""
    clean, lossy = Given(way(600), GOOD).run(20), Given(way(600, loss=0.3), GOOD).run(20)
    assert not clean.voice_ahead
    assert not clean.picture_ahead
    assert lossy.voice_ahead
    assert lossy.picture_ahead
    assert lossy.remb_bps > 550_000


@pytest.mark.parametrize(
    "uplink",
    [way(600, loss=0.05), way(600, loss=0.3, rtt_s=0.4), way(600, loss=0.3, queue_s=0.4), way(40, loss=0.3)],
    ids=["little lost", "far", "full", "thin"],
)
def test_copies_are_not_asked_for_where_they_are_of_no_use(uplink: Way) -> None:
    """They come too late over a long way, make a full link fuller, and have no room on a thin one."""
    decision = Given(uplink, GOOD).run(20)
    assert not decision.voice_ahead
    assert not decision.picture_ahead


def test_queue_brakes_whatever_the_estimate_says() -> None:
    """Half a second of queue holds the picture back, and the reason is delay."""
    side = Given()
    before = side.run(20)
    side.downlinks = [way(9000, queue_s=0.8)]
    side.sending_bps = 300_000
    braked = side.run(0.4)
    assert braked.remb_bps <= 0.75 * 300_000
    assert braked.remb_bps < before.remb_bps
    side.sending_bps = 100_000
    limits = side.run(4).limits
    assert (limits.rung < 5, limits.why, limits.whose) == (True, "delay", "other")


def test_much_loss_holds_the_picture_small_and_protects_the_voice() -> None:
    """At 30 % loss a picture is one packet, the voice is in short ones twice; at 60 % there is none."""
    side = Given(GOOD, way(1000, loss=0.3))
    limits = side.run(15).limits
    assert (limits.rung, limits.why, limits.whose) == (4, "loss", "other")
    assert limits.audio.red
    assert limits.audio.frame_ms == 20
    assert limits.video is not None
    assert limits.video.bitrate_bps <= shapes.LOSSY_PICTURE_BPS
    side.downlinks = [way(1000, loss=0.6)]
    assert side.run(3).limits.rung == 2


def test_voice_only_is_a_choice_and_comes_back_without_patience() -> None:
    """Chosen, the picture goes at once; wanted again, it is there again at the rung of before."""
    side = Given()
    side.run(60)
    side.client = ClientReport(wants_video=False)
    limits = side.run(0.2).limits
    assert (limits.rung, limits.why, limits.whose, limits.video, limits.stills_bps) == (1, "choice", "own", None, 0)
    side.run(100)
    side.client = ClientReport(wants_video=True)
    limits = side.run(0.2).limits
    assert (limits.rung, limits.why) == (5, "clear")


def test_choice_of_the_other_is_told_as_such() -> None:
    """Where the other was first to want voice only it is theirs."""
    side = Given()
    side.others_want = False
    side.run(1)
    side.client = ClientReport(wants_video=False)
    assert side.run(0.2).limits.whose == "other"


def test_cut_ends_where_it_began_with_a_low_rate() -> None:
    """The falls of the cut's own seconds are taken back, and the picture begins small."""
    side = Given()
    before = side.run(60)
    side.uplink = way(40, loss=0.9)
    side.run(2.4)
    assert side.look().limits.rung < 5
    side.now_s += 8
    side.uplink = GOOD
    side.controller.resume(side.now_s, 8 + 2.5)
    after = side.look()
    assert after.limits.rung == 5
    assert after.limits.video is not None
    assert after.remb_bps < before.remb_bps / 2
    assert side.run(6).remb_bps > before.remb_bps * 0.8


def test_other_link_after_a_cut_has_its_own_rung_soon() -> None:
    """From Wi-Fi to a thin cell: the estimate says so, and the rung of before goes at once."""
    side = Given()
    side.run(60)
    side.now_s += 10
    side.controller.resume(side.now_s, 10)
    side.uplink = way(50, queue_s=0.4, overusing=True)
    assert side.run(0.4).limits.rung <= 2


def test_resume_before_anything_was_sent_is_nothing() -> None:
    """A leg that falls silent before its first look begins as any other."""
    side = Given()
    side.controller.resume(0.0, 3.0)
    assert side.controller.limits is None
    assert side.look().limits.rung == 5


def test_overloaded_processor_gets_a_cheaper_codec_then_a_lower_rung() -> None:
    """AV1 and VP9 are given up before the picture is made smaller, and the reason is the processor."""
    side = Given(way(300), GOOD)
    side.own_downlink = None
    assert side.run(1).limits.video.codec == "AV1"  # type: ignore[union-attr]
    side.client = ClientReport(cpu_limited=True)
    limits = side.run(120).limits
    assert limits.video is not None
    assert limits.video.codec == "VP8"
    assert limits.rung < 5
    assert (limits.why, limits.whose) == ("cpu", "own")


def test_room_without_a_common_codec_has_stills() -> None:
    """Where nothing can be decoded by all there is no moving picture."""
    limits = Given(codecs=()).run(20).limits
    assert (limits.rung, limits.video) == (2, None)
    assert limits.stills_bps > 0


def test_deferred_only_after_ten_seconds_without_room_for_a_voice() -> None:
    """One bad moment sends nobody to the telephone, and a voice brings the visit back."""
    side = Given(way(60), GOOD)
    side.run(20)
    side.uplink = way(9)
    assert side.run(9).limits.rung == 1
    assert side.run(12).limits.rung == 0
    side.uplink = way(60)
    side.sending_bps = 20_000
    assert side.run(40).limits.rung == 1


def test_poorest_of_three_is_heard_only() -> None:
    """One receiver whose link has no room for a picture does not take it from the other."""
    decision = Given(GOOD, GOOD, way(34)).run(20)
    assert decision.limits.rung == 5
    assert decision.paused == {"1"}


def test_hidden_picture_does_not_hold_the_rung_down() -> None:
    """Where the allocation shows somebody else the sender stays at its rung, and is not forwarded."""
    side = Given(GOOD, way(80))
    side.shown = False
    decision = side.look()
    assert decision.limits.rung == 5
    assert decision.paused == {"0"}


def test_tells_seldom_what_is_a_little_more() -> None:
    """A rate that goes up and down a little is left to REMB."""
    side = Given(way(600), GOOD)
    side.run(30)
    side.changes = 0
    for _ in range(60):
        side.uplink = way(600)
        side.run(0.6)
        side.uplink = way(560)
        side.run(0.4)
    assert side.changes == 0


ways = st.builds(
    Way,
    rate_bps=st.none() | st.integers(5_000, 5_000_000),
    known=st.booleans(),
    loss=st.floats(0, 1),
    queue_s=st.floats(0, 3),
    overusing=st.booleans(),
    rtt_s=st.floats(0, 2),
    remb_bps=st.none() | st.integers(5_000, 5_000_000),
)
clients = st.none() | st.builds(
    ClientReport, wants_video=st.booleans(), cpu_limited=st.booleans(), encode_ms=st.none() | st.floats(0, 200)
)


@given(st.lists(st.tuples(ways, st.lists(ways, max_size=3), clients, st.floats(0.1, 40)), min_size=1, max_size=40))
@settings(max_examples=80, deadline=None)
def test_rules_hold_whatever_is_reported(looks: list[tuple[Way, list[Way], ClientReport | None, float]]) -> None:
    """The voice is always within the ceiling; pictures go with their rungs; climbs keep their distance."""
    side = Given()
    changed_s, before, chosen, began_s = 0.0, None, False, 0.0
    for uplink, downlinks, client, elapsed_s in looks:
        side.uplink, side.downlinks, side.client = uplink, downlinks, client
        decision = side.run(0.2)
        limits = decision.limits
        assert decision.remb_bps >= shapes.voice_bps(limits.audio)
        assert (limits.video is not None) == (limits.rung >= 3)
        assert (limits.why == "clear") <= (limits.whose == "none")
        if client is not None and not client.wants_video:
            assert limits.rung <= 1
        wanted_again = chosen and (client is None or client.wants_video)
        chosen = client is not None and not client.wants_video
        if wanted_again:
            began_s = side.now_s
        if before is not None and limits.rung > before and side.now_s - began_s > START_S:
            assert limits.rung == before + 1
            assert side.now_s - changed_s >= CHANGE_EVERY_S
        if limits.rung != before:
            changed_s, before = side.now_s, limits.rung
        side.now_s += elapsed_s
