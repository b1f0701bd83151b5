"""Browsers for all end-to-end tests, a fresh Puente for each."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Playwright, async_playwright

from tests.e2e.assets import BLUE, GREEN, Look, write_camera, write_microphone
from tests.e2e.browsers import (
    PHONE,
    ChromiumParty,
    FirefoxDriver,
    FirefoxParty,
    Party,
    launch_chromium,
    open_chromium,
)
from tests.e2e.product import ROOT, Product


class OpenParty(Protocol):
    """Opens a page of Chromium for a party."""

    def __call__(self, name: str, look: Look, *, phone: bool = False) -> Awaitable[ChromiumParty]:
        """Return the page, empty."""


def _install(folder: Path, *commands: list[str]) -> None:
    for command in commands:
        subprocess.run(command, cwd=folder, check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=300)


@pytest.fixture(scope="session")
def pages() -> None:
    """The built pages; `make` has built them, a bare `pytest` builds them now."""
    if not (ROOT / "web/dist/patient.html").exists():
        _install(ROOT / "web", ["npm", "ci"], ["npm", "run", "build"])


@pytest.fixture(scope="session")
def media_files(tmp_path_factory: pytest.TempPathFactory) -> dict[Look, tuple[Path, Path]]:
    """Camera and microphone files of each look."""
    folder = tmp_path_factory.mktemp("media")
    files = {}
    for look in (GREEN, BLUE):
        camera, microphone = folder / f"{look.name}.y4m", folder / f"{look.name}.wav"
        write_camera(camera, look)
        write_microphone(microphone, look)
        files[look] = (camera, microphone)
    return files


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def playwright() -> AsyncIterator[Playwright]:
    """Playwright itself."""
    async with async_playwright() as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromiums(
    playwright: Playwright, media_files: dict[Look, tuple[Path, Path]]
) -> AsyncIterator[dict[Look, Browser]]:
    """A Chromium per look: the files are of the process."""
    browsers = {look: await launch_chromium(playwright, *files) for look, files in media_files.items()}
    yield browsers
    for browser in browsers.values():
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def party(chromiums: dict[Look, Browser]) -> AsyncIterator[OpenParty]:
    """Opens pages of Chromium; closes them after the test and asserts that no script failed in any."""
    opened: list[Party] = []

    async def open_party(name: str, look: Look, *, phone: bool = False) -> ChromiumParty:
        page = await open_chromium(chromiums[look], name, look, **(PHONE if phone else {}))
        opened.append(page)
        return page

    yield open_party
    for page in opened:
        await page.close()
    problems = [problem for page in opened for problem in page.problems]
    assert not problems, problems


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def firefox_driver() -> AsyncIterator[FirefoxDriver]:
    """A Firefox; its microphone hums at the pitch of `BLUE`."""
    if not (ROOT / "tests/e2e/node_modules/puppeteer-core").exists():
        _install(ROOT / "tests/e2e", ["npm", "ci"])
    driver = await FirefoxDriver.start(BLUE.pitch_hz)
    yield driver
    await driver.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def firefox(firefox_driver: FirefoxDriver) -> AsyncIterator[FirefoxParty]:
    """A page of Firefox, not yet opened."""
    page = FirefoxParty("firefox", firefox_driver)
    yield page
    await page.close()
    assert not page.problems, page.problems


@contextmanager
def _running(folder: Path, **environment: str) -> Iterator[Product]:
    running = Product(folder, **environment)
    running.start()
    try:
        yield running
        if running.is_running:
            running.stop()
    finally:
        running.kill()
    running.check_log()


@pytest.fixture
def product(pages: None, tmp_path: Path) -> Iterator[Product]:
    """A fresh Puente; afterwards it must end in time and its log must be clean."""
    with _running(tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def keyed_product(
    request: pytest.FixtureRequest, pages: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    """One Puente for a module, with the signing key that the module names in `KEY`."""
    with _running(tmp_path_factory.mktemp("keyed"), PUENTE_SECRET_KEY=request.module.KEY) as running:
        yield running
