"""Where the living state is."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from signaling.store import Store, StoreError, StoreInUse, find_server, open_store

needs_server = pytest.mark.skipif(find_server() is None, reason="no redis-server on this machine")


async def eventually(met: Callable[[], bool], within_s: float = 10.0) -> None:
    """Wait for a condition outside of this process."""
    async with asyncio.timeout(within_s):
        while not met():
            await asyncio.sleep(0.02)


async def test_every_kind_is_used_in_the_same_way(store: Store) -> None:
    """Text goes in and out, scripts run, and a blocking read on its own connection wakes up."""
    await store.client.set("k", "ñ")
    assert await store.client.get("k") == "ñ"
    assert await store.client.eval("return redis.call('GET', KEYS[1])", 1, "k") == "ñ"
    assert await store.answers()
    reader = store.blocking(5)
    reading = asyncio.create_task(reader.xread({"s": "0-0"}, block=5000))
    await asyncio.sleep(0)
    await store.client.xadd("s", {"a": "1"})
    assert await asyncio.wait_for(reading, 5)


@needs_server
async def test_the_private_server_keeps_its_state(tmp_path: Path) -> None:
    """What was written is there after an orderly stop, and the folder is free again."""
    first = await open_store(None, tmp_path)
    await first.client.set("k", "v")
    await first.close()
    assert not list(tmp_path.rglob("*.sock"))
    second = await open_store(None, tmp_path)
    assert await second.client.get("k") == "v"
    await second.close()


@needs_server
async def test_one_folder_is_for_one_process(tmp_path: Path) -> None:
    """A second Puente on the same folder is refused instead of sharing the state by accident."""
    first = await open_store(None, tmp_path)
    with pytest.raises(StoreInUse):
        await open_store(None, tmp_path)
    assert await first.answers()
    await first.close()


@needs_server
async def test_the_private_server_comes_back_after_it_died(tmp_path: Path) -> None:
    """A killed server is started again, with its state and without anybody reconnecting by hand."""
    store = await open_store(None, tmp_path)
    await store.client.set("k", "v")
    await store.client.config_set("appendfsync", "always")
    await store.client.set("k", "w")
    server = store._server
    assert server is not None
    assert server.pid is not None
    before = server.pid
    os.kill(before, signal.SIGKILL)
    await eventually(lambda: server.pid not in (None, before))
    async with asyncio.timeout(10):
        while not await store.answers():
            pass
    assert await store.client.get("k") == "w"
    await store.close()
    assert not psutil.pid_exists(server.pid or 0) or server.pid is None


OWNER = """
import asyncio, sys
from pathlib import Path
from signaling.store import open_store
async def main():
    store = await open_store(None, Path(sys.argv[1]))
    print(store._server.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


@needs_server
async def test_the_private_server_dies_with_its_owner(tmp_path: Path) -> None:
    """After kill -9 of the owner no server stays behind, and the next owner starts in the same folder."""
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pid = int(await asyncio.to_thread(owner.stdout.readline))
    owner.kill()
    owner.wait()
    owner.stdout.close()
    store = await open_store(None, tmp_path)
    assert store.kind == "private"
    await eventually(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    await store.close()


@needs_server
async def test_a_long_path_is_no_obstacle(tmp_path: Path) -> None:
    """A data folder whose path is too long for a unix socket still gets a private server."""
    folder = tmp_path / ("x" * 60) / ("y" * 60)
    store = await open_store(None, folder)
    assert store.kind == "private"
    await store.close()


async def test_a_server_that_cannot_start_is_replaced_by_the_embedded_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken binary costs persistence, not the service."""
    monkeypatch.setattr("signaling.store.find_server", lambda: "/bin/false")
    store = await open_store(None, tmp_path)
    assert store.kind == "embedded"
    await store.close()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "nonsense"])
async def test_a_url_that_is_none_is_an_error(tmp_path: Path, url: str) -> None:
    """What is no redis URL is said at once."""
    with pytest.raises(StoreError, match="not a redis"):
        await open_store(url, tmp_path)


async def test_a_server_that_does_not_answer_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A given server that is not there is not replaced by another one."""
    monkeypatch.setattr("signaling.store.START_TIMEOUT_S", 0.3)
    with pytest.raises(StoreError, match="does not answer"):
        await open_store(f"unix://{tmp_path}/nobody.sock", tmp_path)


def test_a_server_inside_the_environment_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some Python packages bring an old server along; only the machine's own counts."""
    inside, outside = tmp_path / "venv" / "bin", tmp_path / "bin"
    for folder in (inside, outside):
        folder.mkdir(parents=True)
        (folder / "redis-server").write_text("#!/bin/sh\n")
        (folder / "redis-server").chmod(0o755)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    monkeypatch.setenv("PATH", f"{inside}{os.pathsep}{outside}")
    assert find_server() == str(outside / "redis-server")
    monkeypatch.setenv("PATH", str(inside))
    assert find_server() is None
