"""The relay worker of this machine, as a child process: started, watched, started again, ended.

The child reads an end of file from the pipe that this process holds, so it ends when this one does, however that comes
about.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog
from prometheus_client import Counter

from media.client import RelayClient, RelayRefused, RelayUnreachable

START_TIMEOUT_S = 20.0
POLL_S = 0.05
STOP_TIMEOUT_S = 3.0
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
STEADY_AFTER_S = 30.0
"""A worker that ran so long is not failing at start: the next restart comes at once again."""

log = structlog.get_logger()

_restarts = Counter("puente_relay_restarts_total", "Times the relay worker ended by itself and was started again")


class RelayStartError(RuntimeError):
    """The relay worker did not come up; the text is one line that says why."""


def relay_command(control: str) -> list[str]:
    """How this program starts a worker that ends with its parent."""
    return [sys.executable, "-m", "server.cli", "relay", "--control", control, "--exit-with-parent"]


def check_port_is_free(host: str, port: int) -> None:
    """Try the media port, UDP and TCP. Raises RelayStartError in words."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for kind, name in ((socket.SOCK_DGRAM, "udp"), (socket.SOCK_STREAM, "tcp")):
        with socket.socket(family, kind) as attempt:
            if kind == socket.SOCK_STREAM:
                attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                attempt.bind((host, port))
            except OSError as error:
                reason = (error.strerror or "not possible").lower()
                raise RelayStartError(f"PUENTE_MEDIA_PORT: {port}/{name} on {host}: {reason}") from None


class RelayProcess:
    """A worker at `control` (`unix:/path`). `command` is for tests that want another child."""

    def __init__(
        self, control: Path, environment: dict[str, str] | None = None, command: Sequence[str] | None = None
    ) -> None:
        self.address = f"unix:{control}"
        self._socket = control
        self._command = list(command or relay_command(self.address))
        self._environment = {**os.environ, **(environment or {})}
        self._child: asyncio.subprocess.Process | None = None
        self._watching: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the running worker."""
        return self._child.pid if self._child is not None and self._child.returncode is None else None

    async def start(self) -> None:
        """Start the worker and wait until it answers. Raises RelayStartError."""
        await self._spawn()
        self._watching = asyncio.create_task(self._restart_when_it_ends(), name="relay-watch")

    async def stop(self) -> None:
        """End the worker: at once, since with this process nobody is left to tell it anything."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            self._watching = None
        await self._end()

    async def _spawn(self) -> None:
        self._socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._socket.unlink(missing_ok=True)
        self._child = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            env=self._environment,
            start_new_session=True,  # a Ctrl-C in the terminal is for us; the worker is ended in order
        )
        try:
            await self._until_it_answers(self._child)
        except BaseException:  # also when starting is cancelled: nothing stays behind
            await self._end()
            raise

    async def _until_it_answers(self, child: asyncio.subprocess.Process) -> None:
        client = RelayClient(self.address)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while True:
                    if child.returncode is not None:
                        raise RelayStartError(
                            f"the relay worker ended while starting (exit code {child.returncode}); its log says why"
                        )
                    with contextlib.suppress(RelayUnreachable, RelayRefused):
                        await client.stats()
                        return
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise RelayStartError(f"the relay worker did not answer within {START_TIMEOUT_S:.0f} s") from None
        finally:
            await client.aclose()

    async def _restart_when_it_ends(self) -> None:
        clock: Callable[[], float] = asyncio.get_running_loop().time
        pause_s = FIRST_PAUSE_S
        started_s = clock()
        while True:
            if self._child is not None:
                code = await self._child.wait()
                log.error("relay.ended", exit_code=code)
            if clock() - started_s > STEADY_AFTER_S:
                pause_s = FIRST_PAUSE_S
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            _restarts.inc()
            started_s = clock()
            try:
                await self._spawn()
            except (RelayStartError, OSError) as error:
                self._child = None
                log.error("relay.restart_failed", reason=str(error))  # noqa: TRY400 - the reason says it all

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(signal.SIGINT)
            try:
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await child.wait()
            except TimeoutError:
                child.kill()
                await child.wait()
        if child.stdin is not None:
            child.stdin.close()
        self._socket.unlink(missing_ok=True)
