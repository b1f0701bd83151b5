"""`puente linktest` against a real program: relay, UDP, TCP and TURN, all on this machine."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import SecretStr

from media.client import RelayClient
from media.control import WorkerStats
from server.linktest import run, service
from server.linktest.client import NoTestError
from server.linktest.run import run_test
from server.linktest.ways import TcpWay, UdpWay
from server.program import Program
from server.settings import Settings
from tests.coturn import PEER, SECRET, running
from tests.server.conftest import ROOT
from tests.server.test_relay_process import free_media_port


def _settings(folder: Path) -> Settings:
    return Settings(
        http_port=0, media_host="127.0.0.1", media_port=free_media_port(), data_dir=folder / "data", media_address=()
    )


async def _relay(program: Program) -> WorkerStats:
    """The program's relay as it is now."""
    assert program.relay_process is not None
    client = RelayClient(program.relay_process.address)
    try:
        return await client.stats()
    finally:
        await client.aclose()


@pytest_asyncio.fixture
async def program(tmp_path: Path, dist: Path) -> AsyncIterator[Program]:
    """Puente on free ports, its relay up."""
    started = Program(_settings(tmp_path), dist=dist)
    await started.start()
    yield started
    await started.stop()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less patience, for a link where everything is near."""
    monkeypatch.setattr(run, "REACH_S", 2.0)
    monkeypatch.setattr(run, "CHECKS", 5)


def _blocked(monkeypatch: pytest.MonkeyPatch, way: type[UdpWay] | type[TcpWay]) -> None:
    """A firewall that swallows what is sent on this way."""
    monkeypatch.setattr(way, "send", lambda _self, _datagram: True)


async def test_the_command_prints_what_the_link_carries(tmp_path: Path, program: Program) -> None:
    """UDP and TCP reach the relay, whole Ethernet packets pass, there is a picture both ways; then all is freed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server.cli", "linktest", program.url, "--json",
        cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    ending = asyncio.create_task(process.communicate())
    most = 0
    while not ending.done():
        stats = await _relay(program)
        assert stats.rooms == 0
        most = max(most, stats.legs)
        await asyncio.wait({ending}, timeout=0.5)
    out, _ = await ending
    report = json.loads(out)
    assert (process.returncode, most) == (0, 1), report
    assert (report["udp"]["outcome"], report["tcp"]["outcome"]) == ("yes", "yes")
    assert (report["turn"]["outcome"], report["used"], report["mtu_bytes"]) == ("not_configured", "udp", 1500)
    assert report["up"]["rung"] == 5
    # The relay judges the way down by trains of 50 and 100 ms, which a busy machine may deliver too slowly for rung 5.
    assert report["down"]["rung"] >= 3
    assert report["round_trip"]["rtcp_ms"] is not None
    assert (await _relay(program)).legs == 0


@pytest.mark.usefixtures("quick")
async def test_where_udp_is_swallowed_tcp_is_measured(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says that UDP does not get through, and what TCP carries."""
    _blocked(monkeypatch, UdpWay)
    report = await run_test(program.url)
    assert (report.udp.outcome, report.tcp.outcome, report.used) == ("no", "yes", "tcp")
    assert (report.verdict, report.mtu_bytes) == ("video", None)


@pytest.mark.usefixtures("quick")
async def test_where_nothing_else_gets_through_turn_is_measured(
    tmp_path: Path, dist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over the server that the settings name, with the credentials that pages get."""
    _blocked(monkeypatch, UdpWay)
    _blocked(monkeypatch, TcpWay)
    with running(tmp_path) as coturn:
        url = f"turn:127.0.0.1:{coturn.port}"
        settings = _settings(tmp_path).model_copy(
            update={
                "media_host": "0.0.0.0", "media_address": (PEER,), "turn_urls": (url,),
                "turn_secret": SecretStr(SECRET),
            }
        )  # fmt: skip
        program = Program(settings, dist=dist)
        await program.start()
        try:
            report = await run_test(program.url)
        finally:
            await program.stop()
    assert (report.udp.outcome, report.tcp.outcome, report.used) == ("no", "no", "turn")
    assert (report.turn.outcome, report.turn.detail) == ("yes", url)
    assert report.verdict == "video"


@pytest.mark.usefixtures("quick")
async def test_where_nothing_gets_through_it_says_so(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report without measures, and nothing left behind."""
    _blocked(monkeypatch, UdpWay)
    _blocked(monkeypatch, TcpWay)
    report = await run_test(program.url)
    assert (report.used, report.verdict, report.exit_code) == (None, "no_way", 2)
    assert (await _relay(program)).legs == 0


async def test_a_server_that_is_none_is_named(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody there, somebody else there, and one that has no place for another test."""
    with pytest.raises(NoTestError, match="unreachable"):
        await run_test("http://127.0.0.1:9")
    with pytest.raises(NoTestError, match="not_puente"):
        await run_test(f"{program.url}/elsewhere")
    monkeypatch.setattr(service, "MAX_TESTS", 0)
    with pytest.raises(NoTestError, match="busy"):
        await run_test(program.url)
