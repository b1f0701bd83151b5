"""The whole product started for a benchmark, and browsers to use it with."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from playwright.async_api import Browser, BrowserContext, async_playwright

from bench.figures import Unfit
from bench.machine import PUENTE, TREE, favour, free_port, require

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0
POLL_S = 0.01
CHROMIUM = "/usr/bin/chromium"
CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
)


@dataclass(frozen=True)
class Product:
    """A started product: where it answers, and how long it took to."""

    url: str
    started_s: float

    async def links(self) -> dict[str, str]:
        """Fresh links of the demo, by role."""
        headers = {"Accept": "application/json"}
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/demo", headers=headers) as response:
            found: dict[str, str] = await response.json()
            return found


async def _answers(url: str, process: asyncio.subprocess.Process, log: Path) -> float:
    """Seconds until `url` answers 200."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
        while loop.time() - began < START_TIMEOUT_S:
            try:
                async with session.get(url) as response:
                    if response.status == 200:
                        await response.read()
                        return loop.time() - began
            except (aiohttp.ClientError, TimeoutError):
                pass
            if process.returncode is not None:
                break
            await asyncio.sleep(POLL_S)
    raise Unfit(f"the product did not start: {log.read_text(errors='replace')[-500:].strip()}")


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the process and whatever it started: they are a session, and so a group, of their own."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            return
        os.killpg(process.pid, number)
        try:
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            continue


@asynccontextmanager
async def running(command: Sequence[str], data: Path | None = None) -> AsyncIterator[Product]:
    """Start `command` from the top of the tree on free ports; yield when `/demo` answers; end it with its children."""
    with tempfile.TemporaryDirectory(prefix="puente-bench-") as folder:
        port = free_port(socket.SOCK_STREAM)
        environment = os.environ | {
            "PUENTE_HTTP_HOST": "127.0.0.1",
            "PUENTE_HTTP_PORT": str(port),
            "PUENTE_PUBLIC_URL": f"http://localhost:{port}",
            "PUENTE_MEDIA_PORT": str(free_port(socket.SOCK_DGRAM)),
            "PUENTE_DATA_DIR": str(data or Path(folder, "data")),
        }
        log = Path(folder, "log")
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *command, cwd=TREE, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip
        favour(process.pid)
        try:
            started_s = await _answers(f"http://127.0.0.1:{port}/demo", process, log)
            yield Product(f"http://localhost:{port}", started_s)
        finally:
            await _end(process)


@asynccontextmanager
async def demo() -> AsyncIterator[Product]:
    """The demo with data of its own."""
    async with running([*PUENTE, "demo"]) as product:
        yield product


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Debian's Chromium, headless, with a made-up camera and microphone."""
    require("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_ARGUMENTS))
        try:
            yield browser
        finally:
            await browser.close()


async def participant(browser: Browser, product: Product) -> BrowserContext:
    """A person's own window: nothing cached, nothing shared."""
    return await browser.new_context(base_url=product.url, permissions=["camera", "microphone"], locale="es-MX")
