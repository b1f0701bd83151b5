"""Parties of a visit: a browser with its own camera and microphone, and one page in it.

`Party` is what a test talks to, whichever browser is behind it. Chromium is driven by Playwright, Firefox over
WebDriver BiDi by `firefox.mjs`. Waiting is polling from outside (`until`), because the pages' Content-Security-Policy
forbids what `page.wait_for_function` needs inside, and the tests want that policy on.
"""

from __future__ import annotations

import asyncio
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from playwright.async_api import Browser, BrowserContext, Error, Page, Playwright

from tests.e2e.assets import Look

HERE = Path(__file__).parent
PROBE = (HERE / "probe.js").read_text()
POLL_S = 0.1
SEEN_S = 25.0
"""What is not seen by then, on a machine that does much else, is not coming."""
CHROMIUM = "/usr/bin/chromium"
FIREFOX = "/usr/bin/firefox-esr"
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
"""A small phone, as options of a context."""
T = TypeVar("T")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]


class NotSeenError(AssertionError):
    """A condition did not come true in time."""


async def until(check: Callable[[], Awaitable[T]], what: str, timeout_s: float = SEEN_S) -> T:
    """Poll `check` until it returns something true and return that.

    Raises:
        NotSeenError: when it did not in time; names the last value.
    """
    end = time.monotonic() + timeout_s
    while True:
        value = await check()
        if value:
            return value
        if time.monotonic() > end:
            raise NotSeenError(f"{what}: not within {timeout_s} s, last {value!r}")
        await asyncio.sleep(POLL_S)


def near(seen: list[int] | None, look: Look) -> bool:
    """Tell whether a colour that went through a camera, a codec and a screen is still this party's."""
    return seen is not None and all(abs(a - b) < 40 for a, b in zip(seen, look.rgb, strict=True))


class Party(ABC):
    """A person at a browser: what they do (`click`, `fill`), and what a test sees of their page."""

    def __init__(self, name: str, look: Look | None, pitch_hz: float) -> None:
        self.name = name
        self.look = look
        """None when this browser's camera has no colour of its own."""
        self.pitch_hz = pitch_hz
        self.problems: list[str] = []
        """Exceptions of the page's scripts and errors on its console."""

    @abstractmethod
    async def open(self, url: str) -> None:
        """Go to a page."""

    @abstractmethod
    async def reload(self) -> None:
        """Load the page again, as F5 does."""

    @abstractmethod
    async def click(self, testid: str, timeout_s: float = SEEN_S) -> None:
        """Press the one visible element of this name, waiting until it can be pressed."""

    @abstractmethod
    async def fill(self, testid: str, text: str) -> None:
        """Write into a field."""

    @abstractmethod
    async def evaluate(self, expression: str) -> Any:
        """Return the value of an expression in the page; None while the page is between two documents."""

    @abstractmethod
    async def screenshot(self, path: Path) -> None:
        """Write a picture of the page."""

    @abstractmethod
    async def close(self) -> None:
        """Close the page and forget what it stored."""

    # --- What a test sees

    async def see(self, expression: str, what: str, timeout_s: float = SEEN_S) -> Any:
        """Wait until an expression in the page is true and return its value."""
        return await until(lambda: self.evaluate(expression), f"{self.name}: {what}", timeout_s)

    async def see_element(self, testid: str, timeout_s: float = SEEN_S) -> None:
        """Wait until an element of this name can be seen."""
        expression = f"[...document.querySelectorAll('[data-testid={testid}]')].some(e => e.checkVisibility())"
        await self.see(expression, f"element {testid}", timeout_s)

    async def see_attribute(self, testid: str, attribute: str, value: str, timeout_s: float = SEEN_S) -> None:
        """Wait until an element's attribute has a value."""
        found = f"document.querySelector('[data-testid={testid}]')?.getAttribute('{attribute}')"
        await self.see(f"{found} === {json.dumps(value)}", f"{testid}[{attribute}] = {value}", timeout_s)

    async def see_text(self, testid: str, text: str, timeout_s: float = SEEN_S) -> None:
        """Wait until an element contains a text."""
        found = f"(document.querySelector('[data-testid={testid}]')?.textContent ?? '')"
        await self.see(f"{found}.includes({json.dumps(text)})", f"{testid} says {text!r}", timeout_s)

    async def see_call(self, state: str, timeout_s: float = SEEN_S) -> None:
        """Wait until the call is shown in a state (`connecting`, `connected`, `reconnecting`, `ended`)."""
        await self.see_attribute("call-status", "data-state", state, timeout_s)

    async def stats(self) -> dict[str, Any]:
        """Return the sums of the page's media statistics."""
        return await self.see("window.__probe?.stats()", "statistics")  # type: ignore[no-any-return]

    async def see_frames(self, timeout_s: float = SEEN_S, more: int = 5) -> None:
        """Wait until frames of the other side are decoded, `more` than there were."""
        before = (await self.stats())["frames"]
        await self.see(f"window.__probe?.stats().then(s => s.frames >= {before + more} || s.frames < {before})",
                       f"{more} more frames decoded than {before}", timeout_s)  # fmt: skip

    async def see_picture(self, look: Look, timeout_s: float = SEEN_S) -> None:
        """Wait until the other side's picture is shown in the other side's colour."""

        async def check() -> bool:
            return near(await self.evaluate("window.__probe?.colour('call-remote-video')"), look)

        await until(check, f"{self.name}: picture in {look.name}", timeout_s)

    async def hear(self, pitch_hz: float, timeout_s: float = SEEN_S) -> None:
        """Wait until the strongest pitch received is the one told."""

        async def check() -> bool:
            heard = await self.evaluate(f"window.__probe?.pitch(1200, {pitch_hz})")
            return heard is not None and abs(heard - pitch_hz) < 25

        await until(check, f"{self.name}: a voice of {pitch_hz} Hz", timeout_s)

    async def hear_something(self, timeout_s: float = SEEN_S) -> None:
        """Wait until sound with energy is decoded, more than there was."""
        before = (await self.stats())["audioEnergy"]
        await self.see(f"window.__probe?.stats().then(s => s.audioEnergy > {before} + 1e-4)", "more sound", timeout_s)

    async def hear_nothing(self, timeout_s: float = SEEN_S) -> None:
        """Wait until a second of what is received is silent."""

        async def check() -> bool:
            return await self.evaluate("window.__probe?.pitch(1000).then(hz => hz === null)") is True

        await until(check, f"{self.name}: silence", timeout_s)


class ChromiumParty(Party):
    """A page of a Chromium, in a context of its own."""

    def __init__(self, name: str, look: Look, context: BrowserContext, page: Page) -> None:
        super().__init__(name, look, look.pitch_hz)
        self.context = context
        self.page = page
        page.set_default_timeout(SEEN_S * 1000)
        page.on("pageerror", lambda error: self.problems.append(f"{name}: {error}"))
        page.on("console", lambda line: self.problems.append(f"{name}: {line.text}") if line.type == "error" else None)

    async def open(self, url: str) -> None:
        await self.page.goto(url, wait_until="domcontentloaded")

    async def reload(self) -> None:
        await self.page.reload(wait_until="domcontentloaded")

    async def click(self, testid: str, timeout_s: float = SEEN_S) -> None:
        await self.page.locator(f"[data-testid={testid}]:visible").click(timeout=timeout_s * 1000)

    async def fill(self, testid: str, text: str) -> None:
        await self.page.locator(f"[data-testid={testid}]:visible").fill(text)

    async def evaluate(self, expression: str) -> Any:
        try:
            return await self.page.evaluate(expression)
        except Error as error:
            if "context was destroyed" in str(error) or "navigat" in str(error):
                return None
            raise

    async def screenshot(self, path: Path) -> None:
        await self.page.screenshot(path=path)

    async def close(self) -> None:
        await self.context.close()


class FirefoxDriver:
    """`firefox.mjs`: one Firefox, spoken to in lines of JSON."""

    def __init__(self, process: asyncio.subprocess.Process, pitch_hz: float) -> None:
        self.pitch_hz = pitch_hz
        self._process = process
        self._lock = asyncio.Lock()

    @classmethod
    async def start(cls, pitch_hz: float) -> FirefoxDriver:
        """Start a Firefox whose fake microphone hums at a pitch."""
        process = await asyncio.create_subprocess_exec(
            "node", str(HERE / "firefox.mjs"), FIREFOX, str(round(pitch_hz)),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**20,
        )  # fmt: skip
        driver = cls(process, pitch_hz)
        try:
            await driver.ask("ready", timeout_s=60)
        except BaseException:
            await driver.stop()
            raise
        return driver

    async def ask(self, do: str, timeout_s: float = SEEN_S, **details: Any) -> Any:
        """Send one command and return its result; raise `Error` with the driver's words when it failed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        async with self._lock:
            self._process.stdin.write(json.dumps({"do": do, **details}).encode() + b"\n")
            line = await asyncio.wait_for(self._process.stdout.readline(), timeout_s)
        if not line:
            raise Error("the Firefox driver has ended")
        answer = json.loads(line)
        if "error" in answer:
            raise Error(answer["error"])
        return answer["result"]

    async def stop(self) -> None:
        """End the browser; kill the driver if it does not go."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 15)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


class FirefoxParty(Party):
    """A page of a Firefox. Its fake camera shows changing colours, so it has no `look`."""

    def __init__(self, name: str, driver: FirefoxDriver) -> None:
        super().__init__(name, None, driver.pitch_hz)
        self._driver = driver

    async def open(self, url: str) -> None:
        await self._driver.ask("open", url=url)

    async def reload(self) -> None:
        await self._driver.ask("reload")

    async def click(self, testid: str, timeout_s: float = SEEN_S) -> None:
        await self._driver.ask("click", testid=testid, timeout_ms=timeout_s * 1000, timeout_s=timeout_s + 10)

    async def fill(self, testid: str, text: str) -> None:
        await self._driver.ask("fill", testid=testid, text=text)

    async def evaluate(self, expression: str) -> Any:
        return await self._driver.ask("evaluate", expression=expression)

    async def screenshot(self, path: Path) -> None:
        await self._driver.ask("screenshot", path=str(path))

    async def close(self) -> None:
        self.problems += [f"{self.name}: {text}" for text in await self._driver.ask("close")]


async def launch_chromium(playwright: Playwright, camera: Path, microphone: Path, *flags: str) -> Browser:
    """Start a Chromium whose camera and microphone are files; `flags` are added to its command line."""
    files = [f"--use-file-for-fake-video-capture={camera}", f"--use-file-for-fake-audio-capture={microphone}"]
    return await playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=[*FLAGS, *files, *flags])


async def open_chromium(browser: Browser, name: str, look: Look, **context_options: Any) -> ChromiumParty:
    """Open an empty page in a context of its own."""
    context = await browser.new_context(locale="es-MX", permissions=["camera", "microphone"], **context_options)
    await context.add_init_script(PROBE)
    return ChromiumParty(name, look, context, await context.new_page())
