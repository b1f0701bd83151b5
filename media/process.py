"""The relay worker as a process: one event loop, one media port, one control socket, and an orderly end.

`run` is what the command line calls. SIGTERM drains (no new legs, the standing ones keep running until they are closed
or `drain_s` is over) and stops; a second SIGTERM, SIGINT, or the end of the parent stops at once.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from dataclasses import dataclass

import structlog
import uvloop

from media.addresses import advertised_addresses
from media.relay import Relay
from media.worker import Control

log = structlog.get_logger()


@dataclass(frozen=True)
class RelaySettings:
    """What a relay worker needs to know.

    `control` is `unix:/path` or `http://host:port` (also `tcp:host:port`); a TCP control address needs `secret`, the
    key that requests are signed with. `host` is what the media port binds to, `addresses` what candidates name (empty:
    the host's own), `port` the UDP and TCP port of media (0: any free one). With `exit_on_stdin_eof` the worker ends
    when its standard input does, so that it never outlives the process that holds the other end of the pipe.
    """

    control: str
    secret: bytes | None = None
    host: str = "0.0.0.0"
    addresses: tuple[str, ...] | list[str] = ()
    port: int = 40_000
    exit_on_stdin_eof: bool = False
    drain_s: float = 20.0


def run(settings: RelaySettings) -> int:
    """Run a relay worker until it is told to stop; returns 0, or 1 if a socket cannot be opened, 2 for bad settings."""
    _log_as_json()
    try:
        uvloop.run(_main(settings))
    except OSError as error:
        # Not the traceback: what is wrong is the address, the port or the path that it was told.
        log.error("relay.cannot_start", reason=error.strerror or type(error).__name__, errno=error.errno)  # noqa: TRY400
        return 1
    except ValueError as error:
        log.error("relay.bad_settings", reason=str(error))  # noqa: TRY400
        return 2
    return 0


async def _main(settings: RelaySettings) -> None:
    addresses = advertised_addresses(settings.host, settings.addresses)
    relay = Relay(host=settings.host, port=settings.port, addresses=addresses)
    control = Control(relay, settings.control, settings.secret)
    stop, drain = asyncio.Event(), asyncio.Event()
    await relay.open()
    try:
        await control.open()
        _watch_signals(stop, drain)
        if settings.exit_on_stdin_eof:
            _watch_stdin(stop)
        # What is loaded now lives as long as the process: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        log.info("relay.listening", pid=os.getpid(), media_port=relay.port, addresses=addresses, boot=relay.boot)
        await _until_stopped(relay, stop, drain, settings.drain_s)
    finally:
        await control.close()
        await relay.close()
        log.info("relay.stopped")


async def _until_stopped(relay: Relay, stop: asyncio.Event, drain: asyncio.Event, drain_s: float) -> None:
    """Return when told to stop, or when told to drain and no leg is left or `drain_s` is over."""
    stopping = asyncio.ensure_future(stop.wait())
    draining = asyncio.ensure_future(drain.wait())
    try:
        await asyncio.wait({stopping, draining}, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            return
        relay.drain()
        log.info("relay.draining", legs=len(relay.legs))
        empty = asyncio.ensure_future(relay.emptied())
        await asyncio.wait({stopping, empty}, timeout=drain_s, return_when=asyncio.FIRST_COMPLETED)
        empty.cancel()
    finally:
        stopping.cancel()
        draining.cancel()


def _watch_signals(stop: asyncio.Event, drain: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def terminated() -> None:
        if drain.is_set():
            stop.set()
        drain.set()

    loop.add_signal_handler(signal.SIGTERM, terminated)
    loop.add_signal_handler(signal.SIGINT, stop.set)


def _watch_stdin(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    descriptor = sys.stdin.fileno()
    os.set_blocking(descriptor, False)

    def readable() -> None:
        try:
            ended = not os.read(descriptor, 4096)
        except BlockingIOError:
            return
        except OSError:
            ended = True
        if ended:
            loop.remove_reader(descriptor)
            stop.set()

    loop.add_reader(descriptor, readable)


def _log_as_json() -> None:
    """One JSON object a line on standard output, from this program and from the libraries (warnings and worse)."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processor=structlog.processors.JSONRenderer(), foreign_pre_chain=shared)
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
