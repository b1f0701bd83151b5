"""Stores and a whole signalling process on a free port, for the tests of signalling."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from signaling.deadlines import Deadlines
from signaling.ports import Role
from signaling.store import Store, embedded_store, open_store
from signaling.switchboard import Signaling
from signaling.tickets import Tickets
from signaling.turn import Turn
from tests.signaling.live_fakes import FakeDirectory, FakeJournal, FakeRelay, Page

KEY = "k" * 32


@pytest.fixture(params=["embedded", "private"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Store]:
    """The store inside this process, and a real server of our own."""
    if request.param == "embedded":
        monkeypatch.setattr("signaling.store.find_server", lambda: None)
    opened = await open_store(None, tmp_path)
    assert opened.kind == request.param
    yield opened
    await opened.close()


@dataclass
class Live:
    """A signalling process that pages can connect to."""

    url: str
    signaling: Signaling
    relay: FakeRelay
    journal: FakeJournal
    directory: FakeDirectory
    tickets: Tickets
    runner: web.AppRunner
    pages: list[Page] = field(default_factory=list)

    def page(self, person: str) -> Page:
        """A page of somebody, not connected yet."""
        role: Role = "nurse" if person.startswith("nur") else "patient"
        namespace = "/staff" if role == "nurse" else "/patient"
        page = Page(self.url, namespace, lambda: self.tickets.issue("ticket", person, role, 60).token)
        self.pages.append(page)
        return page

    async def patient(self, person: str = "pat1") -> Page:
        """A connected patient."""
        return await self.page(person).connect()

    async def nurse(self, person: str = "nur1") -> Page:
        """A connected nurse."""
        return await self.page(person).connect()

    async def close(self) -> None:
        """End the pages and the process."""
        for page in self.pages:
            await page.close()
        await self.signaling.stop()
        await self.runner.cleanup()


Start = Callable[..., Awaitable[Live]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts signalling processes, all on one embedded store unless another is given."""
    started: list[Live] = []
    shared: list[Store] = []

    async def begin(
        *,
        deadlines: Deadlines | None = None,
        hold_s: float = 0.3,
        relay: FakeRelay | None = None,
        lease_s: float = 5.0,
        store: Store | None = None,
        turn: Turn | None = None,
    ) -> Live:
        if not shared:
            shared.append(store or embedded_store())
        relay, journal, directory, tickets = relay or FakeRelay(), FakeJournal(), FakeDirectory(), Tickets([KEY])
        signaling = Signaling(
            store=shared[0],
            relay=relay,
            directory=directory,
            journal=journal,
            tickets=tickets,
            deadlines=deadlines,
            turn=turn,
            hold_s=hold_s,
            lease_s=lease_s,
            tick_s=0.05,
            line_s=0.05,
        )
        app = web.Application()
        signaling.attach(app)
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        await signaling.start()
        port = runner.addresses[0][1]
        live = Live(f"http://127.0.0.1:{port}", signaling, relay, journal, directory, tickets, runner)
        started.append(live)
        return live

    yield begin
    for live in started:
        await live.close()
    for store in shared:
        await store.close()


@pytest.fixture
async def live(start: Start) -> Live:
    """One signalling process with ordinary deadlines."""
    return await start()
