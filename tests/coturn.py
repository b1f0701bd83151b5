"""Debian's coturn with the configuration that `puente turn-config` prints, on loopback and free ports."""

from __future__ import annotations

import contextlib
import datetime
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from media.addresses import advertised_addresses
from server.turn_config import TurnServer, turn_config

SECRET = "a-secret-of-the-servers"
PEER = advertised_addresses("0.0.0.0")[0]
"""Where the relay is: an address of this host that is not loopback, if it has one."""
STARTED_WITHIN_S = 10.0


@dataclass(frozen=True)
class Coturn:
    """A running server."""

    port: int
    tls_port: int
    certificate: Path
    """Of `turns:`, for the name localhost; signed by itself."""


def free_port() -> int:
    """A port that is free for UDP and TCP."""
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        port: int = tcp.getsockname()[1]
        udp.bind(("127.0.0.1", port))
        return port


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Coturn]:
    """Start it, and end it."""
    assert shutil.which("turnserver"), "install Debian's coturn: tools/setup-tests"
    certificate, key = _certificate(folder)
    server = Coturn(free_port(), free_port(), certificate)
    urls = [f"turn:127.0.0.1:{server.port}", f"turns:127.0.0.1:{server.tls_port}?transport=tcp"]
    text = turn_config(TurnServer(urls, SECRET, "puente", [PEER], str(certificate), str(key)))
    own = ["listening-ip=127.0.0.1", f"relay-ip={PEER}", f"pidfile={folder / 'pid'}", f"userdb={folder / 'db'}"]
    if PEER == "127.0.0.1":
        own.append("allow-loopback-peers")
    (folder / "turnserver.conf").write_text(text.replace("syslog\n", "") + "\n".join(own) + "\n")
    with (folder / "log").open("wb") as log:
        command = ["turnserver", "-c", folder / "turnserver.conf"]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + STARTED_WITHIN_S
        while not _accepts(server.tls_port):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < end, (folder / "log").read_text()
            time.sleep(0.05)
        assert "Unknown" not in (folder / "log").read_text()
        yield server
    finally:
        process.terminate()
        process.wait(10)


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of our own for `turns:`, and its key: two files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    # What a strict verifier wants of a certificate that is its own authority.
    for extension, critical in (
        (x509.SubjectAlternativeName([x509.DNSName("localhost")]), False),
        (x509.BasicConstraints(ca=True, path_length=None), True),
        (identifier, False),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False),
    ):
        builder = builder.add_extension(extension, critical)
    made = builder.sign(key, hashes.SHA256())
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(plain)
    return folder / "cert.pem", folder / "key.pem"
