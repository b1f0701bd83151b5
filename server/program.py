"""`puente serve`: every part of one process, started in order, watched, and ended in order."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import sqlalchemy as sa
import structlog
from aiohttp import web

from media.client import RelayClient, RelayRefused, RelayUnreachable
from server.api import Handler, Refused
from server.app import add_pages, make_app
from server.bearer import Bearer
from server.database import Database, trouble
from server.demo import Demo
from server.health import Check, Health
from server.linktest.service import LinkTests
from server.listener import Listener, address_in_words
from server.pages import DIST, Pages
from server.people import People
from server.quality import Quality
from server.relay_process import RelayProcess, RelayStartError, check_port_is_free
from server.sessions import Sessions
from server.settings import TOKENS, Settings, derived
from server.visits import Visits
from signaling.store import Store, StoreError, open_store
from signaling.switchboard import Signaling
from signaling.tickets import Tickets
from signaling.turn import Turn

PROGRAMME = "migrantes"
LIVE_PATH = "/live/"
RECONNECT_MS = 1_000
"""When pages are told to come back: by then the balancer, or the next start, has something to answer with."""
MOVE_TIME_S = 2.0
"""How long pages get to go elsewhere before the rest of their connections is closed."""
STOP_TIMEOUT_S = 10.0
SAME_SIGNAL_S = 0.5
"""A signal to the whole process group, and the same one passed on by `make` or a shell, are one."""

log = structlog.get_logger()


class StartError(RuntimeError):
    """The program cannot start; the text is one line that says why."""


class Program:
    """The parts of one process. `start`, then `stop`; both once."""

    def __init__(self, settings: Settings, *, demo: bool = False, dist: Path = DIST) -> None:
        self._settings = settings
        self._demo_mode = demo
        self._dist = dist
        self._stack = AsyncExitStack()
        self._listener: Listener | None = None
        self._signaling: Signaling | None = None
        self.relay_process: RelayProcess | None = None
        self.visits: Visits | None = None

    @property
    def url(self) -> str:
        """Where people open it."""
        if self._settings.public_url is not None:
            return self._settings.public_url
        host = self._settings.http_host
        shown = "localhost" if host in {"0.0.0.0", "::", "127.0.0.1", "::1", "localhost"} else host
        port = self._listener.port if self._listener is not None else self._settings.http_port
        return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"

    async def start(self) -> None:
        """Start every part. Raises StartError, and then nothing is left running."""
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise

    async def stop(self) -> None:
        """Take no new calls, tell pages to go elsewhere, give them `MOVE_TIME_S`, and end every part."""
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                if self._listener is not None:
                    self._listener.pause()
                if self._signaling is not None:
                    await self._signaling.drain(RECONNECT_MS)
                    await self._until_moved()
                await self._stack.aclose()
        except TimeoutError:
            log.error("stop.too_slow", after_s=STOP_TIMEOUT_S)  # noqa: TRY400 - where it hung is not known here

    async def _start(self) -> None:
        settings = self._settings
        keys = settings.keys()
        https = (settings.public_url or "").startswith("https://")
        listener = await self._bind(https=https)
        relay, process = self._make_relay()
        # The worker takes as long to come up as all the rest, so pages are served meanwhile.
        relay_starting = asyncio.create_task(_start_relay(process), name="start-relay")
        self._stack.push_async_callback(_cancelled, relay_starting)
        database = await self._open_database()
        store = await self._open_store()

        people = People(database)
        visits = self.visits = Visits(database, PROGRAMME)
        tickets = Tickets(derived(keys, TOKENS))
        turn = _turn(settings)
        signaling = Signaling(
            store=store,
            relay=relay,
            directory=people,
            journal=visits,
            tickets=tickets,
            programme=PROGRAMME,
            origins=self._origins(),
            turn=turn,
        )
        pages = Pages(self._dist)
        demo = None
        if self._demo_mode:
            demo = Demo(tickets, people, pages, settings.public_url, settings.trusted_proxies)
            demo.start()
            self._stack.push_async_callback(demo.stop)

        health = Health(_checks(pages, database, relay, signaling), relay)
        bearer = Bearer(tickets, people)
        sessions = Sessions(tickets, people, bearer, demo, settings.trusted_proxies)
        links = LinkTests(relay, turn, settings.trusted_proxies)
        app = make_app(pages, sessions, Quality(database, bearer), links, health, demo, https=https)
        signaling.attach(app, LIVE_PATH)
        add_pages(app, pages)

        app.middlewares.append(self._not_before_it_is_live)
        self._stack.push_async_callback(listener.stop)
        await listener.start(app)

        await relay_starting
        await signaling.start()
        self._stack.push_async_callback(signaling.stop)
        # Again, so that connections end before what they use does.
        self._stack.push_async_callback(listener.stop)
        self._signaling = signaling
        log.info("serving", url=self.url, store=store.kind, database=database.engine.dialect.name, pid=os.getpid())

    def _origins(self) -> list[str] | None:
        """Whose pages may connect: those of the public address, and of this very machine; without a public address
        those that come from where they connect to."""
        if self._settings.public_url is None:
            return None
        port = self._listener.port if self._listener is not None else self._settings.http_port
        return [self._settings.public_url, f"http://localhost:{port}", f"http://127.0.0.1:{port}"]

    async def _bind(self, *, https: bool) -> Listener:
        """Take the HTTP address first: nothing is started in vain when somebody else has it."""
        settings = self._settings
        listener = self._listener = Listener(https=https)
        self._stack.push_async_callback(listener.stop)
        try:
            await listener.bind(settings.http_host, settings.http_port)
        except OSError as error:
            raise StartError(address_in_words(settings.http_host, settings.http_port, error)) from None
        return listener

    async def _until_moved(self) -> None:
        until_s = asyncio.get_running_loop().time() + MOVE_TIME_S
        while self._listener is not None and self._listener.connections:
            if asyncio.get_running_loop().time() >= until_s:
                return
            await asyncio.sleep(0.05)

    async def _open_database(self) -> Database:
        try:
            database = Database(self._settings.database_address())
            self._stack.push_async_callback(database.close)
            if database.is_sqlite:
                await database.migrate()
            elif not await database.is_current():
                raise StartError("PUENTE_DATABASE_URL: the schema is not this version's; run `puente migrate` first")
        except (sa.exc.SQLAlchemyError, OSError) as error:
            raise StartError(trouble(error)) from None
        return database

    async def _open_store(self) -> Store:
        url = self._settings.redis_url
        try:
            store = await open_store(url.get_secret_value() if url else None, self._settings.data_dir)
        except StoreError as error:
            raise StartError(str(error)) from None
        self._stack.push_async_callback(store.close)
        return store

    @web.middleware
    async def _not_before_it_is_live(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self._signaling is None and request.path.startswith(LIVE_PATH):
            raise Refused("unavailable", "starting; connect again in a moment", retry_after_s=1)
        return await handler(request)

    def _make_relay(self) -> tuple[RelayClient, RelayProcess | None]:
        """The client of the relay worker, and the worker when it is ours to start. Raises StartError."""
        address = self._settings.relay_url
        if address is not None:
            client = RelayClient(address, None if address.startswith("unix:") else self._settings.relay_secret())
        else:
            try:
                check_port_is_free(self._settings.media_host, self._settings.media_port)
            except RelayStartError as error:
                raise StartError(str(error)) from None
            folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="puente-relay-"))
            self.relay_process = RelayProcess(Path(folder) / "control.sock", _media_environment(self._settings))
            self._stack.push_async_callback(self.relay_process.stop)
            client = RelayClient(self.relay_process.address)
        self._stack.push_async_callback(client.aclose)
        return client, self.relay_process


async def _start_relay(process: RelayProcess | None) -> None:
    if process is None:
        return
    try:
        await process.start()
    except RelayStartError as error:
        raise StartError(str(error)) from None


async def _cancelled(task: asyncio.Task[None]) -> None:
    """End a task that may have ended."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _turn(settings: Settings) -> Turn:
    """What gives pages their TURN credentials."""
    secret = settings.turn_secret.get_secret_value() if settings.turn_secret is not None else ""
    return Turn(settings.turn_urls, secret, settings.turn_lifetime_s)


def _media_environment(settings: Settings) -> dict[str, str]:
    """What the worker reads of the settings, as it reads them."""
    return {
        "PUENTE_MEDIA_HOST": settings.media_host,
        "PUENTE_MEDIA_ADDRESS": ",".join(settings.media_address),
        "PUENTE_MEDIA_PORT": str(settings.media_port),
    }


def _checks(pages: Pages, database: Database, relay: RelayClient, signaling: Signaling) -> list[Check]:
    """What `/readyz` asks; the function's name is what is missing when it does not answer."""

    async def front_end() -> list[str]:
        return [] if pages.built else ["front_end"]

    async def sql() -> list[str]:
        return [] if await database.answers() else ["database"]

    async def relay_worker() -> list[str]:
        try:
            stats = await relay.stats()
        except (RelayRefused, RelayUnreachable):
            return ["relay"]
        return ["relay_draining"] if stats.draining else []

    async def live() -> list[str]:
        return signaling.ready()

    return [front_end, sql, relay_worker, live]


async def run(settings: Settings, *, demo: bool, announce: Callable[[str], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT; a second one ends the process where it stands. Raises StartError.

    `announce` is given the URL once everything answers.
    """
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    told_at_s: list[float] = []

    def on_signal() -> None:
        if told_at_s and loop.time() - told_at_s[0] > SAME_SIGNAL_S:
            os._exit(130)
        told_at_s.append(loop.time())
        told.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    program = Program(settings, demo=demo)
    starting = asyncio.create_task(program.start(), name="start")
    waiting = asyncio.create_task(told.wait(), name="told-to-stop")
    await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return
    try:
        await starting
        if announce is not None:
            announce(program.url)
        await waiting
    finally:
        waiting.cancel()
    log.info("stopping")
    await program.stop()
    log.info("stopped")
