"""Debian's coturn, with the configuration that is printed and the credentials that pages are given."""

from __future__ import annotations

import contextlib
import datetime
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from media.addresses import advertised_addresses
from server.turn_config import TurnServer, turn_config
from signaling.protocol import IceServer
from signaling.turn import Turn
from tests.server.test_cli import puente

SECRET = "a-secret-of-the-servers"
PEER = advertised_addresses("0.0.0.0")[0]
"""Where the relay is: an address of this host that is not loopback, if it has one."""
STARTED_WITHIN_S = 10.0
MESSAGES = 5


def free_port() -> int:
    """A port that is free for UDP and TCP."""
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        port: int = tcp.getsockname()[1]
        udp.bind(("127.0.0.1", port))
        return port


def certificate(folder: Path) -> tuple[str, str]:
    """A certificate of our own for `turns:`, and its key: two files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    made = builder.sign(key, hashes.SHA256())
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(plain)
    return str(folder / "cert.pem"), str(folder / "key.pem")


@dataclass(frozen=True)
class Coturn:
    """A running server."""

    port: int
    tls_port: int

    def relays(self, credentials: IceServer, peer: tuple[str, int], *how: str) -> bool:
        """Whether messages go through it to the peer and back."""
        command = ["turnutils_uclient", *how, "-p", str(self.port), "-e", peer[0], "-r", str(peer[1])]
        command += ["-u", credentials.username, "-w", credentials.credential, "-n", str(MESSAGES), "-c", "127.0.0.1"]
        said = subprocess.run(command, capture_output=True, timeout=30, check=False)
        return said.returncode == 0 and f"tot_recv_msgs={MESSAGES}".encode() in said.stdout


@pytest.fixture(scope="module")
def coturn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    """A server with the printed configuration, on loopback and free ports."""
    assert shutil.which("turnserver"), "install Debian's coturn: tools/setup-tests"
    folder = tmp_path_factory.mktemp("coturn")
    server = Coturn(free_port(), free_port())
    urls = [f"turn:127.0.0.1:{server.port}", f"turns:127.0.0.1:{server.tls_port}?transport=tcp"]
    text = turn_config(TurnServer(urls, SECRET, "puente", [PEER], *certificate(folder)))
    own = ["listening-ip=127.0.0.1", f"relay-ip={PEER}", f"pidfile={folder / 'pid'}", f"userdb={folder / 'db'}"]
    if PEER == "127.0.0.1":
        own += ["allow-loopback-peers", "cli-password=unused"]
    (folder / "turnserver.conf").write_text(text.replace("syslog\n", "") + "\n".join(own) + "\n")
    with (folder / "log").open("wb") as log:
        command = ["turnserver", "-c", folder / "turnserver.conf"]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + STARTED_WITHIN_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", server.tls_port), 1):
                break
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < end, (folder / "log").read_text()
            time.sleep(0.05)
        assert "Unknown" not in (folder / "log").read_text()
        yield server
    finally:
        process.terminate()
        process.wait(10)


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
    assert coturn.relays(credentials(), echo, *how)


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


def test_expired_and_forged_credentials_are_refused(coturn: Coturn, echo: tuple[str, int]) -> None:
    """What was good once is good no more, and nobody else can make any."""
    assert not coturn.relays(credentials(600, age_s=700), echo)
    forged = credentials().model_copy(update={"credential": "AAAAAAAAAAAAAAAAAAAAAAAAAAA="})
    assert not coturn.relays(forged, echo)


def test_nobody_but_the_relay_is_reached(coturn: Coturn) -> None:
    """Not this machine's own services, not the clinic's network."""
    with echoing("127.0.0.2" if PEER == "127.0.0.1" else "127.0.0.1") as inside:
        assert not coturn.relays(credentials(), inside)


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
