"""Parts shared by the tests of the relay: a relay in this process, and a worker in its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from media.client import RelayClient, RelayUnreachable
from media.relay import Relay
from tests.media.client import opened

ROOT = Path(__file__).parents[2]

WORKER = """
import sys
from media.process import RelaySettings, run
sys.exit(run(RelaySettings(control=sys.argv[1], host="0.0.0.0", port=0, exit_on_stdin_eof=True, drain_s=5)))
"""


@dataclass
class Clock:
    """A clock that a test moves."""

    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture(autouse=True)
async def closed_clients() -> AsyncIterator[None]:
    """Close the clients that a failed test left open."""
    yield
    for client in list(opened):
        await client.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    """An open relay on loopback with the real clock."""
    opened = Relay(host="127.0.0.1", addresses=("127.0.0.1",))
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def clocked(clock: Clock) -> AsyncIterator[Relay]:
    """An open relay whose timers a test runs by hand (`clocked.tick`)."""
    opened = Relay(host="127.0.0.1", addresses=("127.0.0.1",), clock=clock)
    await opened.open()
    opened.stop_timer()
    yield opened
    await opened.close()


@dataclass
class Worker:
    """A relay worker in a process of its own."""

    process: subprocess.Popen[bytes]
    control: str
    log: Path


def start_worker(folder: Path, program: str = WORKER) -> Worker:
    control = f"unix:{folder}/control"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", program, control], cwd=ROOT, stdin=subprocess.PIPE, stdout=log
        )
    deadline = time.monotonic() + 30
    while not (folder / "control").exists():
        assert process.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return Worker(process, control, folder / "log")


def stop_worker(worker: Worker) -> None:
    assert worker.process.stdin is not None
    worker.process.stdin.close()
    try:
        worker.process.wait(10)
    except subprocess.TimeoutExpired:
        worker.process.kill()
        worker.process.wait()
        raise


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """One worker process for all tests of a module."""
    started = start_worker(tmp_path_factory.mktemp("worker"))
    yield started
    stop_worker(started)


@pytest.fixture
async def control(worker: Worker) -> AsyncIterator[RelayClient]:
    client = RelayClient(worker.control)
    for _ in range(100):
        try:
            await client.stats()
            break
        except RelayUnreachable:
            continue
    yield client
    await client.aclose()
