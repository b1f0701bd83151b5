"""The product as people start it: `puente demo` as a process, on free ports and with a data folder of its own."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psutil

from server.demo import TEMPLATES

ROOT = Path(__file__).resolve().parents[2]
START_S = 60.0
STOP_S = 40.0
"""For a machine that does much else; that it stops within its own limit of 10 s is seen in the log."""
NEVER_LOGGED = ("eyJ", "a=candidate", "a=ice-pwd", "m=audio", "Traceback")
"""Beginning of every JSON Web Token, pieces of session descriptions, and what a crash leaves."""


def free_port() -> int:
    """Return a port that is free now, for UDP and TCP.

    It is below those that the system gives to clients, or a browser's socket might take it before, or while, the
    product is started again.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket(type=socket.SOCK_STREAM) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind(("", port))
                udp.bind(("", port))
            except OSError:
                continue
            return port


class Product:
    """A running Puente in demo mode."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.http_port = free_port()
        self.media_port = free_port()
        self.url = f"http://localhost:{self.http_port}"
        self.private: set[str] = {name for template in TEMPLATES.values() for name in template.name.split()}
        """What must never be found in the log: names, chat lines, tokens. Tests add to it."""
        self.expected_errors: set[str] = set()
        """Events that a test provokes and that may be logged as errors."""
        self._folder = folder
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log_path(self) -> Path:
        """Where everything it prints goes."""
        return self._folder / "puente.log"

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and wait until it can take calls."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("PUENTE_")}
        environment = {
            **inherited,
            "PYTHONFAULTHANDLER": "1",
            "PUENTE_HTTP_PORT": str(self.http_port),
            "PUENTE_MEDIA_PORT": str(self.media_port),
            "PUENTE_DATA_DIR": str(self._folder / "data"),
            "PUENTE_PUBLIC_URL": self.url,
            **self._environment,
        }
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "server.cli", "demo"],
                cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        end = time.monotonic() + START_S
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise AssertionError(f"Puente did not start:\n{self.log()[-3000:]}")
            time.sleep(0.05)

    def _ready(self) -> bool:
        try:
            return self.get("/readyz")[0] == 200
        except OSError:
            return False

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        """GET a path; return status and body."""
        request = urllib.request.Request(self.url + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def links(self) -> dict[str, str]:
        """Return fresh one-click links by role."""
        status, body = self.get("/demo", Accept="application/json")
        assert status == 200, body
        links: dict[str, str] = json.loads(body)
        self.private.update(url.partition("#t=")[2] for url in links.values())
        return links

    def metrics(self) -> dict[str, float]:
        """Return /metrics: the value of each sample, by name and labels as printed."""
        lines = [line for line in self.get("/metrics")[1].splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of all samples of a metric that carry these labels."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(
            value
            for sample, value in self.metrics().items()
            if sample.partition("{")[0] == name and all(label in sample for label in wanted)
        )

    def children(self) -> list[psutil.Process]:
        """Return the processes it has started."""
        assert self._process is not None
        return psutil.Process(self._process.pid).children(recursive=True)

    def relay(self) -> psutil.Process:
        """Return its relay worker."""
        found = [child for child in self.children() if "relay" in child.cmdline()]
        assert len(found) == 1, found
        return found[0]

    def log(self) -> str:
        """Return everything it has printed."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def stop(self) -> float:
        """End it as a service manager does and return the seconds it took; everything it started must go too."""
        assert self._process is not None
        children = self.children()
        began = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGABRT)  # writes where every thread stands to the log
            self._process.wait(5)
            raise AssertionError(f"still there {STOP_S} s after SIGTERM:\n{self.log()[-3000:]}") from None
        took_s = time.monotonic() - began
        _, left = psutil.wait_procs(children, timeout=3)
        names = [process.cmdline() for process in left if process.is_running()]
        for process in left:
            process.kill()
        assert code == 0, f"exit code {code}:\n{self.log()[-3000:]}"
        assert not names, f"left behind: {names}"
        return took_s

    def kill(self) -> None:
        """End it and what it started at once."""
        if self._process is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in [*self.children(), psutil.Process(self._process.pid)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        self._process.wait(5)

    def check_log(self) -> list[dict[str, Any]]:
        """Assert that each line is a JSON object, none an error, and none has anything private; return them."""
        lines = []
        for text in self.log().splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                raise AssertionError(f"not JSON: {text[:500]}") from None
            plain = json.dumps(line, ensure_ascii=False)
            for word in [*NEVER_LOGGED, *self.private]:
                assert word not in plain, f"{word!r} is in the log: {plain[:500]}"
            bad = line.get("level") in {"error", "critical"} and line.get("event") not in self.expected_errors
            assert not bad, text[:1000]
            lines.append(line)
        return lines
