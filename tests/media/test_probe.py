"""Trains of padding and what they measure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.probe import FIRST_AGAIN, FIRST_RETRY_S, MAX_RETRY_S, PACKET_BYTES, UP, UP_AGAIN, Prober, Verdict
from media.sentlog import PacketResult
from tests.media.linksim import Link


def _probe(prober: Prober, link: Link, now_s: float, *, media_every_s: float = 0.0) -> tuple[list[Verdict], float, int]:
    """Send what is due over a link until nothing more is; returns verdicts, when it was over, most bytes in flight."""
    verdicts: list[Verdict] = []
    pending: list[PacketResult] = []
    in_flight = 0
    while prober.busy:
        packets, number = prober.due(now_s)
        for _ in range(packets):
            pending.append(PacketResult(now_s, link.send(now_s, PACKET_BYTES), PACKET_BYTES, number))
        if media_every_s and round(now_s / 0.005) % round(media_every_s / 0.005) == 0:
            pending.append(PacketResult(now_s, link.send(now_s, 1000), 1000))
        in_flight = max(in_flight, sum(one.size_bytes for one in pending if (one.arrived_s or 0) > now_s))
        told = [one for one in pending if (one.arrived_s or one.sent_s + 0.2) + link.delay_s <= now_s]
        pending = [one for one in pending if one not in told]
        verdict = prober.update(told, now_s, 2 * link.delay_s)
        if verdict is not None:
            verdicts.append(verdict)
        now_s += 0.005
    return verdicts, now_s, in_flight


@pytest.mark.parametrize("jitter_s", [0.0, 0.03])
@pytest.mark.parametrize("rate_bps", [32e3, 64e3, 128e3, 256e3, 400e3, 1e6, 2e6])
def test_measures_a_link_at_the_start(rate_bps: float, jitter_s: float) -> None:
    """The last of the first trains tells the rate within a fifth (a third with jitter), from 32 kbit/s to 2 Mbit/s."""
    prober = Prober()
    prober.start(0.0)
    verdicts, _, _ = _probe(prober, Link(rate_bps, 0.1, jitter_s, queue_limit_s=3.0), 0.0)
    assert verdicts[-1].rate_bps == pytest.approx(rate_bps, rel=0.33 if jitter_s else 0.2)


def test_goes_up_while_trains_come_through() -> None:
    """On a fast link trains of 0.3, 0.9, 2.7 and 3 Mbit/s take a second and a half."""
    prober = Prober()
    prober.start(0.0)
    verdicts, over_s, _ = _probe(prober, Link(20e6, 0.05, 0.005), 0.0)
    assert [verdict.sent_bps for verdict in verdicts] == [300e3, 900e3, 2.7e6, 3e6]
    assert all(verdict.through for verdict in verdicts)
    assert over_s < 1.6


def test_a_thin_link_is_not_flooded() -> None:
    """On 64 kbit/s the first probing puts at most 6 kB in flight and is one train."""
    prober = Prober()
    prober.start(0.0)
    verdicts, _, in_flight = _probe(prober, Link(64e3, 0.2, 0.01, queue_limit_s=3.0), 0.0)
    assert len(verdicts) == 1
    assert not verdicts[0].through
    assert in_flight <= 6000


@pytest.mark.parametrize("loss", [0.05, 0.2])
def test_loss_lowers_a_result_by_no_more_than_itself(loss: float) -> None:
    """With random loss the result is what came through."""
    prober = Prober()
    prober.start(0.0)
    verdicts, _, _ = _probe(prober, Link(256e3, 0.1, 0.01, loss=loss, seed=5), 0.0)
    assert verdicts[0].rate_bps is not None
    assert 256e3 * (1 - loss) * 0.75 < verdicts[0].rate_bps < 256e3 * 1.2


def test_a_train_mostly_lost_tells_nothing() -> None:
    """With less than 60 % arrived there is no result, and another train is tried."""
    prober = Prober()
    prober.start(0.0)
    verdicts, _, _ = _probe(prober, Link(256e3, 0.1, loss=0.7), 0.0)
    assert verdicts == [Verdict(None, 300e3, False)] * (1 + FIRST_AGAIN)


def test_reports_that_never_come_end_a_train() -> None:
    """Without any report a train is given up after two seconds and two round trips, and after two more all of it."""
    prober = Prober()
    prober.start(0.0)
    now_s = 0.0
    for _ in range(1 + FIRST_AGAIN):
        assert prober.busy
        sent = sum(prober.due(now_s + step * 0.01)[0] for step in range(100))
        assert sent == 16
        assert prober.update([], now_s + 1.0, 0.5) is None
        now_s += 3.5
        assert prober.update([], now_s, 0.5) == Verdict(None, 300e3, False)
    assert not prober.busy


def test_media_between_counts() -> None:
    """Pictures sent between the packets of a train are part of what the link carried."""
    prober = Prober()
    prober.begin(600e3, 0.0)
    verdicts, _, _ = _probe(prober, Link(400e3, 0.05), 0.0, media_every_s=0.02)
    assert verdicts[0].rate_bps == pytest.approx(400e3, rel=0.2)


def test_a_train_is_paced() -> None:
    """A train leaves at its rate, not at once."""
    prober = Prober()
    prober.start(10.0)
    times: list[float] = []
    while (due_s := prober.next_due_s) is not None:
        packets, _ = prober.due(due_s + 1e-9)
        times += [due_s] * packets
    assert len(times) == 16
    assert times[-1] - times[0] == pytest.approx(15 * PACKET_BYTES * 8 / 300e3)


def test_wants_more_only_when_voice_is_safe() -> None:
    """No train while the voice is in danger, while one is under way, or too soon after the last."""
    prober = Prober()
    assert prober.wanted(0.0, 100e3, audio_safe=False) is None
    assert prober.wanted(0.0, 200e3, audio_safe=True) == UP * 200e3
    assert prober.wanted(0.0, 100e3, audio_safe=True) == UP_AGAIN * 100e3
    prober.begin(200e3, 0.0)
    assert prober.wanted(0.1, 100e3, audio_safe=True) is None
    verdicts, over_s, _ = _probe(prober, Link(1e6, 0.05), 0.0)
    assert verdicts[0].through
    assert prober.wanted(over_s, 200e3, audio_safe=True) is None
    assert prober.wanted(over_s + FIRST_RETRY_S, 200e3, audio_safe=True) == UP * 200e3


def test_a_failed_probe_doubles_the_wait() -> None:
    """Each train that does not come through doubles the time to the next, to a bound; one that does resets it."""
    prober = Prober()
    now_s, waits = 0.0, []
    link = Link(100e3, 0.05, queue_limit_s=2.0)
    for _ in range(7):
        rate_bps = prober.wanted(now_s, 100e3, audio_safe=True)
        assert rate_bps is not None
        prober.begin(rate_bps, now_s)
        _, over_s, _ = _probe(prober, link, now_s)
        now_s = over_s
        while prober.wanted(now_s, 100e3, audio_safe=True) is None:
            now_s += 0.1
        waits.append(now_s - over_s)
    assert waits == pytest.approx([16, 32, 64, 128, 128, 128, 128], abs=0.3)
    assert max(waits) <= MAX_RETRY_S + 0.2
    link.rate_bps = 1e6
    prober.begin(150e3, now_s)
    _, over_s, _ = _probe(prober, link, now_s)
    assert prober.wanted(over_s + FIRST_RETRY_S, 150e3, audio_safe=True) == UP * 150e3


def test_a_later_train_leaves_voice_in_peace() -> None:
    """On a thin link a later train leaves a queue of no more than a quarter of a second."""
    prober = Prober()
    link = Link(64e3, 0.1)
    prober.begin(96e3, 0.0)
    _, _, in_flight = _probe(prober, link, 0.0)
    assert in_flight * 8 / 64e3 < 0.25


def test_can_be_called_off() -> None:
    """After cancelling nothing more is sent."""
    prober = Prober()
    prober.start(0.0)
    prober.due(0.0)
    prober.cancel()
    assert not prober.busy
    assert prober.next_due_s is None
    assert prober.due(1.0) == (0, 0)


times = st.floats(-1e6, 1e6)
results = st.builds(
    PacketResult, times, st.none() | times, st.integers(0, 70_000), st.none() | st.integers(0, 3), st.booleans()
)


@given(st.lists(st.tuples(st.lists(results, max_size=40), st.floats(0, 1)), max_size=20))
def test_whatever_is_reported_trains_end(reports: list[tuple[list[PacketResult], float]]) -> None:
    """Hostile reports give at most the rate that was sent, and every train ends."""
    prober = Prober()
    prober.start(0.0)
    now_s = 0.0
    for batch, wait_s in reports:
        now_s += wait_s
        prober.due(now_s)
        verdict = prober.update(batch, now_s, 0.5)
        if verdict is not None and verdict.rate_bps is not None:
            assert 0 < verdict.rate_bps <= verdict.sent_bps
    for _ in range(8):
        now_s += 10
        prober.due(now_s)
        prober.update([], now_s + 5, 0.5)
    assert not prober.busy
