"""What a link carries, found on simulated links and from hostile reports."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.aimd import MAX_BPS, MIN_BPS
from media.estimator import Estimator, PacketResult, SendClock, SentLog
from media.rtcp import RtcpError
from media.twcc import Clock, Report, parse
from tests.media.linksim import Link, Run

RTTS = [0.07, 0.35, 0.7]


# --- finding the rate ---


@pytest.mark.parametrize("loss", [0.0, 0.01, 0.05, 0.3])
@pytest.mark.parametrize("rtt_s", RTTS)
@pytest.mark.parametrize("rate_bps", [64e3, 100e3, 128e3, 256e3, 400e3, 512e3, 3e6])
def test_finds_the_rate_of_a_link(rate_bps: float, rtt_s: float, loss: float) -> None:
    """After 15 s a sender that follows uses two thirds or more of any link, with no queue to speak of."""
    run = Run(Link(rate_bps, rtt_s / 2, 0.01, loss=loss, seed=3)).run(30)
    assert 0.65 <= run.mean("sent_bps", 15) / rate_bps <= 1.01
    assert run.mean("queue_s", 15) < 0.15
    assert min(run.mean("estimate_bps", at_s, at_s + 3) for at_s in (15, 18, 21, 24, 27)) > 0.5 * rate_bps


@pytest.mark.parametrize("jitter_s", [0.025, 0.04])
@pytest.mark.parametrize("rate_bps", [64e3, 400e3])
def test_jitter_costs_no_rate(rate_bps: float, jitter_s: float) -> None:
    """The jitter of a radio link is not taken for a queue."""
    run = Run(Link(rate_bps, 0.1, jitter_s)).run(30)
    assert run.mean("sent_bps", 15) > 0.85 * rate_bps


@pytest.mark.parametrize("rtt_s", [0.1, 0.6])
@pytest.mark.parametrize("rate_bps", [64e3, 128e3, 400e3, 2e6])
def test_pictures_in_bursts_are_borne(rate_bps: float, rtt_s: float) -> None:
    """A browser that sends pictures in bursts and keyframes on top is held to the rate, with a small queue."""
    run = Run(Link(rate_bps, rtt_s / 2, 0.01), fps=12).run(40)
    assert 0.65 <= run.mean("sent_bps", 12) / rate_bps <= 1.02
    assert run.mean("queue_s", 12) < 0.2


@pytest.mark.parametrize("rate_bps", [25e3, 44e3])
def test_keeps_to_the_thinnest_links(rate_bps: float) -> None:
    """A link that carries little more than a voice is found too."""
    run = Run(Link(rate_bps, 0.3, 0.01, queue_limit_s=3.0)).run(40)
    assert run.mean("sent_bps", 20) <= 1.01 * rate_bps
    assert run.mean("queue_s", 20) < 0.4


def test_uses_a_fast_link() -> None:
    """Twenty megabits are reached in a few seconds."""
    run = Run(Link(30e6, 0.03, 0.002), 1e6, max_video_bps=20e6).run(8)
    assert run.mean("sent_bps", 6) > 18e6


@pytest.mark.parametrize("report_every_s", [0.05, 0.5])
def test_seldom_reports_are_enough(report_every_s: float) -> None:
    """On thin links reports come twice a second; the rate is found all the same."""
    run = Run(Link(64e3, 0.35, 0.01), report_every_s=report_every_s).run(30)
    assert 0.65 * 64e3 <= run.mean("sent_bps", 15) <= 1.01 * 64e3


def test_lost_reports_are_not_lost_packets() -> None:
    """When a third of the reports is lost the rate is not underestimated."""
    run = Run(Link(128e3, 0.1, 0.01), report_loss=0.3).run(30)
    assert run.mean("sent_bps", 15) > 0.8 * 128e3
    assert run.estimator.loss < 0.02


def test_clocks_may_drift_apart() -> None:
    """A receiver whose clock is 100 ppm off looks like no queue."""
    run = Run(Link(128e3, 0.1, 0.01), drift=1e-4).run(150)
    assert run.mean("sent_bps", 15) > 0.85 * 128e3


# --- a queue ---


@pytest.mark.parametrize("queue_limit_s", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("rtt_s", RTTS)
def test_notices_a_loss_of_capacity(rtt_s: float, queue_limit_s: float) -> None:
    """From 2 Mbit/s to 64 kbit/s the estimate follows in 2 s, drains the queue, and finds the new rate."""
    run = Run(Link(2e6, rtt_s / 2, 0.005, queue_limit_s=queue_limit_s), 1e6)
    run.changes = [(20.0, lambda run: setattr(run.link, "rate_bps", 64e3))]
    run.run(40)
    assert run.when(lambda sample: sample.estimate_bps < 64e3, 20) <= 2.0
    assert run.when(lambda sample: sample.queue_s < 0.15, 21) < 6.0
    assert run.mean("sent_bps", 30) > 0.65 * 64e3


@pytest.mark.parametrize("rtt_s", RTTS)
def test_drains_what_a_start_too_high_has_filled(rtt_s: float) -> None:
    """At 300 kbit/s into 64 the two seconds of queue of a 2G link are gone in a few seconds."""
    run = Run(Link(64e3, rtt_s / 2, 0.01, queue_limit_s=2.0), 300e3).run(20)
    assert run.when(lambda sample: sample.queue_s < 0.15, 2) < 6.0
    assert run.mean("queue_s", 12) < 0.15


def test_finds_more_when_there_is_more() -> None:
    """From 64 kbit/s to 2 Mbit/s the rate is found within 15 s, without probes."""
    run = Run(Link(64e3, 0.05, 0.005))
    run.changes = [(15.0, lambda run: setattr(run.link, "rate_bps", 2e6))]
    run.run(40)
    assert run.when(lambda sample: sample.estimate_bps > 1.3e6, 15) < 15


def test_a_longer_path_is_no_queue() -> None:
    """300 ms more of delay for good (another route) cost a few seconds, not the rate."""
    run = Run(Link(400e3, 0.1, 0.01))
    run.changes = [(20.0, lambda run: setattr(run.link, "delay_s", 0.4))]
    run.run(60)
    assert run.mean("sent_bps", 28, 60) > 0.65 * 400e3


def test_reports_the_standing_queue() -> None:
    """The queue that is told of is the one that is there, within 60 ms, while a careless sender fills it."""
    run = Run(Link(256e3, 0.1, 0.005, queue_limit_s=1.0), fixed_bps=100e3).run(5)
    run.fixed_bps = 300e3
    run.run(25)
    assert run.link.queue_s > 0.9
    assert run.estimator.queue_s == pytest.approx(run.link.queue_s, abs=0.06)
    assert run.estimator.overusing
    assert run.estimator.estimate_bps < 256e3


# --- loss ---


def test_random_loss_that_begins_is_learned() -> None:
    """When radio begins to lose 30 % the rate is lowered once, and comes back."""
    run = Run(Link(400e3, 0.3, 0.01))
    run.changes = [(20.0, lambda run: setattr(run.link, "loss", 0.3))]
    run.run(60)
    assert run.mean("sent_bps", 36, 60) > 0.65 * 400e3
    assert run.estimator.inherent_loss == pytest.approx(0.3, abs=0.08)
    assert run.estimator.loss == pytest.approx(0.3, abs=0.12)


@pytest.mark.parametrize("loss", [0.0, 0.05])
def test_a_link_without_a_queue_is_not_overrun(loss: float) -> None:
    """Where a policer drops instead of queueing, loss that falls with the rate holds it down."""
    run = Run(Link(400e3, 0.1, 0.01, queue_limit_s=0.03, loss=loss)).run(60)
    assert 0.65 * 400e3 < run.mean("sent_bps", 15) < 1.15 * 400e3


def test_a_cut_is_no_loss() -> None:
    """After ten seconds of nothing the rate is what it was, within seconds, and the loss is not counted."""
    run = Run(Link(400e3, 0.09, 0.005, cuts=[(20.0, 30.0)])).run(36)
    assert run.mean("sent_bps", 32) > 0.65 * 400e3
    assert run.mean("queue_s", 31) < 0.15
    assert run.estimator.loss < 0.02
    assert run.estimator.inherent_loss < 0.02


@pytest.mark.parametrize("rate_bps", [64e3, 400e3])
def test_what_a_cut_held_back_is_drained(rate_bps: float) -> None:
    """A network that keeps all packets of a cut for later: their delay of ten seconds is a queue, and is drained."""
    run = Run(Link(rate_bps, 0.1, 0.005, queue_limit_s=20.0))
    run.changes = [(20.0, lambda run: setattr(run.link, "free_s", 30.0))]
    run.run(60)
    assert run.when(lambda sample: sample.queue_s < 0.15, 30) < (15 if rate_bps < 100e3 else 6)
    assert run.mean("sent_bps", 50) > 0.65 * rate_bps


# --- little is sent ---


@pytest.mark.parametrize(("every_s", "size"), [(0.06, 160), (0.12, 200)])
@pytest.mark.parametrize("jitter_s", [0.025, 0.04])
def test_voice_alone_is_calm(every_s: float, size: int, jitter_s: float) -> None:
    """Two minutes of voice with jitter: never overuse, no decay, and no estimate beyond what it can know."""
    link = Link(256e3, 0.1, jitter_s)
    run = Run(link, 60e3, video=False, voice_every_s=every_s, voice_bytes=size).run(120)
    assert not any(sample.overusing for sample in run.samples)
    assert min(sample.estimate_bps for sample in run.samples) >= 60e3
    assert run.estimator.estimate_bps < 65e3
    assert run.estimator.known


@pytest.mark.parametrize("rtt_s", RTTS)
def test_a_sender_that_used_little_is_warned_in_time(rtt_s: float) -> None:
    """If the link falls below the little that is sent, the estimate is there in three seconds, from however high."""
    run = Run(Link(2e6, rtt_s / 2, 0.01, queue_limit_s=2.0), probe=True, max_video_bps=200e3)
    run.changes = [(20.0, lambda run: setattr(run.link, "rate_bps", 128e3))]
    run.run(32)
    assert run.mean("estimate_bps", 19, 20) > 1e6
    assert run.when(lambda sample: sample.estimate_bps < 128e3, 20) < 3.0
    assert run.mean("queue_s", 28) < 0.2


def test_voice_on_a_link_that_loses_is_calm() -> None:
    """Voice alone makes no loss, so 30 % of it lowers nothing and is learned as the link's own."""
    run = Run(Link(256e3, 0.1, 0.02, loss=0.3), 100e3, video=False).run(60)
    assert run.estimator.estimate_bps >= 100e3
    assert run.estimator.inherent_loss > 0.15


def test_is_unknown_at_first() -> None:
    """Nothing is known before some seconds of reports, or a probe."""
    assert not Estimator().known
    run = Run(Link(256e3, 0.1)).run(1.0)
    assert not run.estimator.known
    assert run.run(6.0).estimator.known
    probed = Estimator()
    probed.probed(500e3, 0.0)
    assert probed.known


def test_tells_what_is_proven() -> None:
    """With voice alone only the voice is proven; after a probe what it measured; never more than the estimate."""
    run = Run(Link(256e3, 0.1), 100e3, video=False).run(10)
    assert run.estimator.proven_bps == pytest.approx(21.3e3, rel=0.1)
    run.estimator.probed(200e3, run.now_s)
    assert run.estimator.proven_bps == pytest.approx(180e3)
    full = Run(Link(64e3, 0.1)).run(30)
    assert 50e3 < full.estimator.proven_bps <= full.estimator.estimate_bps


# --- probes ---


@pytest.mark.parametrize(("rate_bps", "least_bps"), [(64e3, 45e3), (256e3, 180e3), (3e6, 1.8e6)])
def test_a_probed_link_is_used_at_once(rate_bps: float, least_bps: float) -> None:
    """With probing at the start the rate is found in four seconds."""
    run = Run(Link(rate_bps, 0.05, 0.01, queue_limit_s=2.0), 60e3, probe=True).run(15)
    assert least_bps < run.mean("estimate_bps", 4, 15) < 1.05 * rate_bps


def test_a_low_probe_counts_only_at_the_start() -> None:
    """A start above what the first probe shows is corrected; later a low result changes nothing."""
    estimator = Estimator(300e3)
    estimator.probed(64e3, 0.0)
    assert estimator.estimate_bps == pytest.approx(0.9 * 64e3)
    estimator.probed(20e3, 1.0)
    assert estimator.estimate_bps == pytest.approx(0.9 * 64e3)


# --- hostile ---

times = st.floats(-1e6, 1e6)
results = st.builds(
    PacketResult,
    times,
    st.none() | times,
    st.integers(0, 70_000),
    st.none() | st.integers(0, 9),
    st.booleans(),
    st.booleans(),
)


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.lists(results, max_size=30), st.floats(0, 5), st.floats(0, 10), st.floats(0, 1e9)), max_size=20
    )
)
def test_arbitrary_reports_stay_in_bounds(reports: list[tuple[list[PacketResult], float, float, float]]) -> None:
    """Whatever a browser claims, nothing is raised and every figure stays in its bounds."""
    estimator = Estimator()
    now_s = 0.0
    for batch, wait_s, rtt_s, probed_bps in reports:
        now_s += wait_s
        estimator.update(batch, now_s, rtt_s)
        if probed_bps > 5e8:
            estimator.probed(probed_bps, now_s)
        assert MIN_BPS <= estimator.estimate_bps <= MAX_BPS
        assert 0 <= estimator.loss <= 1
        assert 0 <= estimator.inherent_loss <= 1
        assert estimator.queue_s >= 0
        assert estimator.acked_bps >= 0


@settings(max_examples=50)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.5, 1.0]))
def test_a_liar_harms_only_itself(seed: int, lie: float) -> None:
    """Random times for real packets give an estimate within bounds, and honest reports repair it."""
    noise = random.Random(seed)
    estimator, log = Estimator(), SentLog()
    for number in range(400):
        now_s = number * 0.02
        log.sent(number, now_s, 500)
        if number % 5 == 4:
            told: list[tuple[int, float | None]] = [
                (sequence, noise.uniform(-100, 100) if noise.random() < lie else now_s + 5)
                for sequence in range(number - 4, number + 1)
            ]
            estimator.update(log.match(Report(number - 4, 0, told)), now_s, 0.1)
            assert MIN_BPS <= estimator.estimate_bps <= MAX_BPS


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 200), st.binary(max_size=120)), max_size=20))
def test_arbitrary_bytes_as_feedback_stay_in_bounds(feedbacks: list[tuple[int, int, bytes]]) -> None:
    """From the bytes of a feedback to the estimate: whatever they are, only RtcpError is raised."""
    estimator, log, clock = Estimator(), SentLog(), Clock()
    number = 0
    for step, (base, count, rest) in enumerate(feedbacks):
        for _ in range(50):
            number = (number + 1) & 0xFFFF
            log.sent(number, step * 0.1, 700)
        near = (number - 60 + base % 64) & 0xFFFF
        try:
            report = parse(struct.pack("!HH", near, count) + rest, clock)
        except RtcpError:
            continue
        estimator.update(log.match(report), step * 0.1, 0.1)
        assert MIN_BPS <= estimator.estimate_bps <= MAX_BPS


def _little_traffic(estimator: Estimator, from_s: float, seconds: float, bps: float) -> float:
    """Feed packets of 250 bytes that come without delay; returns the highest estimate."""
    most_bps, step_s = 0.0, 2000 / bps
    for part in range(int(seconds / 0.1)):
        now_s = from_s + part * 0.1
        times = [now_s + index * step_s for index in range(max(1, round(0.1 / step_s)))]
        estimator.update([PacketResult(at_s, at_s + 0.1, 250) for at_s in times], now_s + 0.1, 0.2)
        most_bps = max(most_bps, estimator.estimate_bps)
    return most_bps


def test_a_link_that_was_seen_full_is_not_filled_by_hope() -> None:
    """A burst showed 128 kbit/s: for half a minute 100 kbit/s without a queue give no hope of more, then they do."""
    known, hoping = Estimator(), Estimator()
    for estimator in (known, hoping):
        _little_traffic(estimator, 0.0, 3.0, 80_000)
    known.filled(128_000, 3.0)
    assert _little_traffic(known, 3.0, 25.0, 100_000) < 128_000
    assert _little_traffic(hoping, 3.0, 25.0, 100_000) > 140_000
    assert _little_traffic(known, 28.0, 30.0, 100_000) > 128_000


# --- the log of what was sent ---


def test_matches_each_packet_once() -> None:
    """A report yields results in order; the same report again yields none, nor do packets never sent."""
    log = SentLog()
    for number in (65534, 65535, 0):
        log.sent(number, number / 1000, 100 + number % 7, 5 if number == 0 else None)
    report = Report(65534, 0, [(65534, 1.0), (65535, None), (0, 1.2), (1, 1.3)])
    assert log.match(report) == [
        PacketResult(65.534, 1.0, 100 + 65534 % 7),
        PacketResult(65.535, None, 100 + 65535 % 7),
        PacketResult(0.0, 1.2, 100, 5),
    ]
    assert log.match(report) == []


def test_amends_a_loss() -> None:
    """A packet reported lost that turns up later is told of again, marked so."""
    log = SentLog()
    log.sent(7, 1.0, 100)
    log.match(Report(7, 0, [(7, None)]))
    assert log.match(Report(7, 1, [(7, 9.0)])) == [PacketResult(1.0, 9.0, 100, None, amends=True)]
    assert log.match(Report(7, 2, [(7, 9.0)])) == []


def test_knows_what_a_lost_report_would_have_told() -> None:
    """Packets between two reports are unreported, not lost."""
    log = SentLog()
    for number in range(6):
        log.sent(number, number * 1.0, 100)
    log.match(Report(0, 0, [(0, 10.0)]))
    got = log.match(Report(3, 2, [(3, 13.0)]))
    assert [(one.sent_s, one.arrived_s, one.unreported) for one in got] == [
        (1.0, None, True), (2.0, None, True), (3.0, 13.0, False),
    ]  # fmt: skip


def test_forgets_what_was_sent_long_ago() -> None:
    """The log is a ring: numbers that were sent over are not matched."""
    log = SentLog()
    for number in range(5000):
        log.sent(number, 0.0, 100)
    assert log.match(Report(10, 0, [(10, 1.0)])) == []
    assert len(log.match(Report(4999, 0, [(4999, 1.0)]))) == 1


def test_tells_of_silence() -> None:
    """Silence is the time since the first packet after the last report."""
    log = SentLog()
    assert log.silent_s(5.0) == 0.0
    log.sent(1, 6.0, 100)
    log.sent(2, 7.0, 100)
    assert log.silent_s(8.5) == 2.5
    log.match(Report(1, 0, [(1, 1.0)]))
    assert log.silent_s(9.0) == 0.0


# --- the sender's clock ---


def test_send_times_go_on_when_they_wrap() -> None:
    """The 24 bits wrap each 64 s; reordered packets go back a little."""
    clock = SendClock()
    assert clock.unwrap(0xFFFFFF) == pytest.approx(64, abs=1e-5)
    assert clock.unwrap(0) == pytest.approx(64)
    assert clock.unwrap(0xFC0000) == pytest.approx(63)
    assert clock.unwrap(1 << 18) == pytest.approx(65)
