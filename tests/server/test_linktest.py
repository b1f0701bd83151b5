"""The parts of `puente linktest` that need no network."""

from __future__ import annotations

import random
from typing import get_args

import pytest

from media.answer import parse_answer
from media.dtls import Certificate
from media.ice import IceCredentials
from media.sdp import OfferSpec, SlotSsrcs, build_offer
from media.sentlog import PacketResult
from server.linktest.checks import round_trips
from server.linktest.mtu import SIZES, MtuSearch
from server.linktest.offer import OfferError, Sender, read_offer, write_answer
from server.linktest.ramp import (
    FIRST_BPS,
    LAST_BPS,
    STEADY_MOST_BPS,
    STEP_S,
    Ramp,
    Step,
    Train,
    jitter_s,
    outcome,
    steady,
)
from server.linktest.report import LinkReport, RoundTrip, WayResult, direction
from server.linktest.words import WORDS, Language, failure, table

SPEC = OfferSpec(
    session_id=1,
    version=1,
    addresses=("192.0.2.1", "2001:db8::1"),
    port=40_000,
    ice=IceCredentials("ufrag1", "p" * 32),
    fingerprint=":".join(["AB"] * 32),
    slots=tuple(SlotSsrcs(10 * n + 1, 10 * n + 2, 10 * n + 3) for n in range(3)),
)


class Link:
    """A link with a bottleneck, a queue, and losses: what a step's packets meet."""

    def __init__(self, rate_bps: float, *, loss: float = 0.0, queue_s: float = 1.0, jitter_s: float = 0.0) -> None:
        self.rate_bps, self.loss, self.queue_s, self.jitter_s = rate_bps, loss, queue_s, jitter_s
        self.random = random.Random(1)
        self.now_s = 0.0
        self.free_s = 0.0
        self.sent_bytes = 0

    def send(self, step: Step) -> list[PacketResult]:
        """Send a step; the queue is empty again afterwards."""
        results = []
        for _ in range(step.packets):
            self.now_s += step.gap_s
            self.sent_bytes += step.packet_bytes
            waiting_s = max(0.0, self.free_s - self.now_s)
            arrived_s = None
            if waiting_s <= self.queue_s:
                self.free_s = self.now_s + waiting_s + 8 * step.packet_bytes / self.rate_bps
                if self.random.random() >= self.loss:
                    arrived_s = self.free_s + 0.1 + self.random.uniform(0, self.jitter_s)
            results.append(PacketResult(self.now_s, arrived_s, step.packet_bytes, step.number))
        self.now_s = max(self.now_s, self.free_s) + 1
        return results


def climb(link: Link, base_loss: float = 0.0) -> Ramp:
    """Go through all steps."""
    ramp = Ramp(base_loss)
    while (step := ramp.next()) is not None:
        ramp.conclude(link.send(step))
    return ramp


@pytest.mark.parametrize("rate_bps", [20_000, 40_000, 64_000, 128_000, 300_000, 900_000, 2_500_000])
def test_the_ramp_finds_what_a_link_carries(rate_bps: int) -> None:
    """Within a sixth, with the jitter of a mobile network."""
    ramp = climb(Link(rate_bps, jitter_s=0.025))
    assert ramp.rate_bps == pytest.approx(rate_bps, rel=0.17)
    assert not ramp.at_least


@pytest.mark.parametrize("loss", [0.05, 0.2, 0.3])
def test_losses_are_not_taken_for_a_full_link(loss: float) -> None:
    """What is lost at any rate had its place on the link."""
    assert climb(Link(500_000, loss=loss), loss).rate_bps == pytest.approx(500_000, rel=0.25)
    assert climb(Link(50_000_000, loss=loss), loss).at_least


def test_a_fast_link_carries_at_least_the_last_step() -> None:
    """The ramp ends there, and says that there may be more."""
    ramp = climb(Link(50_000_000, jitter_s=0.01))
    assert (ramp.rate_bps, ramp.at_least) == (LAST_BPS, True)


def test_a_short_queue_is_seen_by_what_it_drops() -> None:
    """A link that drops instead of delaying is full too."""
    assert climb(Link(200_000, queue_s=0.05)).rate_bps == pytest.approx(200_000, rel=0.25)


def test_no_step_lasts_longer_than_a_second_of_its_own_rate() -> None:
    """Nor is any more than double the one before, so that a thin link is full for a moment only."""
    ramp, before_bps = Ramp(0.0), FIRST_BPS / 2
    link = Link(50_000_000)
    while (step := ramp.next()) is not None:
        assert step.packets * step.gap_s <= STEP_S * 1.05
        assert step.rate_bps <= 2 * before_bps
        before_bps = step.rate_bps
        ramp.conclude(link.send(step))


def test_a_step_without_an_answer_is_sent_once_more() -> None:
    """Then nothing more is sent, and nothing is claimed."""
    ramp = Ramp(0.0)
    first = ramp.next()
    assert first is not None
    ramp.conclude([])
    again = ramp.next()
    assert again is not None
    assert again.rate_bps == first.rate_bps
    ramp.conclude([])
    assert ramp.next() is None
    assert ramp.rate_bps is None


def test_what_was_not_reported_is_not_lost() -> None:
    """Loss counts only packets of which something is known."""
    step = steady(0, 100_000)
    results = Link(1_000_000).send(step)
    hidden = [result._replace(arrived_s=None, unreported=True) for result in results[:10]]
    assert outcome(step, hidden + results[10:]).loss == 0
    lost = [result._replace(arrived_s=None) for result in results[:10]]
    assert outcome(step, lost + results[10:]).loss == pytest.approx(10 / step.packets)


def test_the_steady_step_stays_below_what_fits() -> None:
    """Like a call, and no faster than one."""
    assert steady(0, 64_000).rate_bps < 64_000
    assert steady(0, 3_000_000).rate_bps == STEADY_MOST_BPS


def test_jitter_is_the_change_from_packet_to_packet() -> None:
    """None of an even stream, and its mean of an uneven one."""
    even = [PacketResult(n / 10, n / 10 + 5, 100) for n in range(10)]
    uneven = [PacketResult(n / 10, n / 10 + 5 + 0.02 * (n % 2), 100) for n in range(10)]
    assert jitter_s(even) == pytest.approx(0)
    assert jitter_s(uneven) == pytest.approx(0.02)
    assert jitter_s(even[:2]) is None


def test_a_train_is_as_fast_as_it_comes() -> None:
    """And too few packets are no train."""
    train = Train()
    for n in range(5):
        train.take(n * 0.04, 320)
    assert train.rate_bps is None
    for n in range(5, 40):
        train.take(n * 0.04, 320)
    assert train.rate_bps == pytest.approx(64_000, rel=0.01)


@pytest.mark.parametrize("mtu", [*SIZES, 1499, 1281])
def test_the_search_finds_the_longest_packet_that_passes(mtu: int) -> None:
    """In few steps, whether too long ones are refused here or lost on the way."""
    for here in (True, False):
        search, steps = MtuSearch(), 0
        while not search.over:
            steps += 1
            if search.size <= mtu:
                search.answered()
            elif here:
                search.refused()
            else:
                search.missed()
        assert search.found == max(size for size in SIZES if size <= mtu)
        assert steps <= 12


def test_a_path_that_carries_nothing_has_no_longest_packet() -> None:
    """Rather than the smallest."""
    search = MtuSearch()
    while not search.over:
        search.missed()
    assert search.found is None


def test_an_offer_is_read_and_its_answer_is_taken() -> None:
    """The relay's own reader finds both media sent and counted in it."""
    offer = read_offer(build_offer(SPEC))
    assert offer.udp == (("192.0.2.1", 40_000), ("2001:db8::1", 40_000)) == offer.tcp
    assert (offer.ice, offer.fingerprint) == (SPEC.ice, SPEC.fingerprint)
    sender = Sender.fresh()
    answer = parse_answer(write_answer(sender, Certificate().fingerprint), SPEC)
    assert answer.counts == {"audio", "video"}
    assert answer.setup == "active"
    assert answer.video is not None
    assert (answer.video.ssrc, answer.video.rtx_ssrc) == (sender.video_ssrc, sender.rtx_ssrc)


@pytest.mark.parametrize("gone", ["a=ice-pwd", "a=ice-ufrag", "a=fingerprint", "a=candidate"])
def test_what_is_no_offer_is_refused(gone: str) -> None:
    """A server may send anything."""
    lines = [line for line in build_offer(SPEC).split("\r\n") if not line.startswith(gone)]
    with pytest.raises(OfferError):
        read_offer("\r\n".join(lines))


def test_round_trips_are_summed_up() -> None:
    """Median, spread, evenness, and how many were never answered."""
    trips = round_trips(4, [0.1, 0.2, 0.1])
    assert trips is not None
    assert (trips.least_ms, trips.median_ms, trips.most_ms, trips.jitter_ms) == (100, 100, 200, 100)
    assert trips.loss == 0.25
    assert round_trips(4, []) is None


def report(up_bps: int | None, down_bps: int | None, loss: float = 0.0) -> LinkReport:
    """A test over UDP."""
    return LinkReport(
        server="https://example.org",
        udp=WayResult(outcome="yes", rtt_ms=100),
        tcp=WayResult(outcome="no"),
        turn=WayResult(outcome="not_configured"),
        used="udp",
        round_trip=RoundTrip(least_ms=90, median_ms=100, most_ms=140, jitter_ms=8, loss=0),
        up=direction(up_bps, loss),
        down=direction(down_bps, loss),
        mtu_bytes=1500,
        seconds=20.4,
    )


@pytest.mark.parametrize(
    ("up_bps", "down_bps", "verdict", "code"),
    [
        (2_000_000, 2_000_000, "video", 0),
        (2_000_000, 40_000, "voice", 1),
        (24_000, 2_000_000, "voice", 1),
        (2_000_000, 8_000, "phone", 2),
        (None, 2_000_000, "unknown", 2),
    ],
)
def test_the_worse_direction_decides(up_bps: int | None, down_bps: int | None, verdict: str, code: int) -> None:
    """And what is not known is not promised."""
    found = report(up_bps, down_bps)
    assert (found.verdict, found.exit_code) == (verdict, code)


def test_what_limits_a_direction_is_said() -> None:
    """Its rate, or the loss without which more would fit, or nothing."""
    assert direction(2_000_000, 0.0).limited_by == "nothing"
    assert direction(60_000, 0.0).limited_by == "rate"
    assert direction(64_000, 0.06).limited_by == "loss"
    assert direction(None, 0.1).limited_by == "unknown"


@pytest.mark.parametrize("language", get_args(Language))
def test_the_table_says_all_of_it_in_words(language: Language) -> None:
    """Every row, the verdict, and every reason why there was no test."""
    words = WORDS[language]
    text = table(report(2_000_000, 64_000, 0.06), language)
    for row in words.rows.values():
        assert row in text
    assert "2.0 Mbit/s" in text
    assert "64 kbit/s" in text
    assert "1500 bytes" in text
    assert text.splitlines()[-1].startswith(words.verdicts["voice"])
    nothing = LinkReport(
        server="https://example.org",
        udp=WayResult(outcome="no"),
        tcp=WayResult(outcome="no"),
        turn=WayResult(outcome="relay_unreached", detail="turns:example.org"),
    )
    assert table(nothing, language).splitlines()[-1] == words.verdicts["no_way"]
    for code in words.failures:
        assert "{" not in failure(code, "https://example.org", language)


def test_both_languages_say_the_same_things() -> None:
    """No row, reason or rung is missing in either."""
    spanish, english = WORDS["es-MX"], WORDS["en"]
    for part in ("rows", "outcomes", "limits", "verdicts", "failures"):
        assert getattr(spanish, part).keys() == getattr(english, part).keys()
    assert len(spanish.rungs) == len(english.rungs) == 6
