"""Janus' echotest as the yardstick: Debian's package, started for the benchmark alone, told over a websocket.

(Its unix socket transport ends its own thread at times while it starts: "No Janus API transport is available".)
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import shutil
import socket
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from bench.client import Client, Remote, host_address
from bench.figures import Unfit
from bench.machine import cores, free_port, pin, require

LIBRARIES = "/usr/lib/*/janus"
START_TIMEOUT_S = 15.0
REQUEST_TIMEOUT_S = 15.0
MESSAGE = 65536


def _configure(folder: Path, address: str, port: int) -> None:
    """Write a configuration with the echotest and the websocket only. ICE-lite, as our relay is: it is less work."""
    libraries = next(iter(sorted(Path("/usr/lib").glob("*/janus"))), None)
    if libraries is None:
        raise Unfit(f"no Janus plugins in {LIBRARIES}")
    for kind, library in (("plugins", "libjanus_echotest.so"), ("transports", "libjanus_websockets.so")):
        (folder / kind).mkdir()
        (folder / kind / library).symlink_to((libraries / kind / library).resolve())
    for kind in ("events", "loggers"):
        (folder / kind).mkdir()
    (folder / "janus.jcfg").write_text(
        f"""general: {{
  configs_folder = "{folder}"
  plugins_folder = "{folder}/plugins"
  transports_folder = "{folder}/transports"
  events_folder = "{folder}/events"
  loggers_folder = "{folder}/loggers"
  debug_level = 3
  session_timeout = 0
}}
media: {{ ipv6 = false }}
nat: {{
  ice_lite = true
  ice_enforce_list = "{address}"
}}
"""
    )
    (folder / "janus.transport.websockets.jcfg").write_text(
        f'general: {{ json = "plain", ws = true, ws_port = {port}, ws_ip = "127.0.0.1", wss = false }}\n'
        "admin: { admin_ws = false }\n"
    )
    (folder / "janus.plugin.echotest.jcfg").write_text("general: { }\n")


class Janus:
    """A running Janus and the session in which all clients have their handles."""

    name = "Janus"

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="janus-"))
        self._host = host_address()
        self._process: asyncio.subprocess.Process | None = None
        self._http = aiohttp.ClientSession()
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None
        self._waiting: dict[str, asyncio.Queue[dict[str, Any]]] = {}
        self._numbers = itertools.count()
        self._session = 0
        self._handles: dict[Client, int] = {}

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def __aenter__(self) -> Self:
        require("janus")
        port = free_port(socket.SOCK_STREAM)
        _configure(self._folder, self._host, port)
        with (self._folder / "janus.log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                "janus", "-F", str(self._folder), "-C", str(self._folder / "janus.jcfg"),
                stdout=log, stderr=log, stdin=asyncio.subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        pin(self._process.pid, cores()[0])
        try:
            await self._attach_control(port)
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def _attach_control(self, port: int) -> None:
        assert self._process is not None
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_TIMEOUT_S
        while self._socket is None:
            try:
                url = f"ws://127.0.0.1:{port}"
                self._socket = await self._http.ws_connect(url, protocols=["janus-protocol"], max_msg_size=MESSAGE)
            except aiohttp.ClientError:
                if self._process.returncode is not None or loop.time() > deadline:
                    tail = (self._folder / "janus.log").read_text(errors="replace")[-600:]
                    raise Unfit(f"Janus did not start: {tail}") from None
                await asyncio.sleep(0.05)
        self._reader = asyncio.create_task(self._read(self._socket))
        self._session = (await self._ask(janus="create"))["data"]["id"]

    async def _read(self, connection: aiohttp.ClientWebSocketResponse) -> None:
        async for message in connection:
            answer = json.loads(message.data)
            queue = self._waiting.get(answer.get("transaction", ""))
            if queue is not None:
                queue.put_nowait(answer)

    async def _ask(self, *, jsep_wanted: bool = False, **request: Any) -> dict[str, Any]:
        """Send a request; return its answer, or the event with a session description that follows it."""
        transaction = f"t{next(self._numbers)}"
        queue = self._waiting[transaction] = asyncio.Queue()
        assert self._socket is not None
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                await self._socket.send_json({"transaction": transaction, **request})
                while True:
                    answer = await queue.get()
                    if answer["janus"] == "error":
                        raise Unfit(f"Janus refused {request['janus']}: {answer['error']}")
                    if not jsep_wanted or "jsep" in answer:
                        return answer
        except TimeoutError:
            raise Unfit(f"Janus did not answer {request['janus']}") from None
        finally:
            del self._waiting[transaction]

    async def connect(self, client: Client) -> None:
        """Give the client a handle of the echotest and connect it."""
        attached = await self._ask(janus="attach", plugin="janus.plugin.echotest", session_id=self._session)
        handle = self._handles[client] = attached["data"]["id"]
        answer = await self._ask(
            janus="message", session_id=self._session, handle_id=handle, body={"audio": True, "video": True},
            jsep={"type": "offer", "sdp": client.offer()}, jsep_wanted=True,
        )  # fmt: skip
        await client.connect(Remote.of(answer["jsep"]["sdp"], self._host))

    async def join(self, clients: list[Client]) -> None:
        """Nothing to do: the echotest sends back what it gets from the moment the handle is connected."""

    async def disconnect(self, client: Client) -> None:
        """End the client's handle."""
        await self._ask(janus="detach", session_id=self._session, handle_id=self._handles.pop(client))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader
        if self._process is not None and self._process.returncode is None:
            self._process.kill()  # its own end can take seconds, and nothing of it is kept
            await self._process.wait()
        if self._socket is not None:
            await self._socket.close()
        await self._http.close()
        shutil.rmtree(self._folder, ignore_errors=True)
