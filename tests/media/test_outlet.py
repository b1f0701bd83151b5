"""The way out to one leg: numbered as it leaves, voice first, pictures paced, copies of voice where it is lost."""

from __future__ import annotations

import struct
from collections import Counter

import pytest

from media import extension
from media.downlink import Downlink
from media.outlet import Outlet
from media.probe import FIRST_PACKETS
from media.streams import NOBODY, End, Path, Sink
from media.twcc import Arrivals


class Srtp:
    """Protects by adding a tag of ten bytes."""

    def protect(self, packet: bytes) -> bytes:
        return packet + bytes(10)


class Wire:
    """What left, with the time of day that the test keeps."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.left: list[tuple[float, bytes, bool]] = []
        self.woken = 0
        self.end = End(NOBODY, self.now_s)
        self.end.srtp = Srtp()  # type: ignore[assignment]
        self.end.path = Path(self.end, ("127.0.0.1", 1))
        self.downlink = Downlink()
        self.downlink.count()
        self.dropped: Counter[str] = Counter()
        self.outlet = Outlet(self.end, self.downlink, self.emit, self.dropped, self.wake)
        self.voice = Sink(self.end, 1, 111, 0, video=False)
        self.picture = Sink(self.end, 2, 222, 223, video=True)

    def emit(self, _path: Path, data: bytes, video: bool) -> None:
        self.left.append((self.now_s, data, video))

    def wake(self, _outlet: Outlet) -> None:
        self.woken += 1

    def run(self, seconds: float) -> None:
        """Let time pass as the relay's pacing does."""
        for _ in range(round(seconds / 0.005)):
            self.now_s += 0.005
            self.outlet.due(self.now_s)

    def speak(self, sequence: int) -> None:
        packet = struct.pack("!BBHII", 0x80, 111, sequence, 0, 111) + bytes(60)
        self.outlet.forward(self.voice, packet, 0, self.now_s)

    def show(self, sequence: int, *, size: int = 1000, keyframe: bool = False) -> None:
        head = struct.pack("!BBHII", 0x80, 0x80 | 96, sequence, sequence * 3000, 222)
        packet = head + bytes((0x10, 0x00 if keyframe else 0x01)) + bytes(size)
        self.outlet.forward(self.picture, packet, 0, self.now_s)

    @property
    def numbers(self) -> list[int]:
        return [extension.sequence_of(data, extension.read(data)[0]) for _, data, _ in self.left]


@pytest.fixture
def wire() -> Wire:
    return Wire()


def test_numbers_are_given_as_packets_leave(wire: Wire) -> None:
    """A picture that waits gets its number after the voice that overtakes it: feedback tells of the link alone."""
    wire.outlet.pacer.rate_bps = 64_000
    for sequence in range(3):
        wire.show(sequence, keyframe=sequence == 0)
    wire.speak(1)
    wire.run(2.0)
    assert wire.numbers == list(range(wire.numbers[0], wire.numbers[0] + 4))
    order = [video for _, _, video in wire.left]
    assert order.index(False) < 3
    assert wire.woken == 1


def test_voice_leaves_at_once_whatever_waits(wire: Wire) -> None:
    """Before a queue of pictures on a thin link each word goes out the moment it comes."""
    wire.outlet.pacer.rate_bps = 64_000
    for sequence in range(20):
        wire.show(sequence, keyframe=sequence == 0)
        before = len(wire.left)
        wire.speak(sequence)
        assert len(wire.left) == before + 1
        wire.run(0.02)


def test_pictures_leave_at_the_rate_of_the_link(wire: Wire) -> None:
    """On a link of 200 kbit/s ten packets of 1 kB take about 0.4 s."""
    wire.outlet.pacer.rate_bps = 200_000
    for sequence in range(10):
        wire.show(sequence, keyframe=True)
    wire.run(2.0)
    times = [at for at, _, _ in wire.left]
    assert len(times) == 10
    assert 0.3 < times[-1] - times[0] < 0.6


def test_what_is_too_much_is_dropped_and_a_keyframe_asked_for(wire: Wire) -> None:
    """A queue is no longer than its bound; a picture that others need is made up for by a keyframe."""
    asked: list[Sink] = []

    class Owner(type(NOBODY)):  # type: ignore[misc]
        def on_starved(self, sink: Sink) -> None:
            asked.append(sink)

    wire.end.owner = Owner()
    wire.outlet.pacer.rate_bps = 64_000
    for sequence in range(100):
        wire.show(sequence, keyframe=sequence == 0)
    assert wire.dropped["paced_out"] > 50
    assert wire.outlet.pacer.queue_s < 2.0
    assert asked


def test_voice_is_repeated_apart_where_it_is_lost(wire: Wire) -> None:
    """A copy is the same datagram again a little later, so that the receiver takes whichever comes first."""
    wire.outlet.copies = 2
    wire.speak(1)
    wire.run(0.2)
    datagrams = {data for _, data, _ in wire.left}
    assert len(wire.left) == 3
    assert len(datagrams) == 1
    times = [at for at, _, _ in wire.left]
    assert times[1] - times[0] > 0.02
    assert times[2] - times[1] > 0.02


def test_a_cut_clears_what_waits(wire: Wire) -> None:
    """Nothing of before a cut is shown after it."""
    wire.outlet.pacer.rate_bps = 64_000
    wire.outlet.copies = 1
    for sequence in range(5):
        wire.show(sequence, keyframe=sequence == 0)
    wire.speak(1)
    before = len(wire.left)
    wire.outlet.clear()
    wire.run(1.0)
    assert len(wire.left) == before


def test_a_probe_is_padding_and_what_it_measures_is_taken(wire: Wire) -> None:
    """The first train is short; told that it came as fast as it left, the estimate knows more than its start."""
    wire.outlet.padding = (wire.picture, 97)
    wire.downlink.prober.start(wire.now_s)
    wire.outlet.look_again()
    arrivals = Arrivals()
    seen = 0
    for _ in range(60):
        wire.run(0.05)
        for at, data, _ in wire.left[seen:]:
            arrivals.received(extension.sequence_of(data, extension.read(data)[0]), at + 0.05)
        seen = len(wire.left)
        for packet in arrivals.build(1, 2, wire.now_s):
            end = len(packet) - (packet[-1] if packet[0] & 0x20 else 0)
            wire.downlink.report(packet[12:end], wire.now_s, 0.1)
        wire.outlet.look_again()
    assert len(wire.left) > FIRST_PACKETS
    assert all(data[0] & 0x20 for _, data, _ in wire.left)
    assert wire.downlink.estimator.known
    assert wire.downlink.rate_bps is not None
    assert wire.downlink.rate_bps > 500_000
    assert wire.picture.packets == 0


def test_a_picture_on_a_long_link_is_sent_twice(wire: Wire) -> None:
    """What nobody has asked for yet goes again as a retransmission, so that a loss costs no round trip."""
    wire.outlet.pacer.rate_bps = 1_000_000
    wire.picture.doubled = True
    for sequence in range(3):
        wire.show(sequence, keyframe=sequence == 0)
        wire.run(0.06)
    wire.run(0.2)
    ssrcs = [int.from_bytes(data[8:12], "big") for _, data, _ in wire.left]
    assert ssrcs.count(222) == 3
    assert ssrcs.count(223) == 3
