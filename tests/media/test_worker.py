"""The control API over HTTP: what it refuses, who may ask, and the worker as a process."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from media.client import RelayClient, RelayRefused, RelayUnreachable
from media.control import AnswerLeg, CreateLeg, JoinRoom, Refusal
from media.process import RelaySettings, run
from media.relay import Relay
from media.signature import MAX_NONCES, WINDOW_S, Verifier, sign
from media.worker import MAX_BODY_BYTES, Control
from tests.media.client import RawClient, until
from tests.media.conftest import ROOT, WORKER, start_worker, stop_worker

SECRET = b"a secret of thirty-two bytes ...."


class Tcp:
    """A relay with its control API on TCP, and a bare HTTP session to it."""

    def __init__(self, relay: Relay, control: Control, session: aiohttp.ClientSession) -> None:
        self.relay, self.control, self.session = relay, control, session

    async def ask(
        self, method: str, target: str, body: bytes | io.BytesIO = b"", **headers: str
    ) -> tuple[int, Refusal | None]:
        """Send one request; signed, unless an Authorization is given."""
        signed = body if isinstance(body, bytes) else body.getvalue()
        headers.setdefault("Authorization", sign(SECRET, method, target, signed))
        async with self.session.request(method, self.control.address + target, data=body, headers=headers) as response:
            text = await response.text()
            return response.status, Refusal.model_validate_json(text) if response.status >= 400 else None


@pytest.fixture
async def tcp(relay: Relay) -> AsyncIterator[Tcp]:
    control = Control(relay, "http://127.0.0.1:0", SECRET)
    await control.open()
    async with aiohttp.ClientSession() as session:
        yield Tcp(relay, control, session)
    await control.close()


LEG = json.dumps({"leg": "a", "call": "c", "epoch": 1}).encode()


# ---- bad input


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"leg": "a"}', b'{"leg": "a", "call": "c", "epoch": 0}',
        b'{"leg": "a b", "call": "c", "epoch": 1}', b'{"leg": "", "call": "c", "epoch": 1}',
        b'{"leg": "a", "call": "c", "epoch": 1, "more": 1}', b'{"leg": {"x": 1}, "call": "c", "epoch": 1}',
        b'{"leg": "a", "call": "c", "epoch": 1e99}', b"[" * 60_000, json.dumps({"leg": "x" * 60_000}).encode(),
    ],
)  # fmt: skip
async def test_malformed_bodies_are_refused(tcp: Tcp, body: bytes) -> None:
    """Anything that is not exactly the model is a typed refusal without an effect, and repeats nothing of the body."""
    status, refused = await tcp.ask("POST", "/v1/legs", body)
    assert status == 400
    assert refused is not None
    assert refused.code == "bad_request"
    assert "xxx" not in refused.detail
    assert len(refused.detail) < 200
    assert not tcp.relay.legs


async def test_ten_megabytes_are_refused(tcp: Tcp) -> None:
    """A body over 64 KB is refused as such, whatever is in it."""
    try:
        status, refused = await tcp.ask("POST", "/v1/legs", io.BytesIO(bytes(10 << 20)))
    except aiohttp.ClientConnectionError:
        pass  # refused while it was still being sent
    else:
        assert (status, refused and refused.code) == (413, "too_large")
    status, refused = await tcp.ask("POST", "/v1/legs", bytes(MAX_BODY_BYTES + 1))
    assert (status, refused and refused.code) == (413, "too_large")


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/", 404), ("GET", "/v1/nothing", 404), ("GET", "/v1/legs/none", 404), ("PUT", "/v1/legs", 400),
        ("GET", "/v1/legs/%20", 400), ("GET", "/v1/legs/" + "x" * 65, 400), ("GET", "/v1/events?after=x", 400),
        ("GET", "/v1/events?wait_s=1e9", 400), ("GET", "/v1/events?after=-1", 400),
        ("GET", "/v1/events?wait_s=nan", 400),
    ],
)  # fmt: skip
async def test_wrong_targets_are_refused(tcp: Tcp, method: str, target: str, status: int) -> None:
    """Unknown paths, methods, names and numbers each get a typed refusal."""
    answered, refused = await tcp.ask(method, target)
    assert answered == status
    assert refused is not None


# ---- who may ask


async def test_unsigned_requests_are_refused(tcp: Tcp) -> None:
    """Over TCP nothing is answered without a signature: neither a wrong, nor a torn, nor another request's."""
    good = sign(SECRET, "POST", "/v1/legs", LEG)
    for header in (
        "", "Basic eDp5", "Puente", "Puente ::", good[:-1], good.replace("Puente", "puente"), good[:-1] + "é",
        sign(b"another secret entirely", "POST", "/v1/legs", LEG), sign(SECRET, "GET", "/v1/legs", LEG),
        sign(SECRET, "POST", "/v1/leg", LEG), sign(SECRET, "POST", "/v1/legs", LEG + b" "),
        sign(SECRET, "POST", "/v1/legs", LEG, unix_s=1), sign(SECRET, "POST", "/v1/legs", LEG, unix_s=1 << 39),
    ):  # fmt: skip
        status, refused = await tcp.ask("POST", "/v1/legs", LEG, Authorization=header)
        assert (status, refused and refused.code) == (401, "unauthorized")
    status, _ = await tcp.ask("GET", "/metrics", Authorization="")
    assert status == 401
    assert not tcp.relay.legs


async def test_a_signature_is_good_once(tcp: Tcp) -> None:
    """The same signed request a second time is a replay."""
    header = sign(SECRET, "POST", "/v1/legs", LEG)
    assert (await tcp.ask("POST", "/v1/legs", LEG, Authorization=header))[0] == 200
    assert (await tcp.ask("POST", "/v1/legs", LEG, Authorization=header))[0] == 401


def test_window_and_memory_of_nonces() -> None:
    """Clocks may differ by a minute; nonces are forgotten once they are worthless, and never too many are kept."""
    now = [1_000_000.0]
    verifier = Verifier(SECRET, clock=lambda: now[0])

    def accepted(at: float) -> bool:
        return verifier.accepts(sign(SECRET, "GET", "/", b"", unix_s=at), "GET", "/", b"")

    assert accepted(now[0] - WINDOW_S)
    assert accepted(now[0] + WINDOW_S)
    assert not accepted(now[0] - WINDOW_S - 1)
    assert not accepted(now[0] + WINDOW_S + 1)
    now[0] += 2 * WINDOW_S
    assert accepted(now[0])
    assert len(verifier._seen) == 1
    verifier._seen = {str(n): now[0] + 1 for n in range(MAX_NONCES)}
    assert not accepted(now[0])
    now[0] += 2
    assert accepted(now[0])


@pytest.mark.parametrize("secret", [None, b"", b"short"])
async def test_tcp_without_a_secret_does_not_start(relay: Relay, secret: bytes | None) -> None:
    """An open control port would be everybody's relay."""
    with pytest.raises(ValueError, match="secret"):
        Control(relay, "http://127.0.0.1:0", secret)


@pytest.mark.parametrize("address", ["", "unix:", "/tmp/x", "http://", "http://host", "ftp://x:1", "http://x:1/path"])
async def test_unreadable_addresses(relay: Relay, address: str) -> None:
    """What is no control address is said at once."""
    with pytest.raises(ValueError, match=r"control address|Port"):
        Control(relay, address, SECRET)


async def test_unix_socket_is_for_its_user_only(relay: Relay, tmp_path: Path) -> None:
    """Mode 0600 from the first moment; a stale one is replaced, one in use is not, and closing removes it."""
    path = tmp_path / "control"
    control = Control(relay, f"unix:{path}")
    await control.open()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(OSError):
        await Control(relay, f"unix:{path}").open()
    await control.close()
    assert not path.exists()
    import socket

    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    await control.open()
    client = RelayClient(f"unix:{path}")
    assert (await client.stats()).boot == relay.boot
    await client.aclose()
    await control.close()


# ---- the process


async def test_worker_process_serves_and_ends_with_its_parent(tmp_path: Path) -> None:
    """It answers over its socket, logs JSON without what was said, and ends when the pipe from its parent closes."""
    worker = start_worker(tmp_path)
    client = RelayClient(worker.control)
    stats = await _first_stats(client)
    assert stats.port > 0
    offer = await client.create_leg(CreateLeg(leg="a", call="c", epoch=1))
    assert f" {stats.port} typ host" in offer.sdp
    with pytest.raises(RelayRefused):
        await client.answer("a", AnswerLeg(call="c", epoch=1, restart=0, sdp="v=0 Juana"))
    assert "puente_relay_legs 1.0" in await client.metrics()
    await client.aclose()
    await asyncio.to_thread(stop_worker, worker)
    assert worker.process.returncode == 0
    lines = [json.loads(line) for line in worker.log.read_text().splitlines()]
    assert [line["event"] for line in lines if line["event"].startswith("relay.")] == [
        "relay.listening",
        "relay.stopped",
    ]
    assert "Juana" not in worker.log.read_text()
    assert not (tmp_path / "control").exists()


async def test_sigterm_drains(tmp_path: Path) -> None:
    """SIGTERM: no new legs, those that stand stay; the process ends as soon as the last one is gone."""
    worker = start_worker(tmp_path)
    client = RelayClient(worker.control)
    await _first_stats(client)
    offer = await client.create_leg(CreateLeg(leg="a", call="c", epoch=1))
    raw = RawClient(offer.sdp)
    await client.answer("a", AnswerLeg(call="c", epoch=1, restart=0, sdp=raw.answer()))
    await raw.connect()
    worker.process.send_signal(signal.SIGTERM)
    while not (await client.stats()).draining:
        await asyncio.sleep(0.01)
    with pytest.raises(RelayRefused) as refused:
        await client.create_leg(CreateLeg(leg="b", call="c", epoch=1))
    assert refused.value.code == "draining"
    assert (await client.leg("a")).state == "connected"
    await raw.close()
    await until(lambda: worker.process.poll() == 0)
    await client.aclose()
    await asyncio.to_thread(stop_worker, worker)


async def test_killed_worker_is_unreachable(tmp_path: Path) -> None:
    """After kill -9 the client says so in its own words, and a new worker takes the socket over."""
    worker = start_worker(tmp_path)
    client = RelayClient(worker.control)
    boot = (await _first_stats(client)).boot
    worker.process.kill()
    worker.process.wait()
    with pytest.raises(RelayUnreachable):
        await client.stats()
    again = start_worker(tmp_path)
    stats = await _first_stats(client)
    assert stats.boot != boot
    assert (await client.events(boot, 0, 0)).lost
    await client.aclose()
    await asyncio.to_thread(stop_worker, again)
    worker.process.stdin.close()


async def _first_stats(client: RelayClient):  # type: ignore[no-untyped-def]
    for _ in range(200):
        try:
            return await client.stats()
        except RelayUnreachable:
            await asyncio.sleep(0.02)
    raise AssertionError("the worker does not answer")


def test_taken_port_ends_the_process(tmp_path: Path) -> None:
    """A port in use is one clear line and exit code 1."""
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        program = WORKER.replace("port=0", f"port={taken.getsockname()[1]}")
        done = subprocess.run(
            [sys.executable, "-c", program, f"unix:{tmp_path}/control"], cwd=ROOT, stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL, timeout=30, check=False, env=os.environ,
        )  # fmt: skip
    assert done.returncode == 1
    assert json.loads(done.stdout)["event"] == "relay.cannot_start"


@pytest.mark.parametrize(
    "settings",
    [
        RelaySettings(control="nowhere", port=0),
        RelaySettings(control="http://127.0.0.1:0", port=0),
        RelaySettings(control="unix:/x", host="not an address", port=0),
        RelaySettings(control="unix:/x", host="127.0.0.1", addresses=["somewhere"], port=0),
    ],
)
def test_bad_settings_end_the_process(settings: RelaySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be meant is one line and exit code 2, before anything is open."""
    monkeypatch.setattr("media.process._log_as_json", lambda: None)
    assert run(settings) == 2


async def test_room_over_http(tcp: Tcp) -> None:
    """Joining and leaving through the signed client give the room's state."""
    client = RelayClient(tcp.control.address, SECRET)
    for name in "ab":
        await client.create_leg(CreateLeg(leg=name, call="c", epoch=1))
        state = await client.join("room", JoinRoom(call="c", epoch=1, leg=name))
    assert [member.leg for member in state.members] == ["a", "b"]
    await client.aclose()


async def test_what_a_page_sees_is_taken_for_legs_that_are(tcp: Tcp) -> None:
    """A report of a leg is done; one of no leg or out of bounds is refused."""
    assert (await tcp.ask("POST", "/v1/legs", LEG))[0] == 200
    sent = {"call": "c", "epoch": 1, "report": {"wants_video": True, "concealed": 0.02}}

    async def reported(leg: str, **other: object) -> str:
        status, refusal = await tcp.ask("POST", f"/v1/legs/{leg}/report", json.dumps({**sent, **other}).encode())
        return "done" if status == 200 else refusal.code if refusal is not None else ""

    assert await reported("a") == "done"
    assert await reported("b") == "not_found"
    assert await reported("a", report={"concealed": 2}) == "bad_request"
    assert await reported("a", epoch=0) == "bad_request"
