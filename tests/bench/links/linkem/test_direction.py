"""The model of a link by a clock that the test turns."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from bench.links.linkem.direction import NEVER, Direction
from bench.links.linkem.settings import Settings


class Bench:
    """A direction, its clock, and when each packet came out."""

    def __init__(self, seed: int = 1, **settings: object) -> None:
        self.now_s = 0.0
        self.out: list[tuple[float, bytes]] = []
        self.direction = Direction(
            Settings(**settings),  # type: ignore[arg-type]
            random.Random(seed), 0.0, lambda packet: self.out.append((self.now_s, packet)),
        )  # fmt: skip

    def run(self, until_s: float) -> None:
        """Let the time pass, waking up when the model says so."""
        while (due_s := self.direction.pump(self.now_s)) <= until_s:
            self.now_s = max(self.now_s, due_s)
        self.now_s = until_s
        self.direction.pump(until_s)

    def send(self, count: int, size: int, every_s: float) -> None:
        """Packets of a size, numbered, at a steady pace."""
        for number in range(count):
            self.direction.push(number.to_bytes(4, "big") + bytes(size - 4), self.now_s)
            self.run(self.now_s + every_s)

    @property
    def numbers(self) -> list[int]:
        return [int.from_bytes(packet[:4], "big") for _, packet in self.out]


def balanced(direction: Direction) -> bool:
    """Every packet is somewhere."""
    s = direction.stats()
    away = s["delivered"] + s["lost"] + s["queue_dropped"] + s["cut_lost"] + s["queued_now"] + s["in_flight"]
    return bool(s["sent"] == away)


def test_a_lone_packet_takes_its_time_on_the_air_and_the_delay() -> None:
    """1000 bytes at 80 kbit/s and 50 ms are there after 150 ms."""
    link = Bench(rate_kbps=80, delay_ms=50)
    link.direction.push(bytes(1000), 0.0)
    link.run(1)
    assert link.out[0][0] == pytest.approx(0.15, abs=1e-4)


def test_the_rate_is_kept_and_what_does_not_fit_is_dropped() -> None:
    """Twice the rate offered for 20 s: one rate comes out, in order, and nobody waits longer than the queue."""
    link = Bench(rate_kbps=100, queue_ms=400)
    link.send(count=500, size=1000, every_s=0.04)
    link.run(30)
    delivered = len(link.out) * 8000 / (link.out[-1][0] - link.out[0][0])
    assert delivered == pytest.approx(100_000, rel=0.02)
    assert link.numbers == sorted(link.numbers)
    assert link.direction.stats()["queue_dropped"] == pytest.approx(250, abs=10)
    assert link.direction.stats()["queue_delay_ms_max"] <= 400
    assert balanced(link.direction)


def test_loss_is_what_was_asked_and_repeats_with_the_seed() -> None:
    """20 % within what chance allows; the same seed loses the same packets."""
    first, again, other = (Bench(seed, loss_pct=20) for seed in (1, 1, 2))
    for link in (first, again, other):
        link.send(count=4000, size=100, every_s=0.01)
    assert first.direction.stats()["lost"] / 4000 == pytest.approx(0.2, abs=0.02)
    assert first.numbers == again.numbers != other.numbers


def test_bursts_lose_packets_in_a_row() -> None:
    """2 % into and 20 % out of a burst: 9 % lost, five at a time."""
    link = Bench(burst=(2, 20))
    link.send(count=8000, size=100, every_s=0.01)
    runs = [b - a - 1 for a, b in pairwise(link.numbers) if b - a > 1]
    assert sum(runs) / 8000 == pytest.approx(2 / 22, abs=0.02)
    assert sum(runs) / len(runs) == pytest.approx(5, abs=1)


def test_fades_lose_time_and_not_packets() -> None:
    """1000 ms good, 200 ms bad: a sixth of the time is lost, in runs of about 200 ms."""
    link = Bench(fade=(1000, 200))
    link.send(count=20_000, size=100, every_s=0.01)
    runs = [b - a - 1 for a, b in pairwise(link.numbers) if b - a > 1]
    assert sum(runs) / 20_000 == pytest.approx(1 / 6, abs=0.03)
    assert sum(runs) / len(runs) == pytest.approx(20, abs=5)


def test_jitter_spreads_the_delay_and_overtakes_nobody() -> None:
    """100 ms ± 20: about that is seen, in order."""
    link = Bench(delay_ms=100, jitter_ms=20)
    link.send(count=3000, size=100, every_s=0.01)
    link.run(40)
    delays = [at - number * 0.01 for (at, _), number in zip(link.out, link.numbers, strict=True)]
    mean = sum(delays) / len(delays)
    assert mean == pytest.approx(0.105, abs=0.005)
    assert (sum((d - mean) ** 2 for d in delays) / len(delays)) ** 0.5 == pytest.approx(0.019, abs=0.003)
    assert link.numbers == list(range(3000))


def test_a_cut_loses_what_is_sent_meanwhile() -> None:
    """5 s of 50 packets a second are missing, and the rest is there."""
    link = Bench(delay_ms=20)
    link.send(count=100, size=100, every_s=0.02)
    link.direction.cut(link.now_s + 5, False, link.now_s)
    link.send(count=250, size=100, every_s=0.02)
    link.direction.restore(link.now_s)
    link.send(count=100, size=100, every_s=0.02)
    link.run(link.now_s + 1)
    assert len(link.out) == 200
    assert link.direction.stats()["cut_lost"] == 250
    assert balanced(link.direction)


def test_a_stall_delivers_everything_late() -> None:
    """Nothing is lost when the cut holds; the first packet is as late as the cut was long."""
    link = Bench(delay_ms=20)
    link.direction.cut(5, True, 0.0)
    link.send(count=250, size=100, every_s=0.02)
    link.direction.restore(link.now_s)
    link.run(link.now_s + 1)
    assert link.numbers == list(range(250))
    assert link.out[0][0] == pytest.approx(5.02, abs=0.01)


def test_a_later_cut_outlives_the_end_of_an_earlier_one() -> None:
    """The end of the first says nothing of the second."""
    link = Bench()
    link.direction.cut(1, False, 0.0)
    link.direction.cut(3, False, 0.5)
    link.direction.restore(1.0)
    link.direction.push(bytes(100), 1.5)
    link.run(2)
    assert not link.out


def test_a_change_of_rate_holds_for_the_packet_on_the_air() -> None:
    """Half of 1000 bytes at 80 kbit/s and half at 8: 50 ms and 500 ms."""
    link = Bench(rate_kbps=80)
    link.direction.push(bytes(1000), 0.0)
    link.run(0.05)
    link.direction.apply(Settings(rate_kbps=8), 0.05)
    link.run(2)
    assert link.out[0][0] == pytest.approx(0.55, abs=1e-3)


def test_an_idle_link_has_nothing_to_do() -> None:
    """The emulator sleeps."""
    assert Bench(rate_kbps=64).direction.pump(5.0) == NEVER


def test_a_far_side_that_is_gone_is_counted() -> None:
    """A device that cannot be written to does not stop the link."""

    def gone(_packet: bytes) -> None:
        raise OSError

    direction = Direction(Settings(), random.Random(1), 0.0, gone)
    direction.push(b"packet", 0.0)
    direction.pump(0.1)
    assert direction.stats()["write_errors"] == 1
