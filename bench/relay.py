"""Puente's relay worker as the server under test: the command `puente relay`, told over its unix socket."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.client import Client, Remote, host_address
from bench.figures import Unfit
from bench.machine import PUENTE, TREE, cores, free_port, pin
from media.client import RelayClient, RelayUnreachable
from media.control import AnswerLeg, CloseLeg, CreateLeg, JoinRoom, WorkerStats

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 5.0


class Relay:
    """A running relay worker. Clients 0 and 1 share a room, 2 and 3 the next, so each packet goes to one other."""

    name = "relay"

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="relay-"))
        self._host = host_address()
        self._process: asyncio.subprocess.Process | None = None
        self._client = RelayClient(f"unix:{self._folder}/control")
        self._legs: dict[Client, JoinRoom] = {}
        self._made = 0

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def __aenter__(self) -> Self:
        environment = os.environ | {
            "PUENTE_MEDIA_HOST": "0.0.0.0",
            "PUENTE_MEDIA_ADDRESS": self._host,
            "PUENTE_MEDIA_PORT": str(free_port(socket.SOCK_DGRAM)),
            "PUENTE_DATA_DIR": str(self._folder),
        }
        command = [*PUENTE, "relay", "--control", f"unix:{self._folder}/control"]
        with (self._folder / "log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                cwd=TREE,
                env=environment,
                stdout=log,
                stderr=log,
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        try:
            await self._answering()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        pin(self.pid, cores()[0])
        return self

    async def _answering(self) -> None:
        assert self._process is not None
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_TIMEOUT_S
        while True:
            try:
                await self._client.stats()
                return
            except RelayUnreachable:
                if self._process.returncode is not None or loop.time() > deadline:
                    tail = (self._folder / "log").read_text(errors="replace")[-600:]
                    raise Unfit(f"the relay did not start: {tail}") from None
                await asyncio.sleep(0.05)

    async def connect(self, client: Client) -> None:
        """Make a leg and connect the client to it."""
        number, self._made = self._made, self._made + 1
        call = f"bench{number // 2}"
        leg = f"{call}.{number % 2}"
        offer = await self._client.create_leg(CreateLeg(leg=leg, call=call, epoch=1))
        self._legs[client] = JoinRoom(call=call, epoch=1, leg=leg)
        answer = AnswerLeg(call=call, epoch=1, restart=0, sdp=client.answer(offer.sdp))
        await self._client.answer(leg, answer)
        await client.connect(Remote.of(offer.sdp, self._host))

    async def join(self, clients: list[Client]) -> None:
        """Put the clients into the rooms of their calls."""
        for client in clients:
            request = self._legs[client]
            await self._client.join(request.call, request)

    async def disconnect(self, client: Client) -> None:
        """Close the client's leg."""
        request = self._legs.pop(client)
        await self._client.close(request.leg, CloseLeg(call=request.call, epoch=1))

    async def stats(self) -> WorkerStats:
        """What the worker says of itself."""
        return await self._client.stats()

    async def connected(self, clients: list[Client]) -> bool:
        """Whether the worker holds all of these legs for connected."""
        return all([(await self._client.leg(self._legs[client].leg)).state == "connected" for client in clients])

    def media_port(self, client: Client) -> tuple[str, int]:
        """Where the worker receives media."""
        address: tuple[str, int] = client.socket.getpeername()
        return address

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._client.aclose()
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), STOP_TIMEOUT_S)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
