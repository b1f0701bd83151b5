"""Where the living state is: a Redis that was given, one of our own, or one inside this process.

The three are used through the same client and the same scripts, so there is one code path to prove.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Literal

import fakeredis
import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

Kind = Literal["redis", "private", "embedded"]

COMMAND_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 2.0
START_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 5.0
MAX_SOCKET_PATH = 100
"""A unix socket's path is at most 107 bytes on Linux."""
MAX_RESTART_PAUSE_S = 10.0
PR_SET_PDEATHSIG = 1
SERVER_NAMES = ("redis-server", "valkey-server")


class StoreError(Exception):
    """The living state cannot be kept where it was asked for."""


class Store:
    """A connection to the living state.

    `client` is for everything that answers at once. What blocks (XREAD) takes a client of its own from `blocking()`, so
    it never holds up or mixes with the rest.
    """

    def __init__(
        self, kind: Kind, client: Redis, connect: Callable[[float], Redis], server: PrivateServer | None = None
    ) -> None:
        self.kind = kind
        self.client = client
        self._connect = connect
        self._server = server
        self._blocking: list[Redis] = []

    def blocking(self, block_s: float) -> Redis:
        """A client of its own for commands that wait up to `block_s`; closed with the store."""
        client = self._connect(block_s + COMMAND_TIMEOUT_S)
        self._blocking.append(client)
        return client

    async def answers(self, timeout_s: float = 1.0) -> bool:
        """Whether the store answers within `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                return bool(await self.client.ping())
        except (RedisError, OSError, TimeoutError):
            return False

    async def close(self) -> None:
        """Close every connection and, when the server is ours, stop it."""
        for client in (*self._blocking, self.client):
            with suppress(RedisError, OSError):
                await client.aclose()
        self._blocking.clear()
        if self._server is not None:
            await self._server.stop()


async def open_store(url: str | None, data_dir: Path) -> Store:
    """Open the store: at `url` if given, else our own server in `data_dir`, else inside this process.

    Raises:
        StoreError: the given server does not answer, or another process uses this data folder.
    """
    if url:
        return await _given(url)
    binary = find_server()
    if binary is not None:
        server = PrivateServer(binary, data_dir)
        try:
            await server.start()
        except StoreInUse:
            raise
        except (StoreError, OSError) as error:
            log.warning("store.private_failed", reason=str(error), fallback="embedded")
            await server.stop()
        else:
            return Store("private", _client(server.url), lambda timeout_s: _client(server.url, timeout_s), server)
    return embedded_store()


async def _given(url: str) -> Store:
    try:
        store = Store("redis", _client(url), lambda timeout_s: _client(url, timeout_s))
    except ValueError as error:
        raise StoreError("PUENTE_REDIS_URL is not a redis:// URL") from error
    if not await store.answers(START_TIMEOUT_S):
        await store.close()
        raise StoreError("the Redis server of PUENTE_REDIS_URL does not answer")
    return store


def embedded_store() -> Store:
    """A store inside this process: nothing is kept when it ends."""
    server = fakeredis.FakeServer()

    def connect(_timeout_s: float = COMMAND_TIMEOUT_S) -> Redis:
        client: Redis = fakeredis.FakeAsyncRedis(server=server, decode_responses=True)
        return client

    return Store("embedded", connect(), connect)


def _client(url: str, timeout_s: float = COMMAND_TIMEOUT_S) -> Redis:
    """A client that reconnects and tries again; every script call is safe to repeat (see `waiting_room/state.lua`)."""
    client: Redis = Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=timeout_s,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        health_check_interval=15,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 3),
    )
    return client


def find_server() -> str | None:
    """The machine's redis-server. One inside the virtual environment is some Python package's old copy: ignored."""
    inside = Path(sys.prefix).resolve()
    folders = [
        folder
        for folder in os.environ.get("PATH", os.defpath).split(os.pathsep)
        if folder and not Path(folder).resolve().is_relative_to(inside)
    ]
    for name in SERVER_NAMES:
        found = shutil.which(name, path=os.pathsep.join(folders))
        if found:
            return found
    return None


class StoreInUse(StoreError):  # noqa: N818 - a state, not a fault of the program
    """Another process keeps its state in this data folder."""


class PrivateServer:
    """A redis-server that belongs to this process: on a unix socket, with its append-only file in the data folder.

    It is started again when it dies, and dies with us, even when we are killed.
    """

    def __init__(self, binary: str, data_dir: Path) -> None:
        self._binary = binary
        self._folder = data_dir / "redis"
        self._lock: IO[str] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._short_folder: str | None = None
        self._socket = self._folder / "redis.sock"

    @property
    def url(self) -> str:
        """Where to connect."""
        return f"unix://{self._socket}"

    @property
    def pid(self) -> int | None:
        """Process id of the running server."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            StoreInUse: another process uses the folder.
            StoreError: the server did not come up.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._take_lock()
        if len(str(self._socket.resolve())) > MAX_SOCKET_PATH:
            self._short_folder = tempfile.mkdtemp(prefix="puente-")
            self._socket = Path(self._short_folder) / "redis.sock"
        self._socket = self._socket.resolve()
        await self._end_orphan()
        await self._spawn()
        self._watch = asyncio.create_task(self._restart_when_it_dies(), name="redis-server")

    async def stop(self) -> None:
        """Stop the server (it writes what it holds) and free the folder."""
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
            self._watch = None
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
            try:
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        self._socket.unlink(missing_ok=True)
        if self._short_folder is not None:
            shutil.rmtree(self._short_folder, ignore_errors=True)
            self._short_folder = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _take_lock(self) -> None:
        # The lock goes with the process that holds it, so it is never stale as a pid file can be.
        lock = (self._folder / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise StoreInUse(f"{self._folder.parent} is used by another Puente") from error
        self._lock = lock

    async def _end_orphan(self) -> None:
        """A socket that is still there was left by a run that was killed; its server may be on its way out."""
        if not self._socket.exists():
            return
        client = _client(self.url)
        with suppress(RedisError, OSError):
            await client.shutdown()
        await client.aclose()
        self._socket.unlink(missing_ok=True)

    async def _spawn(self) -> None:
        parent = os.getpid()
        libc = ctypes.CDLL(None)

        def die_with_parent() -> None:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:
                os._exit(1)

        self._process = await asyncio.create_subprocess_exec(
            self._binary,
            *("--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "700"),
            *("--dir", str(self._folder), "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
            *("--daemonize", "no", "--loglevel", "warning", "--maxmemory-policy", "noeviction"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C in the terminal is for us; we then stop the server in order
            preexec_fn=die_with_parent,
        )
        await self._answering()

    async def _answering(self) -> None:
        client = _client(self.url, 1.0)
        until = time.monotonic() + START_TIMEOUT_S
        try:
            while True:
                if self._process is None or self._process.returncode is not None:
                    raise StoreError("redis-server ended while starting")
                try:
                    await client.ping()
                    break
                except (RedisError, OSError):
                    if time.monotonic() > until:
                        raise StoreError("redis-server does not answer") from None
                    await asyncio.sleep(0.02)
            # A transaction torn by a power cut is only half mended by the server (7.0, measured): the open MULTI stays
            # in the file, and the next start would apply half of it. A fresh file ends that.
            with suppress(RedisError):
                await client.bgrewriteaof()
        finally:
            await client.aclose()

    async def _restart_when_it_dies(self) -> None:
        pause_s = 0.1
        while True:
            if self._process is not None:
                code = await self._process.wait()
                log.error("store.server_died", code=code)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, MAX_RESTART_PAUSE_S)
            self._socket.unlink(missing_ok=True)
            try:
                await self._spawn()
                pause_s = 0.1
            except (StoreError, OSError) as error:
                log.error("store.restart_failed", reason=str(error))  # noqa: TRY400 - the reason says it all
