"""The relay worker of this machine: started, started again when it dies, ended, and never left behind."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from media.client import RelayClient, RelayUnreachable
from server import relay_process
from server.relay_process import RelayProcess, RelayStartError, check_port_is_free


def free_media_port() -> int:
    """A port that is free for UDP and TCP now, below those that clients are given, so that none takes it meanwhile."""
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams, socket.socket() as stream:
            try:
                datagrams.bind(("127.0.0.1", port))
                stream.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


async def until(condition: Callable[[], bool], timeout_s: float = 30) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


def _environment() -> dict[str, str]:
    return {"PUENTE_MEDIA_HOST": "127.0.0.1", "PUENTE_MEDIA_PORT": str(free_media_port())}


@pytest_asyncio.fixture
async def worker(tmp_path: Path) -> AsyncIterator[RelayProcess]:
    """A real worker, started."""
    process = RelayProcess(tmp_path / "control.sock", _environment())
    await process.start()
    yield process
    await process.stop()


async def test_a_worker_answers_and_ends_when_told(tmp_path: Path) -> None:
    """After `start` it answers; after `stop` nothing of it is left."""
    process = RelayProcess(tmp_path / "control.sock", _environment())
    await process.start()
    client = RelayClient(process.address)
    assert (await client.stats()).legs == 0
    pid = process.pid
    assert pid is not None
    await process.stop()
    assert not psutil.pid_exists(pid)
    with pytest.raises(RelayUnreachable):
        await client.stats()
    await client.aclose()
    assert not (tmp_path / "control.sock").exists()


async def test_a_worker_that_was_killed_is_started_again(worker: RelayProcess) -> None:
    """With the same address, another incarnation."""
    client = RelayClient(worker.address)
    first, boot = worker.pid, (await client.stats()).boot
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: worker.pid not in {None, first})

    async def answers() -> bool:
        try:
            return (await client.stats()).boot != boot
        except RelayUnreachable:
            return False

    async with asyncio.timeout(30):
        while not await answers():
            await asyncio.sleep(0.02)
    await client.aclose()


async def test_a_worker_ends_with_its_parent(tmp_path: Path) -> None:
    """Also when the parent is killed and can tell nobody."""
    control = tmp_path / "control.sock"
    script = (
        "import asyncio, pathlib\n"
        "from server.relay_process import RelayProcess\n"
        "async def main():\n"
        f"    process = RelayProcess(pathlib.Path({str(control)!r}))\n"
        "    await process.start()\n"
        "    print(process.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, env={**os.environ, **_environment()}, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    async with asyncio.timeout(20):
        # The worker writes its log to the same place.
        while not (line := await parent.stdout.readline()).strip().isdigit():
            assert line
    child = psutil.Process(int(line))
    assert "relay" in child.cmdline()
    parent.kill()
    await parent.wait()
    await until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


async def test_a_worker_that_cannot_start_is_said_in_words(tmp_path: Path) -> None:
    """It ended while starting: the error names the exit code, and nothing is left."""
    process = RelayProcess(tmp_path / "control.sock", command=[sys.executable, "-c", "raise SystemExit(7)"])
    with pytest.raises(RelayStartError, match="exit code 7"):
        await process.start()
    assert process.pid is None


async def test_a_worker_that_never_answers_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting has a bound, and so has ending what does not listen."""
    monkeypatch.setattr(relay_process, "START_TIMEOUT_S", 1.0)
    monkeypatch.setattr(relay_process, "STOP_TIMEOUT_S", 0.2)
    deaf = (
        "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    before = set(psutil.Process().children())
    process = RelayProcess(tmp_path / "control.sock", command=[sys.executable, "-c", deaf])
    with pytest.raises(RelayStartError, match="did not answer"):
        await process.start()
    assert set(psutil.Process().children()) <= before


async def test_restarts_back_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that dies at each start is tried again after longer and longer pauses, and stopping ends that."""
    pauses: list[float] = []
    process = RelayProcess(tmp_path / "control.sock", command=[sys.executable, "-c", "pass"])
    sleep = asyncio.sleep

    async def note(delay_s: float) -> None:
        if delay_s >= relay_process.FIRST_PAUSE_S:
            pauses.append(delay_s)
            delay_s = 0
        await sleep(delay_s)

    monkeypatch.setattr(relay_process.asyncio, "sleep", note)
    process._watching = asyncio.create_task(process._restart_when_it_ends())
    await until(lambda: len(pauses) >= 7, 30)
    await process.stop()
    assert pauses[:7] == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


@pytest.mark.parametrize(("kind", "name"), [(socket.SOCK_DGRAM, "udp"), (socket.SOCK_STREAM, "tcp")])
def test_a_media_port_that_is_taken_is_one_line(kind: socket.SocketKind, name: str) -> None:
    """It names the variable, the port and the protocol."""
    port = free_media_port()
    check_port_is_free("127.0.0.1", port)
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", port))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        with pytest.raises(RelayStartError, match=f"^PUENTE_MEDIA_PORT: {port}/{name} on 127.0.0.1: address"):
            check_port_is_free("127.0.0.1", port)
