"""A database of each kind that this machine has, and the HTTP application over one of them."""

from __future__ import annotations

import gzip
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer

from media.client import RelayClient
from server.app import add_pages, make_app
from server.bearer import Bearer
from server.database import Database
from server.demo import Demo
from server.health import Health
from server.linktest.service import LinkTests
from server.pages import Pages
from server.people import People
from server.quality import Quality
from server.sessions import Sessions
from signaling.tickets import Tickets
from signaling.turn import Turn

ROOT = Path(__file__).resolve().parents[2]
KEY = b"k" * 32


def _postgres_folder() -> Path | None:
    """Where `initdb` and `postgres` are, if they are."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return next((place for place in reversed(places) if (place / "postgres").exists()), None)


POSTGRES = _postgres_folder()
KINDS = ["sqlite", "postgresql"] if POSTGRES is not None else ["sqlite"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL server of our own on a unix socket: the URL of its `postgres` database."""
    assert POSTGRES is not None
    # The server refuses to run as root, and root may become anybody.
    user = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="puente-pg-"))
    if user:
        shutil.chown(folder, "nobody")
    initdb = [POSTGRES / "initdb", "-D", folder / "data", "-A", "trust", "-U", "puente", "--no-sync"]
    subprocess.run(initdb, check=True, capture_output=True, timeout=60, cwd="/", **user)
    server = subprocess.Popen(
        [POSTGRES / "postgres", "-D", folder / "data", "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **user,
    )  # fmt: skip
    try:
        end = time.monotonic() + 20
        while not _accepts(folder / ".s.PGSQL.5432"):
            assert server.poll() is None
            assert time.monotonic() < end
            time.sleep(0.02)
        yield f"postgresql+asyncpg://puente@/postgres?host={folder}"
    finally:
        server.terminate()
        server.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database: SQLite, and PostgreSQL where there is one."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'test.sqlite3'}"
    server: str = request.getfixturevalue("postgres")
    name = f"test_{secrets.token_hex(6)}"
    folder = server.partition("host=")[2]
    assert POSTGRES is not None
    subprocess.run([POSTGRES / "createdb", "-h", folder, "-U", "puente", name], check=True, timeout=30, cwd="/")
    return server.replace("/postgres?", f"/{name}?")


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database with the newest schema."""
    made = Database(database_url)
    await made.migrate()
    yield made
    await made.close()


@pytest_asyncio.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[Database]:
    """A SQLite database with the newest schema, for what does not depend on the kind."""
    made = Database(f"sqlite+aiosqlite:///{tmp_path / 'one.sqlite3'}")
    await made.migrate()
    yield made
    await made.close()


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """Built pages, small ones."""
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "patient.html").write_text("<!doctype html><title>patient</title>")
    (folder / "staff.html").write_text("<!doctype html><title>staff</title>")
    row = '<template id="row-{}"><a class="{}" data-testid="demo-NAME" href="ADDRESS">TITLE HELP</a></template>\n'
    rows = "".join(row.format(role, role) for role in ("patient", "nurse"))
    (folder / "demo.html").write_text(f"<!doctype html><title>demo</title>$links\n{rows}</html>")
    (folder / "error.html").write_text(
        '<!doctype html><html lang="$lang"><h1>$title</h1>$message<b>$code</b><a href="$action_href">$action_label</a>'
    )
    (folder / "robots.txt").write_text("User-agent: *\nDisallow: /\n")
    script = folder / "assets" / "main-0a1b2c3d.js"
    script.write_text("export const answer = 42;\n" * 50)
    script.with_name(script.name + ".gz").write_bytes(gzip.compress(script.read_bytes()))
    script.with_name(script.name + ".br").write_bytes(b"not really brotli, but told apart by it")
    (tmp_path / "secret.txt").write_text("outside")
    return folder


class Clock:
    """A wall clock that is moved by hand."""

    def __init__(self) -> None:
        self.now_s = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Site:
    """The HTTP application without the live connection, and what it is made of."""

    client: TestClient
    people: People
    tickets: Tickets
    demo: Demo
    clock: Clock
    missing: list[str]
    database: Database


@pytest_asyncio.fixture
async def site(sqlite: Database, dist: Path) -> AsyncIterator[Site]:
    """The application in demo mode, answering over real HTTP."""
    clock = Clock()
    people, tickets, pages = People(sqlite), Tickets([KEY], clock), Pages(dist)
    demo = Demo(tickets, people, pages, None)
    missing: list[str] = []

    async def check() -> list[str]:
        return missing

    bearer = Bearer(tickets, people)
    sessions = Sessions(tickets, people, bearer, demo)
    links = LinkTests(RelayClient(f"unix:{dist.parent / 'no-relay'}"), Turn([], "", 600))
    app = make_app(pages, sessions, Quality(sqlite, bearer), links, Health([check], None), demo, https=True)
    add_pages(app, pages)
    async with TestClient(TestServer(app)) as client:
        yield Site(client, people, tickets, demo, clock, missing, sqlite)
