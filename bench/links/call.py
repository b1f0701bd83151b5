"""One call, measured: two browsers behind their links, the steps of a visit, a window, and everything that was seen."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page, Playwright, sync_playwright

from bench.figures import RESULTS
from bench.links import assets
from bench.links.awake import awake
from bench.links.linkem.network import Network
from bench.links.linkem.profiles import Profile, profile
from bench.links.log import Log
from bench.links.servers import SERVERS, Server
from bench.machine import TREE, require

PARTIES = ("nurse", "patient")
CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)
PROBE = (Path(__file__).parent / "probe.js").read_text()
WINDOW_S = {"outage-10s": 45.0, "outage-60s": 95.0, "changing": 60.0}
"""Windows of links to which something happens; others get `USUAL_WINDOW_S`."""
USUAL_WINDOW_S = 25.0
WARM_S = 10.0
"""From the call being up to the window: the time in which a server may find out what the link bears."""
TAIL_S = 6.0
"""The call goes on this long after the window, for sound that is late."""
SETTLED_S = 2.5
"""The nurse's page is left alone this long before the patient comes."""
JOIN_S = 90.0
DRAIN_S = 1.0
STATS_S = 0.5
"""Counters of the links are read this often: what a step down within 2 s is seen by."""


@dataclass(frozen=True)
class Plan:
    """What to measure."""

    server: str
    link: str
    seed: int = 1
    secs: float = 0.0
    """0: what suits the link."""
    warm_s: float = WARM_S
    nurse_link: str = "good-4g"
    change: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Changes to the patient's link by direction."""
    tree: Path = TREE
    """Which sources of the product are started."""
    pictures: bool = False
    """Whether to keep a screenshot of each page at the end; where no call came about they are kept in any case."""

    @property
    def window_s(self) -> float:
        """How long is measured."""
        return self.secs or WINDOW_S.get(self.link, USUAL_WINDOW_S)

    @property
    def name(self) -> str:
        """Of this cell's files."""
        return f"{self.server}.{self.link}.{self.seed}"

    @property
    def folder(self) -> Path:
        """For logs, screenshots and the server's data."""
        return RESULTS / "links" / "logs" / self.name

    @property
    def raw(self) -> Path:
        """Where what the call gave is kept, for another analysis."""
        return self.folder / "raw.pickle"

    def patient(self) -> Profile:
        """The patient's link."""
        return profile(self.link).changed(self.change)

    def nurse(self) -> Profile:
        """The nurse's link."""
        return profile(self.nurse_link)


@dataclass
class Taken:
    """What a call gave, before it is analysed. Times are Unix milliseconds."""

    plan: Plan
    logs: dict[str, Log] = field(default_factory=lambda: {party: Log() for party in PARTIES})
    came_ms: float = 0.0
    """When the patient opened the page."""
    call: bool = False
    begin_ms: float = 0.0
    end_ms: float = 0.0
    """Of the window."""
    links: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    """Counters of the patient's link, from the call being up."""
    emulator: dict[str, Any] = field(default_factory=dict)
    machine_cpu_pct: float | None = None
    notes: list[str] = field(default_factory=list)
    speech: str = ""


def _now_ms() -> float:
    return time.time() * 1000


def _cpu() -> tuple[int, int]:
    """Ticks of all cores so far, and those of them that were idle or went to the lowest priorities (proc(5))."""
    columns = [int(text) for text in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(columns), columns[1] + columns[3] + columns[4]


class _Call:
    """The browsers while a call is being made and measured."""

    def __init__(self, taken: Taken, server: Server, net: Network, pages: dict[str, Page]) -> None:
        self._taken = taken
        self._server = server
        self._net = net
        self._pages = pages
        self._stats_due_ms = 0.0

    def run(self) -> None:
        """Do all of it. What goes wrong on the way in is noted and means that there was no call."""
        try:
            self._enter()
        except (PlaywrightError, TimeoutError) as error:
            self._taken.notes.append(f"join: {str(error).partition(chr(10))[0][:200]}")
        self._drain()
        if self._taken.call:
            self._measure()
        if self._taken.plan.pictures or not self._taken.call:
            for party, page in self._pages.items():
                with contextlib.suppress(PlaywrightError):
                    page.screenshot(path=self._taken.plan.folder / f"{party}.png", timeout=10_000)

    def _enter(self) -> None:
        nurse, patient = self._pages["nurse"], self._pages["patient"]
        nurse.goto(self._server.url("nurse"), wait_until="domcontentloaded")
        self._server.enter(nurse, "nurse")
        self._until(lambda: self._server.waits(nurse), "the nurse waits")
        nurse.wait_for_timeout(SETTLED_S * 1000)
        self._taken.came_ms = _now_ms()
        patient.goto(self._server.url("patient"), wait_until="commit")
        patient.wait_for_load_state("domcontentloaded")
        self._server.enter(patient, "patient")
        self._until(self._up, "the call is up")
        self._taken.call = True

    def _up(self) -> bool:
        self._server.take(self._pages["nurse"])
        return all(
            page.evaluate("Boolean(window.__links?.connected())") and self._server.in_call(page)
            for page in self._pages.values()
        )

    def _until(self, check: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + JOIN_S
        while not check():
            if time.monotonic() > end:
                raise TimeoutError(f"not within {JOIN_S:g} s: {what}")
            self._pages["patient"].wait_for_timeout(200)
            self._drain()

    def _measure(self) -> None:
        plan, taken = self._taken.plan, self._taken
        self._wait(_now_ms() + plan.warm_s * 1000)
        taken.begin_ms, before = _now_ms(), _cpu()
        taken.end_ms = taken.begin_ms + plan.window_s * 1000
        link = plan.patient()
        if link.waits:
            self._net.play("patient", link.trace)
        self._wait(taken.end_ms)
        after = _cpu()
        taken.machine_cpu_pct = round(100 * (1 - (after[1] - before[1]) / max(1, after[0] - before[0])), 1)
        self._wait(taken.end_ms + TAIL_S * 1000)

    def _wait(self, until_ms: float) -> None:
        """Let time pass: read the links' counters, empty the probes."""
        drained_ms = _now_ms()
        while (now := _now_ms()) < until_ms:
            if now >= self._stats_due_ms:
                self._taken.links.append((now, self._net.counters()["patient"]))
                self._stats_due_ms = now + STATS_S * 1000
            if now - drained_ms >= DRAIN_S * 1000:
                self._drain()
                drained_ms = now
            self._pages["nurse"].wait_for_timeout(max(1.0, min(100.0, until_ms - _now_ms())))
        self._drain()

    def _drain(self) -> None:
        for party, page in self._pages.items():
            with contextlib.suppress(PlaywrightError):  # between two documents there is nothing to drain
                drained = page.evaluate("window.__links ? window.__links.drain() : null")
                if drained:
                    self._taken.logs[party].add(drained)


@contextlib.contextmanager
def _browser(driver: Playwright, net: Network, party: str, origin: str, notes: list[str]) -> Iterator[Page]:
    """A Chromium behind a party's link, whose camera and microphone are the assets."""
    flags = [
        *FLAGS,
        f"--unsafely-treat-insecure-origin-as-secure={origin}",
        f"--use-file-for-fake-audio-capture={assets.ASSETS / f'{party}.wav'}",
        f"--use-file-for-fake-video-capture={assets.ASSETS / 'camera.y4m'}",
    ]
    with contextlib.ExitStack() as stack:
        profile_folder = stack.enter_context(tempfile.TemporaryDirectory("-links", ignore_cleanup_errors=True))
        context = driver.chromium.launch_persistent_context(
            profile_folder, executable_path=net.wrapper(party, CHROMIUM), headless=True, args=flags,
            viewport={"width": 900, "height": 700}, locale="es-MX", permissions=["camera", "microphone"],
        )  # fmt: skip
        stack.callback(context.close)
        context.add_init_script(PROBE)
        page = context.pages[0]
        page.set_default_timeout(JOIN_S * 1000)
        page.on("pageerror", lambda error: notes.append(f"{party}: {str(error)[:200]}"))
        yield page


def take(plan: Plan) -> Taken:
    """Make the call and return what it gave. Raises Unfit or LinkError where it could not be tried."""
    require("chromium")
    taken = Taken(plan)
    taken.speech = assets.ensure()
    plan.folder.mkdir(parents=True, exist_ok=True)
    patient = plan.patient()
    server = SERVERS[plan.server](plan.link, plan.folder, plan.tree)
    clients = {"patient": patient.without_trace() if patient.waits else patient, "nurse": plan.nurse()}
    net = Network(clients, seed=plan.seed)
    with contextlib.ExitStack() as stack:
        stack.enter_context(awake())
        stack.enter_context(net)
        stack.callback(server.stop)
        server.start(net)
        driver = stack.enter_context(sync_playwright())
        pages = {
            party: stack.enter_context(_browser(driver, net, party, server.origin, taken.notes)) for party in PARTIES
        }
        _Call(taken, server, net, pages).run()
    taken.emulator = net.last.get("emulator", {})
    return taken
