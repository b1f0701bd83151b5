"""All parts together: a real store, a real relay worker, a real database; started, used, broken and stopped."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
import pytest_asyncio
import socketio

from server import program as program_module
from server.program import SAME_SIGNAL_S, Program, StartError
from server.relay_process import RelayProcess
from server.settings import Settings
from tests.server.conftest import ROOT
from tests.server.test_relay_process import free_media_port, until

JOIN = {
    "reason": "Presión",
    "languages": ["es"],
    "skill": "general",
    "consent": {"version": "1", "language": "es-MX", "accepted_at_ms": 1_795_500_000_000},
}


def _settings(folder: Path) -> Settings:
    return Settings(
        http_port=0, media_host="127.0.0.1", media_port=free_media_port(), data_dir=folder / "data", media_address=()
    )


@pytest_asyncio.fixture
async def program(tmp_path: Path, dist: Path) -> AsyncIterator[Program]:
    """Puente in demo mode, on free ports."""
    running = Program(_settings(tmp_path), demo=True, dist=dist)
    await running.start()
    yield running
    await running.stop()


@pytest_asyncio.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A client."""
    async with aiohttp.ClientSession() as session:
        yield session


async def _ready(http: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with http.get(f"{url}/readyz") as answer:
        body: dict[str, Any] = await answer.json()
        assert (answer.status == 200) is body["ready"]
        return body


async def _until_ready(http: aiohttp.ClientSession, url: str, *, ready: bool = True) -> None:
    async with asyncio.timeout(40):
        while (await _ready(http, url))["ready"] is not ready:
            await asyncio.sleep(0.05)


class Page:
    """A person's live connection, without a page."""

    def __init__(self, session: dict[str, Any]) -> None:
        self._session = session
        self.io = socketio.AsyncClient(reconnection=False)
        self.seen: dict[str, Any] = {}
        for event in ("snapshot", "closing"):
            self.io.on(event, self._keep(event), namespace=session["namespace"])

    def _keep(self, event: str) -> Any:
        def keep(data: Any) -> None:
            self.seen[event] = data

        return keep

    async def connect(self, url: str) -> None:
        """Connect with the session's first ticket."""
        await self.io.connect(
            url, auth={"v": 1, "ticket": self._session["ticket"]}, namespaces=[self._session["namespace"]],
            socketio_path="/live/", transports=["websocket"],
        )  # fmt: skip

    async def ask(self, event: str, payload: Any) -> Any:
        """Send an event; return its acknowledgement."""
        return await self.io.call(event, payload, namespace=self._session["namespace"], timeout=10)


async def _enter(http: aiohttp.ClientSession, url: str, role: str) -> Page:
    async with http.get(f"{url}/demo", headers={"Accept": "application/json"}) as answer:
        link = (await answer.json())[role].partition("#t=")[2]
    async with http.post(f"{url}/api/session", json={"link": link}) as answer:
        page = Page(await answer.json())
    await page.connect(url)
    await until(lambda: "snapshot" in page.seen)
    return page


async def test_everything_is_ready_and_counted(program: Program, http: aiohttp.ClientSession) -> None:
    """All parts answer; the relay worker's own numbers are among the metrics."""
    await _until_ready(http, program.url)
    async with http.get(f"{program.url}/metrics") as answer:
        metrics = await answer.text()
    assert "puente_relay_up 1.0" in metrics
    assert "puente_relay_legs 0.0" in metrics
    assert "process_cpu_seconds_total" in metrics
    async with http.get(f"{program.url}/live/") as answer:
        assert "Content-Security-Policy" in answer.headers


async def test_a_visit_comes_into_the_database(program: Program, http: aiohttp.ClientSession) -> None:
    """Joining and leaving are remembered with the reason and the consent, by way of the live side's events."""
    await _until_ready(http, program.url)
    page = await _enter(http, program.url, "patient")
    assert (await page.ask("join", JOIN))["ok"] is True
    await until(lambda: page.seen["snapshot"]["visit"] is not None)
    visit_id = page.seen["snapshot"]["visit"]
    assert (await page.ask("leave", {}))["ok"] is True
    assert program.visits is not None
    async with asyncio.timeout(30):
        while (visit := await program.visits.visit(visit_id)) is None or visit.ended_at is None:
            await asyncio.sleep(0.05)
    assert (visit.reason, visit.languages, visit.consent_version) == ("Presión", ["es"], "1")
    assert visit.end_reason == "left"
    await page.io.disconnect()


async def test_a_relay_that_dies_is_missed_and_comes_back(program: Program, http: aiohttp.ClientSession) -> None:
    """Not ready meanwhile; ready again without anybody's help."""
    await _until_ready(http, program.url)
    assert program.relay_process is not None
    pid = program.relay_process.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)  # it neither answers nor ends
    await _until_ready(http, program.url, ready=False)
    assert "relay" in " ".join((await _ready(http, program.url))["missing"])
    os.kill(pid, signal.SIGKILL)
    await _until_ready(http, program.url)
    assert program.relay_process.pid not in {None, pid}


async def test_stopping_tells_pages_to_connect_again(tmp_path: Path, dist: Path, http: aiohttp.ClientSession) -> None:
    """They hear when to come back; no new ones are taken, and within the bound nothing is left."""
    before = set(psutil.Process().children(recursive=True))
    program = Program(_settings(tmp_path), demo=True, dist=dist)
    await program.start()
    await _until_ready(http, program.url)
    page = await _enter(http, program.url, "nurse")
    url = program.url
    began_s = asyncio.get_running_loop().time()
    stopping = asyncio.create_task(program.stop())
    await until(lambda: "closing" in page.seen)
    assert page.seen["closing"]["retry_ms"] > 0
    with pytest.raises(aiohttp.ClientConnectionError):
        async with aiohttp.ClientSession() as fresh:
            await fresh.get(f"{url}/healthz")
    await stopping
    assert asyncio.get_running_loop().time() - began_s < 10
    assert set(psutil.Process().children(recursive=True)) <= before
    await page.io.disconnect()


async def test_pages_are_served_while_the_relay_comes_up(
    tmp_path: Path, dist: Path, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They can be read at once; the live connection is told to come again until there is a relay."""
    begin = asyncio.Event()
    start_relay = program_module._start_relay

    async def slowly(process: RelayProcess | None) -> None:
        await begin.wait()
        await start_relay(process)

    monkeypatch.setattr(program_module, "_start_relay", slowly)
    settings = _settings(tmp_path).model_copy(update={"http_port": free_media_port()})
    program = Program(settings, demo=True, dist=dist)
    starting = asyncio.create_task(program.start())

    async def answers() -> bool:
        try:
            async with http.get(f"{program.url}/demo", headers={"Accept": "text/html"}) as answer:
                return answer.status == 200
        except aiohttp.ClientConnectionError:
            return False

    async with asyncio.timeout(30):
        while not await answers():
            await asyncio.sleep(0.02)
    async with http.get(f"{program.url}/live/?EIO=4&transport=websocket") as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (503, "unavailable")
    assert "relay" in (await _ready(http, program.url))["missing"]
    assert not starting.done()
    begin.set()
    await starting
    await _until_ready(http, program.url)
    await program.stop()


async def test_a_start_that_fails_leaves_nothing_running(tmp_path: Path, dist: Path) -> None:
    """The media port is found taken after the store and the database were opened."""
    before = set(psutil.Process().children(recursive=True))
    settings = _settings(tmp_path)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", settings.media_port))
        with pytest.raises(StartError, match="PUENTE_MEDIA_PORT"):
            await Program(settings, dist=dist).start()
    assert set(psutil.Process().children(recursive=True)) <= before


async def test_outside_of_demo_mode_there_is_no_demo(tmp_path: Path, dist: Path, http: aiohttp.ClientSession) -> None:
    """Neither its page nor its people: a demo link of the same key leads to nobody."""
    demo = Program(_settings(tmp_path), demo=True, dist=dist)
    await demo.start()
    async with http.get(f"{demo.url}/demo", headers={"Accept": "application/json"}) as answer:
        link = (await answer.json())["patient"].partition("#t=")[2]
    await demo.stop()
    program = Program(_settings(tmp_path), dist=dist)
    await program.start()
    try:
        async with http.get(f"{program.url}/demo") as answer:
            assert answer.status == 404
        async with http.get(f"{program.url}/") as answer:
            assert (answer.status, answer.content_type) == (200, "text/html")
            assert "abra el enlace que recibió" in await answer.text()
        async with http.post(f"{program.url}/api/session", json={"link": link}) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (403, "link_invalid")
    finally:
        await program.stop()


async def _demo_process(folder: Path) -> tuple[asyncio.subprocess.Process, str]:
    """`puente demo` as a process, once it takes calls; and its URL."""
    port = free_media_port()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PUENTE_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server.cli", "demo",
        cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, stdin=asyncio.subprocess.DEVNULL,
        env={
            **inherited, "PYTHONPATH": str(ROOT), "PUENTE_HTTP_PORT": str(port), "PUENTE_MEDIA_HOST": "127.0.0.1",
            "PUENTE_MEDIA_PORT": str(free_media_port()),
        },
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"

    async def live() -> bool:
        try:
            async with aiohttp.ClientSession() as http, http.get(f"{url}/readyz") as answer:
                return set((await answer.json())["missing"]) <= {"front_end"}  # pages need not be built for this
        except aiohttp.ClientConnectionError:
            return False

    async with asyncio.timeout(60):
        while not await live():
            assert process.returncode is None
            await asyncio.sleep(0.05)
    return process, url


async def _rest_of(process: asyncio.subprocess.Process) -> list[dict[str, Any]]:
    """What it logged, after its end: every line is JSON."""
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_in_order(tmp_path: Path, number: signal.Signals) -> None:
    """Exit code 0, everything it started gone, its data under the folder it was started in, and a clean log."""
    process, _ = await _demo_process(tmp_path)
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.send_signal(number)
    lines = await _rest_of(process)
    assert process.returncode == 0
    assert not [child for child in children if child.is_running()]
    assert (tmp_path / "var" / "demo" / "secret-key").exists()
    assert {"serving", "stopping", "stopped"} <= {line["event"] for line in lines}
    assert not [line for line in lines if line["level"] == "error"]


async def test_being_killed_leaves_nothing_behind(tmp_path: Path) -> None:
    """The worker and the private redis-server end with it."""
    process, _ = await _demo_process(tmp_path)
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    await _rest_of(process)
    await until(lambda: not [c for c in children if c.is_running() and c.status() != psutil.STATUS_ZOMBIE])


async def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    """Also when something is slow to go, here a worker that does not listen: nothing more is waited for."""
    process, url = await _demo_process(tmp_path)
    worker = next(c for c in psutil.Process(process.pid).children(recursive=True) if "relay" in c.cmdline())
    worker.suspend()
    try:
        async with aiohttp.ClientSession() as http:
            page = await _enter(http, url, "patient")
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGTERM)  # the same one, passed on by a shell
            await until(lambda: "closing" in page.seen)
            asked_s = asyncio.get_running_loop().time()
            await until(lambda: asyncio.get_running_loop().time() - asked_s > SAME_SIGNAL_S)
            assert process.returncode is None
            process.send_signal(signal.SIGTERM)
            await until(lambda: process.returncode is not None)  # `wait` would wait for the worker's output too
            assert process.returncode == 130
            await page.io.disconnect()
    finally:
        worker.kill()
    await _rest_of(process)
