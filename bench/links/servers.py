"""The servers that are compared: how each is started inside the network, and what a person presses at its pages."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import IO
from urllib.parse import urlencode

from playwright.sync_api import Page
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from bench.figures import Unfit
from bench.links.linkem.network import SERVER, Network
from bench.machine import TREE, require

PAGES = Path(__file__).parent / "pages"
START_S = 60.0
STOP_S = 15.0
TAKE_S = 2.0
"""For pressing the button of an offer that rings."""


class Server(ABC):
    """One server for one call. The harness itself sees when media flow; this knows the pages."""

    port = 8080
    """Of the pages. Their origin is declared secure to Chromium."""

    def __init__(self, link: str, folder: Path, tree: Path = TREE) -> None:
        """`link`: the patient's profile. `folder`: for logs and data. `tree`: the product's sources."""
        self.link = link
        self.folder = folder
        self.tree = tree
        self._processes: list[subprocess.Popen[bytes]] = []
        self._logs: list[IO[bytes]] = []

    @property
    def origin(self) -> str:
        """Where both browsers find the pages."""
        return f"http://{Network.server_ip}:{self.port}"

    @abstractmethod
    def start(self, net: Network) -> None:
        """Run it in the server's namespace. Raises Unfit or LinkError."""

    @abstractmethod
    def url(self, party: str) -> str:
        """What a party opens."""

    def enter(self, page: Page, party: str) -> None:  # noqa: B027 - a page may need no hand
        """What a party does once the page is there."""

    @abstractmethod
    def waits(self, nurse: Page) -> bool:
        """Whether the nurse is in and the patient may come."""

    def take(self, nurse: Page) -> None:  # noqa: B027
        """What the nurse does meanwhile: called again and again until the call is up."""

    def in_call(self, page: Page) -> bool:
        """Whether the page says that the call is up, beyond a connection that stands."""
        return True

    def stop(self) -> None:
        """End what was started, and what that started."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for log in self._logs:
            log.close()

    def _spawn(self, net: Network, command: Sequence[str], name: str, env: dict[str, str] | None = None) -> None:
        log = (self.folder / f"{name}.log").open("wb")
        self._logs.append(log)
        self._processes.append(
            subprocess.Popen(
                net.command(SERVER, command), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, cwd=self.tree
            )
        )


def _get(net: Network, port: int, path: str) -> tuple[int, bytes]:
    """GET from inside the server's namespace, where no link is in the way."""
    connection = http.client.HTTPConnection(net.server_ip, port, timeout=10)
    connection.sock = net.socket(SERVER, socket.SOCK_STREAM)
    try:
        connection.sock.settimeout(10)
        connection.sock.connect((net.server_ip, port))
        connection.request("GET", path, headers={"Accept": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


class Puente(Server):
    """The whole product, `puente demo`, used through its pages as people do."""

    media_port = 40_000

    def start(self, net: Network) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PUENTE_")}
        shutil.rmtree(self.folder / "data", ignore_errors=True)
        environment = inherited | {
            "PUENTE_HTTP_HOST": net.server_ip,
            "PUENTE_HTTP_PORT": str(self.port),
            "PUENTE_PUBLIC_URL": self.origin,
            "PUENTE_MEDIA_HOST": net.server_ip,
            "PUENTE_MEDIA_ADDRESS": net.server_ip,
            "PUENTE_MEDIA_PORT": str(self.media_port),
            "PUENTE_DATA_DIR": str(self.folder / "data"),
            "PYTHONPATH": str(self.tree),  # before the tree that this interpreter's environment knows
        }
        self._spawn(net, [sys.executable, "-m", "server.cli", "demo"], "puente", environment)
        end = time.monotonic() + START_S
        while not self._ready(net):
            if self._processes[0].poll() is not None or time.monotonic() > end:
                tail = (self.folder / "puente.log").read_text(errors="replace").strip()[-400:]
                raise Unfit(f"Puente did not start: {tail}")
            time.sleep(0.2)
        status, body = _get(net, self.port, "/demo")
        if status != http.HTTPStatus.OK:
            raise Unfit(f"/demo answered {status}")
        self._links: dict[str, str] = json.loads(body)

    def _ready(self, net: Network) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return _get(net, self.port, "/readyz")[0] == http.HTTPStatus.OK
        return False

    def url(self, party: str) -> str:
        return self._links[party]

    def enter(self, page: Page, party: str) -> None:
        if party == "nurse":
            _press(page, "go-available")
        else:
            _press(page, "consent-accept")
            page.locator("[data-testid=device-check]").wait_for()
            _press(page, "enter-waiting-room")

    def waits(self, nurse: Page) -> bool:
        return nurse.locator("[data-testid=staff-state]").first.get_attribute("data-state") == "idle"

    def take(self, nurse: Page) -> None:
        offer = nurse.locator("[data-testid=offer-accept]:visible")
        if offer.count():
            with contextlib.suppress(PlaywrightTimeout):  # it was withdrawn meanwhile; another may come
                offer.click(timeout=TAKE_S * 1000)

    def in_call(self, page: Page) -> bool:
        status = page.locator("[data-testid=call-status]")
        return status.count() > 0 and status.first.get_attribute("data-state") == "connected"


def _press(page: Page, testid: str) -> None:
    page.locator(f"[data-testid={testid}]:visible").click()


class Janus(Server):
    """Debian's Janus with its videocall plugin, made for two, everything at defaults: it caps nothing."""

    signal_port = 8188
    plugin = "videocall"

    def start(self, net: Network) -> None:
        require("janus")
        configuration = self.folder / "janus"
        shutil.rmtree(configuration, ignore_errors=True)
        configuration.mkdir(parents=True)
        _configure(configuration, net.server_ip, self.signal_port)
        self._spawn(
            net, ["janus", "-F", str(configuration), "-C", str(configuration / "janus.jcfg")], "janus"
        )  # fmt: skip
        serve = [sys.executable, "-m", "http.server", str(self.port), "--bind", net.server_ip, "-d", str(PAGES)]
        self._spawn(net, serve, "pages")
        net.wait_port(self.signal_port)
        net.wait_port(self.port)

    def url(self, party: str) -> str:
        asked = {"plugin": self.plugin, "me": party, "ws": str(self.signal_port)} | self._more(party)
        return f"{self.origin}/janus.html?{urlencode(asked)}"

    def _more(self, party: str) -> dict[str, str]:
        return {"peer": "nurse"} if party == "patient" else {}

    def waits(self, nurse: Page) -> bool:
        return bool(nurse.evaluate("ready"))


CAPS_KBPS: dict[str, tuple[int, int]] = {
    "lan": (2000, 2000),
    "good-4g": (1500, 2000),
    "leo-satellite": (2000, 2000),
    "3g-rural": (64, 256),
    "geo-satellite": (64, 384),
    "sat-256k": (160, 160),
    "edge-2g": (24, 48),
    "64k-5loss": (24, 24),
    "30-loss": (500, 500),
    "outage-10s": (600, 600),
    "outage-60s": (600, 600),
    "changing": (64, 64),
    "wifi-lossy": (1500, 1500),
}
"""What the videoroom holds the patient and the nurse to, by the patient's link: the narrower of the two ways that a
stream takes, less 50 kbit/s for Opus at its default with headers, less a fifth; where nothing is left, as little as an
encoder takes. For a link that changes, what its worse half bears."""


class JanusCapped(Janus):
    """Janus' videoroom with the bit rate cap that suits the link, as an integrator who knew the link would set it."""

    plugin = "videoroom"

    def _more(self, party: str) -> dict[str, str]:
        caps = dict(zip(("patient", "nurse"), CAPS_KBPS[self.link], strict=True))
        return {"bitrate": str(caps[party] * 1000)}


def _configure(folder: Path, address: str, port: int) -> None:
    """Only the two plugins and the websocket; everything else stays as it comes."""
    libraries = next(iter(sorted(Path("/usr/lib").glob("*/janus"))), None)
    if libraries is None:
        raise Unfit("no Janus plugins in /usr/lib/*/janus")
    wanted = {"plugins": ("libjanus_videocall.so", "libjanus_videoroom.so"), "transports": ("libjanus_websockets.so",)}
    for kind in ("plugins", "transports", "events", "loggers"):
        (folder / kind).mkdir()
        for library in wanted.get(kind, ()):
            (folder / kind / library).symlink_to((libraries / kind / library).resolve())
    folders = "\n".join(
        f'  {kind}_folder = "{folder}/{kind}"' for kind in ("plugins", "transports", "events", "loggers")
    )
    (folder / "janus.jcfg").write_text(
        f'general: {{\n  configs_folder = "{folder}"\n{folders}\n  debug_level = 4\n}}\n'
        f'nat: {{ ice_enforce_list = "{address}" }}\nevents: {{ broadcast = false }}\n'
    )
    (folder / "janus.transport.websockets.jcfg").write_text(
        f'general: {{ json = "compact", ws = true, ws_port = {port}, wss = false }}\nadmin: {{ admin_ws = false }}\n'
    )
    for plugin in ("videocall", "videoroom"):
        (folder / f"janus.plugin.{plugin}.jcfg").write_text("general: { }\n")


SERVERS: dict[str, type[Server]] = {"puente": Puente, "janus": Janus, "janus-capped": JanusCapped}
"""By the names of the columns."""
