"""A real call: two aiortc peer connections through a worker process, told apart by what they hear and see."""

from __future__ import annotations

import asyncio
import contextlib
import fractions
import time
from collections import deque
from collections.abc import AsyncIterator

import numpy as np
import pytest
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, VideoFrame

from media.client import RelayClient
from media.control import AnswerLeg, CloseLeg, CreateLeg, JoinRoom

RATE_HZ = 48_000
SAMPLES = 960
FRAMES_PER_S = 15


class Tone(MediaStreamTrack):
    """A sine of one pitch, in real time."""

    kind = "audio"

    def __init__(self, pitch_hz: float) -> None:
        super().__init__()
        self._pitch_hz = pitch_hz
        self._at = 0
        self._start_s = time.monotonic()

    async def recv(self) -> AudioFrame:
        await asyncio.sleep(max(0, self._start_s + self._at / RATE_HZ - time.monotonic()))
        phase = 2 * np.pi * self._pitch_hz * (np.arange(SAMPLES) + self._at) / RATE_HZ
        frame = AudioFrame.from_ndarray((np.sin(phase) * 12_000).astype(np.int16)[None, :], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, self._at, fractions.Fraction(1, RATE_HZ)
        self._at += SAMPLES
        return frame


class Colour(MediaStreamTrack):
    """A picture of one colour, in real time."""

    kind = "video"

    def __init__(self, rgb: tuple[int, int, int]) -> None:
        super().__init__()
        self._picture = np.full((120, 160, 3), rgb, np.uint8)
        self._number = 0
        self._start_s = time.monotonic()

    async def recv(self) -> VideoFrame:
        await asyncio.sleep(max(0, self._start_s + self._number / FRAMES_PER_S - time.monotonic()))
        frame = VideoFrame.from_ndarray(self._picture, format="rgb24")
        frame.pts, frame.time_base = self._number * 90_000 // FRAMES_PER_S, fractions.Fraction(1, 90_000)
        self._number += 1
        return frame


class Peer:
    """One aiortc client: sends a tone and a colour, keeps the last decoded frames of its first slot."""

    def __init__(self, control: RelayClient, call: str, leg: str) -> None:
        self.control, self.call, self.leg = control, call, leg
        self.connection = RTCPeerConnection()
        self.sound: deque[AudioFrame] = deque(maxlen=25)
        self.pictures: deque[VideoFrame] = deque(maxlen=10)
        self.decoded = {"audio": 0, "video": 0}
        self._pumps: list[asyncio.Task[None]] = []
        self._tracks: list[MediaStreamTrack] = []
        self.connection.on("track", self._track)

    def _track(self, track: MediaStreamTrack) -> None:
        if len(self._tracks) < 2:  # mids 0 and 1: the first other participant
            self._tracks.append(track)
            self._pumps.append(asyncio.ensure_future(self._pump(track)))

    async def _pump(self, track: MediaStreamTrack) -> None:
        kept: deque = self.sound if track.kind == "audio" else self.pictures  # type: ignore[type-arg]
        with contextlib.suppress(MediaStreamError):
            while True:
                kept.append(await track.recv())
                self.decoded[track.kind] += 1

    async def connect(self, pitch_hz: float, rgb: tuple[int, int, int]) -> None:
        offer = await self.control.create_leg(CreateLeg(leg=self.leg, call=self.call, epoch=1))
        await self.connection.setRemoteDescription(RTCSessionDescription(offer.sdp, "offer"))
        self.connection.addTrack(Tone(pitch_hz))
        self.connection.addTrack(Colour(rgb))
        await self.connection.setLocalDescription(await self.connection.createAnswer())
        answer = AnswerLeg(call=self.call, epoch=1, restart=0, sdp=self.connection.localDescription.sdp)
        await self.control.answer(self.leg, answer)
        async with asyncio.timeout(20):
            while (await self.control.leg(self.leg)).state != "connected":
                await asyncio.sleep(0.02)

    async def join(self) -> None:
        await self.control.join(self.call, JoinRoom(call=self.call, epoch=1, leg=self.leg))

    async def perceives(self, pitch_hz: float, rgb: tuple[int, int, int], timeout_s: float = 20.0) -> None:
        """Wait until this peer hears that pitch and sees that colour, for half a second each."""
        async with asyncio.timeout(timeout_s):
            while not (self._hears(pitch_hz) and self._sees(rgb)):
                await asyncio.sleep(0.05)

    def _hears(self, pitch_hz: float) -> bool:
        if len(self.sound) < 25:
            return False
        heard = np.concatenate([frame.to_ndarray().reshape(-1)[:: len(frame.layout.channels)] for frame in self.sound])
        strength = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
        loudest_hz = np.argmax(strength) * RATE_HZ / len(heard)
        return bool(strength.max() > 1e5 and abs(loudest_hz - pitch_hz) < 10)

    def _sees(self, rgb: tuple[int, int, int]) -> bool:
        if len(self.pictures) < 5:
            return False
        seen = [frame.to_ndarray(format="rgb24").mean(axis=(0, 1)) for frame in list(self.pictures)[-5:]]
        return bool(np.abs(np.array(seen) - rgb).max() < 12)

    async def close(self) -> None:
        for track in (sender.track for sender in self.connection.getSenders() if sender.track):
            track.stop()
        await self.connection.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)


RED, BLUE, GREEN = (254, 0, 0), (0, 0, 254), (0, 255, 1)


@pytest.fixture
async def peers(control: RelayClient) -> AsyncIterator[list[Peer]]:
    made: list[Peer] = []
    yield made
    for peer in made:
        await peer.close()


async def test_two_hear_and_see_each_other(control: RelayClient, peers: list[Peer]) -> None:
    """Each side decodes the other's tone and the other's colour, and not its own; the relay reports both ways."""
    a, b = Peer(control, "v1", "v1.a"), Peer(control, "v1", "v1.b")
    peers += [a, b]
    await a.connect(440, RED)
    await b.connect(1000, BLUE)
    await a.join()
    await b.join()
    await asyncio.gather(a.perceives(1000, BLUE), b.perceives(440, RED))
    stats = await control.leg("v1.a")
    assert (stats.state, stats.transport, stats.room) == ("connected", "udp", "v1")
    assert stats.srtp_profile == "SRTP_AEAD_AES_256_GCM"
    assert {track.kind: track.lost for track in stats.received} == {"audio": 0, "video": 0}
    assert {track.kind for track in stats.sent} == {"audio", "video"}


async def test_reload_goes_on_in_the_same_slot(control: RelayClient, peers: list[Peer]) -> None:
    """One page is reloaded: its leg goes, a new one comes, and the other side decodes on in the tracks it has."""
    a, b = Peer(control, "v2", "v2.a"), Peer(control, "v2", "v2.b")
    peers += [a, b]
    await asyncio.gather(a.connect(440, RED), b.connect(1000, BLUE))
    await a.join()
    await b.join()
    await b.perceives(440, RED)
    decoded = dict(b.decoded)
    await control.close("v2.a", CloseLeg(call="v2", epoch=1))
    await a.close()
    again = Peer(control, "v2", "v2.a2")
    peers.append(again)
    await again.connect(660, GREEN)
    await again.join()
    await asyncio.gather(b.perceives(660, GREEN), again.perceives(1000, BLUE))
    assert b.decoded["video"] > decoded["video"]
    assert len(b._tracks) == 2


async def test_warm_legs_hear_each_other_at_once(control: RelayClient, peers: list[Peer]) -> None:
    """Legs that are up before the call need no negotiation: the first decoded picture comes with the first keyframe."""
    a, b = Peer(control, "v3", "v3.a"), Peer(control, "v3", "v3.b")
    peers += [a, b]
    await asyncio.gather(a.connect(440, RED), b.connect(1000, BLUE))
    await a.join()
    started_s = time.monotonic()
    await b.join()
    async with asyncio.timeout(10):
        while not (a.decoded["video"] and b.decoded["video"]):
            await asyncio.sleep(0.005)
    assert time.monotonic() - started_s < 2.5  # a bound for a loaded machine; `make bench` measures it
