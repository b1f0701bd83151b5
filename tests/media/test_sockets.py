"""The media port: UDP and TCP on one number, framing, and the bounds of a TCP connection."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from media import sockets
from media.relay import Relay
from media.sockets import MAX_DATAGRAM, Address, MediaPort, TcpConnection, plain_address
from tests.media.client import joined, until


class Opened:
    """A port that keeps what it receives."""

    def __init__(self) -> None:
        self.received: list[tuple[bytes, Address]] = []
        self.lost: list[TcpConnection] = []
        self.dropped: Counter[str] = Counter()
        self.port = MediaPort(
            lambda data, address: self.received.append((data, address)), self.lost.append, self.dropped
        )


@pytest.fixture
async def opened() -> AsyncIterator[Opened]:
    made = Opened()
    await made.port.open("127.0.0.1", 0)
    yield made
    await made.port.close()


async def test_udp_and_tcp_share_a_number(opened: Opened) -> None:
    """A datagram and a frame arrive alike, and each is answered where it came from."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.connect(("127.0.0.1", opened.port.number))
        udp.setblocking(False)
        udp.send(b"datagram")
        await until(lambda: opened.received)
        data, address = opened.received.pop()
        assert data == b"datagram"
        assert opened.port.send(b"answer", address)
        assert await asyncio.get_running_loop().sock_recv(udp, 100) == b"answer"
    reader, writer = await asyncio.open_connection("127.0.0.1", opened.port.number)
    writer.write(b"\x00\x05frame")
    await until(lambda: opened.received)
    data, address = opened.received.pop()
    assert data == b"frame"
    assert isinstance(address, TcpConnection)
    assert opened.port.send(b"answer", address)
    assert await reader.readexactly(8) == b"\x00\x06answer"
    writer.close()
    await until(lambda: opened.lost == [address])
    assert not opened.port.send(b"late", address)


async def test_frames_are_cut_where_they_are_long(opened: Opened) -> None:
    """However the stream is cut into segments, the frames are the same; an empty one is a frame, too."""
    _, writer = await asyncio.open_connection("127.0.0.1", opened.port.number)
    frames = [b"a", b"", b"x" * MAX_DATAGRAM, b"last"]
    stream = b"".join(len(frame).to_bytes(2, "big") + frame for frame in frames)
    for index in range(0, len(stream), 7):
        writer.write(stream[index : index + 7])
        await writer.drain()
    await until(lambda: len(opened.received) == len(frames))
    assert [data for data, _ in opened.received] == frames
    writer.close()


async def test_too_long_a_frame_ends_the_connection(opened: Opened) -> None:
    """After a wrong length nothing on that connection makes sense, and nothing is stored."""
    reader, writer = await asyncio.open_connection("127.0.0.1", opened.port.number)
    writer.write(b"\xff\xff" + bytes(100))
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    assert opened.dropped == {"oversized": 1}
    assert not opened.port.connections
    writer.close()


async def test_unproven_connection_is_closed(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that does not authenticate in time does not stay."""
    monkeypatch.setattr(sockets, "HELLO_TIMEOUT_S", 0.05)
    _, writer = await asyncio.open_connection("127.0.0.1", opened.port.number)
    await until(lambda: opened.dropped["tcp_unproven"] == 1)
    assert not opened.port.connections
    writer.close()


async def test_number_of_connections_is_bounded(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than the limit is refused, those that stand are not disturbed."""
    monkeypatch.setattr(sockets, "MAX_CONNECTIONS", 2)
    writers = [(await asyncio.open_connection("127.0.0.1", opened.port.number))[1] for _ in range(3)]
    await until(lambda: opened.dropped["tcp_full"] == 1)
    assert len(opened.port.connections) == 2
    for writer in writers:
        writer.close()


async def test_slow_connection_loses_video_first(opened: Opened) -> None:
    """A reader that reads nothing costs a bounded buffer: video is dropped long before sound is."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", opened.port.number))
        await until(lambda: opened.port.connections)
        (connection,) = opened.port.connections
        assert connection._transport is not None
        while opened.port.send(bytes(1000), connection, video=True):
            pass
        waiting = connection._transport.get_write_buffer_size()
        assert sockets.TCP_VIDEO_BYTES <= waiting <= sockets.TCP_VIDEO_BYTES + 2000
        assert opened.port.send(bytes(60), connection)
        while opened.port.send(bytes(1000), connection):
            pass
        assert connection._transport.get_write_buffer_size() <= sockets.TCP_TOTAL_BYTES + 2000
        assert opened.dropped["tcp_slow"] == 2


async def test_cut_off_datagrams_are_seen_to_be_too_long(relay: Relay) -> None:
    """A datagram of any size up to the largest is one count."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        for size in (1501, 2048, 9000, 60_000):
            udp.sendto(b"\x80" * size, ("127.0.0.1", relay.port))
    await until(lambda: relay.dropped["oversized"] == 4)


async def test_taken_port_is_an_error(opened: Opened) -> None:
    """Two workers on one number would each get half of the packets."""
    other = Opened()
    with pytest.raises(OSError) as refused:
        await other.port.open("127.0.0.1", opened.port.number)
    assert refused.value.errno == errno.EADDRINUSE
    await other.port.close()


async def test_ipv6_and_ipv4_on_one_socket() -> None:
    """Bound to ::, both families reach the port, and addresses are told in their own family."""
    relay = Relay(host="::", addresses=("127.0.0.1", "::1"))
    try:
        await relay.open()
    except OSError:
        pytest.skip("no IPv6 here")
    for host in ("127.0.0.1", "::1"):
        client = await joined(relay, "room", host.replace(":", "x"), host=host)
        mapped = next(iter(client.answers.values())).attributes["XOR-MAPPED-ADDRESS"]
        assert mapped[0] == host
        await client.close()
    await relay.close()


def test_plain_addresses() -> None:
    """Zones and mapped forms are not shown."""
    assert plain_address(("192.0.2.1", 5)) == ("192.0.2.1", 5)
    assert plain_address(("::ffff:192.0.2.1", 5, 0, 0)) == ("192.0.2.1", 5)
    assert plain_address(("fe80::1%eth0", 5, 0, 2)) == ("fe80::1", 5)
    assert plain_address(("2001:db8::1", 5, 0, 0)) == ("2001:db8::1", 5)


async def test_call_over_tcp_ends_with_its_connection(relay: Relay) -> None:
    """Media flows between a TCP and a UDP leg; a lost connection leaves no path, and a new one takes over."""
    a, b = await joined(relay, "room", "a", transport="tcp"), await joined(relay, "room", "b")
    assert relay.leg_stats("a").transport == "tcp"
    a.send_audio(1)
    b.send_audio(1)
    await until(lambda: a.received and b.received)
    a.transport.abort()
    await until(lambda: relay.legs["a"].end.path is None)
    await a.open_socket()
    await a.check()
    b.send_audio(2)
    await until(lambda: len(a.received) == 2)
    relay._end(relay.legs["a"], "closed")
    await until(lambda: a.protocol.closed)
    await b.close()
    await a.close()
