"""What legs and rooms need of whatever moves the packets.

`media/python_plane.py` is the reference; a compiled one could take its place.
"""

from __future__ import annotations

from collections import Counter
from typing import Protocol

from media.downlink import Downlink
from media.sockets import Address
from media.streams import End, Path, Sink, Source


class Plane(Protocol):
    """What legs and rooms need of whatever moves the packets."""

    packets_in: int
    packets_out: int
    dropped: Counter[str]

    def datagram(self, data: bytes, address: Address) -> None:
        """Take a datagram from the network, whatever it is. Never raises."""

    def held(self, address: Address, end: End, now_s: float) -> bool:
        """Tell whether an end other than `end` was heard at `address` just now."""

    def admit(self, end: End, address: Address) -> Path:
        """Note that `end` has proven itself at `address`."""

    def count(self, end: End, downlink: Downlink) -> None:
        """Number and pace what an end is sent from now on, and count what it sends."""

    def forget(self, end: End) -> None:
        """Let go of all paths of an end and close its TCP connections."""

    def forget_address(self, address: Address) -> None:
        """Let go of an address, because its connection has ended."""

    def route(self, source: Source, sinks: tuple[Sink, ...]) -> None:
        """Send what `source` receives to `sinks` from now on."""

    def send(self, end: End, datagram: bytes) -> None:
        """Send a datagram as it is (DTLS) on the end's path."""

    def send_rtcp(self, end: End, compound: bytes) -> None:
        """Protect an RTCP compound and send it."""

    def resend(self, sink: Sink, sequences: tuple[int, ...], now_s: float) -> None:
        """Send again those of the slot's packets that are kept."""

    def replay(self, sink: Sink, now_s: float) -> bool:
        """Send a slot that has just begun its source's last keyframe and what followed; false if that is not kept."""
