"""Debian's coturn, with the configuration that is printed and the credentials that pages are given."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.linktest.ways import TurnWay, WayError
from signaling.protocol_media import IceServer
from signaling.turn import Turn
from tests.coturn import PEER, SECRET, Coturn, running
from tests.server.test_cli import puente

MESSAGES = 5


def relays(coturn: Coturn, credentials: IceServer, peer: tuple[str, int], *how: str) -> bool:
    """Whether messages go through it to the peer and back."""
    command = ["turnutils_uclient", *how, "-p", str(coturn.port), "-e", peer[0], "-r", str(peer[1])]
    command += ["-u", credentials.username, "-w", credentials.credential, "-n", str(MESSAGES), "-c", "127.0.0.1"]
    said = subprocess.run(command, capture_output=True, timeout=30, check=False)
    # On a busy machine the tool gives up waiting for the last of them; one that came back is proof enough.
    return said.returncode == 0 and re.search(rb"tot_recv_msgs=[1-9]", said.stdout) is not None


@pytest.fixture(scope="module")
def coturn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    """A running server."""
    with running(tmp_path_factory.mktemp("coturn")) as server:
        yield server


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """A peer that sends back what it gets, at the relay's address."""
    with echoing(PEER) as address:
        yield address


@contextlib.contextmanager
def echoing(host: str) -> Iterator[tuple[str, int]]:
    """Somebody who sends back what he gets."""
    plain = socket.socket(type=socket.SOCK_DGRAM)
    plain.bind((host, 0))

    def work() -> None:
        while True:
            data, sender = plain.recvfrom(2048)
            if not data:
                return
            plain.sendto(data, sender)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield plain.getsockname()
    finally:
        plain.sendto(b"", plain.getsockname())
        thread.join(5)
        plain.close()


def credentials(lifetime_s: int = 600, age_s: float = 0) -> IceServer:
    """What a page was given `age_s` ago."""
    [server] = Turn(["turn:127.0.0.1"], SECRET, lifetime_s, clock=lambda: time.time() - age_s).servers()
    return server


@pytest.mark.parametrize("how", [(), ("-t",)], ids=["udp", "tcp"])
def test_a_page_reaches_the_relay_through_it(coturn: Coturn, echo: tuple[str, int], how: tuple[str, ...]) -> None:
    """Over UDP and TCP, with the credentials it was given."""
    assert relays(coturn, credentials(), echo, *how)


def test_it_answers_over_tls(coturn: Coturn) -> None:
    """A STUN request on the port of `turns:` is answered."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    request = struct.pack("!HHI12s", 0x0001, 0, 0x2112A442, b"0123456789ab")
    with (
        socket.create_connection(("127.0.0.1", coturn.tls_port), 5) as plain,
        context.wrap_socket(plain) as secured,
    ):
        secured.sendall(request)
        kind, _, cookie, transaction = struct.unpack("!HHI12s", secured.recv(2048)[:20])
        assert secured.version() in ("TLSv1.2", "TLSv1.3")
    assert (kind, cookie, transaction) == (0x0101, 0x2112A442, b"0123456789ab")


async def test_a_page_reaches_the_relay_through_tls(
    coturn: Coturn, echo: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What looks like any secure connection carries datagrams to the relay and back, if the certificate is trusted."""
    url, given = f"turns:localhost:{coturn.tls_port}?transport=tcp", credentials()
    with pytest.raises(WayError):
        await TurnWay.open(url, given.username, given.credential, echo)
    monkeypatch.setenv("SSL_CERT_FILE", str(coturn.certificate))
    way = await TurnWay.open(url, given.username, given.credential, echo)
    try:
        came: asyncio.Queue[bytes] = asyncio.Queue()
        way.receive = came.put_nowait
        assert way.send(b"through the wall")
        assert await asyncio.wait_for(came.get(), 10) == b"through the wall"
    finally:
        way.close()


def test_expired_and_forged_credentials_are_refused(coturn: Coturn, echo: tuple[str, int]) -> None:
    """What was good once is good no more, and nobody else can make any."""
    assert not relays(coturn, credentials(600, age_s=700), echo)
    forged = credentials().model_copy(update={"credential": "AAAAAAAAAAAAAAAAAAAAAAAAAAA="})
    assert not relays(coturn, forged, echo)


def test_nobody_but_the_relay_is_reached(coturn: Coturn) -> None:
    """Not this machine's own services, not the clinic's network."""
    with echoing("127.0.0.2" if PEER == "127.0.0.1" else "127.0.0.1") as inside:
        assert not relays(coturn, credentials(), inside)


def test_the_command_prints_what_the_settings_say(tmp_path: Path) -> None:
    """Ports of the addresses, the relay's addresses as the only peers; and what is missing is said."""
    settings = {
        "TURN_URLS": "turn:turn.example.org,turns:turn.example.org:443",
        "TURN_SECRET": SECRET,
        "MEDIA_ADDRESS": "198.51.100.7,2001:db8::7",
        "PUBLIC_URL": "https://puente.example.org",
    }
    shown = puente("turn-config", folder=tmp_path, **settings)
    assert shown.returncode == 0
    lines = shown.stdout.splitlines()
    for line in (
        "listening-port=3478", "tls-listening-port=443", "realm=puente.example.org", "use-auth-secret",
        "allowed-peer-ip=198.51.100.7", "allowed-peer-ip=2001:db8::7", "no-cli", "no-tlsv1_1", "no-tcp-relay",
    ):  # fmt: skip
        assert line in lines
    missing = puente("turn-config", folder=tmp_path, **{**settings, "MEDIA_ADDRESS": ""})
    assert (missing.returncode, missing.stdout) == (2, "")
    plain = puente("turn-config", folder=tmp_path, **{**settings, "TURN_URLS": "turn:turn.example.org:80"})
    assert {"no-tls", "listening-port=80"} <= set(plain.stdout.splitlines())
