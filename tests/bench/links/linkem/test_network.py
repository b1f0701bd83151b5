"""Links between namespaces: needs root, as measuring does."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.links.linkem import namespaces
from bench.links.linkem.network import SERVER, LinkError, Network, ask
from bench.links.linkem.profiles import profile
from bench.links.linkem.settings import parse

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("ip") is None or not Path("/dev/net/tun").exists(),
    reason="needs root, iproute2 and /dev/net/tun",
)
PORT = 9000
DELAY_S = 0.04


@pytest.fixture
def net() -> Iterator[Network]:
    """A client with 40 ms each way and no loss."""
    link = profile("lan").changed(parse([f"delay_ms={DELAY_S * 1000:g}"]))
    with Network({"patient": link}) as network:
        yield network


def echo(net: Network, timeout_s: float = 2.0) -> float | None:
    """Seconds of a datagram's way from the client to the server and back; None where it was lost."""
    with net.socket(SERVER, socket.SOCK_DGRAM) as server, net.socket("patient", socket.SOCK_DGRAM) as client:
        server.bind((net.server_ip, PORT))
        server.settimeout(timeout_s)
        client.settimeout(timeout_s)
        began = time.monotonic()
        client.sendto(b"there", (net.server_ip, PORT))
        try:
            data, address = server.recvfrom(100)
            server.sendto(data, address)
            assert client.recv(100) == b"there"
        except TimeoutError:
            return None
        return time.monotonic() - began


def test_a_round_trip_takes_both_delays(net: Network) -> None:
    """And the counters say that both packets went through."""
    took_s = echo(net)
    assert took_s is not None
    assert took_s >= 2 * DELAY_S - 0.001
    counters = net.counters()["patient"]
    assert (counters["up"]["delivered"], counters["down"]["delivered"]) == (1, 1)


def test_a_link_is_changed_and_cut_while_it_runs(net: Network) -> None:
    """A change holds for the next packet, and a cut lets nothing through."""
    net.change("patient", {"up": {"delay_ms": 120}})
    took_s = echo(net)
    assert took_s is not None
    assert took_s >= 0.12 + DELAY_S - 0.001
    net.cut("patient", 30)
    assert echo(net, timeout_s=0.3) is None


def test_what_the_emulator_refuses_is_said(net: Network) -> None:
    """Unknown clients, settings and operations are errors of the caller."""
    with pytest.raises(LinkError, match="no client"):
        net.cut("nurse", 1)
    with pytest.raises(LinkError, match="unknown"):
        ask(net.name, do="play", client="patient", trace={"events": [{"at_s": 0, "change": {"colour": 1}}]})
    with pytest.raises(LinkError, match="unknown"):
        ask(net.name, do="dance")


def test_nothing_is_left_behind() -> None:
    """Namespaces, processes inside and the folder go with the network, and its last counters stay."""
    with Network({"patient": profile("lan")}) as network:
        spaces = [network.namespace(SERVER), network.namespace("patient")]
        assert all((namespaces.NETNS / space).exists() for space in spaces)
        script = network.wrapper("patient", "/bin/sleep")
        assert os.access(script, os.X_OK)
    assert not any((namespaces.NETNS / space).exists() for space in spaces)
    assert not (namespaces.RUN / network.name).exists()
    assert network.last["emulator"]["tun_dropped"] == 0
    with pytest.raises(LinkError, match="does not answer"):
        network.counters()


@pytest.mark.parametrize("name", ["server", "a/b", ""])
def test_bad_names_are_refused(name: str) -> None:
    """A client's name becomes a namespace's."""
    with pytest.raises(ValueError, match="bad name"):
        Network({name: profile("lan")})
