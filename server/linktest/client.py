"""`/api/linktest` as its client sees it."""

from __future__ import annotations

import contextlib
from types import TracebackType
from typing import TypeVar

import aiohttp
from pydantic import BaseModel, ValidationError

from server.linktest.models import LinkTestBegun, LinkTestMeasure

TIMEOUT_S = 15.0
"""A TLS handshake and an offer of 5 KB on 64 kbit/s with losses take 3 to 6 s."""
MAX_ANSWER_BYTES = 65_536

Answered = TypeVar("Answered", bound=BaseModel)


class NoTestError(Exception):
    """There is no test. `code` names the words: `unreachable`, `not_puente`, `busy` or `ended`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class LinkTestClient:
    """Begins, answers, reads and ends one test. All methods raise NoTestError. Use it as a context."""

    def __init__(self, server: str) -> None:
        self._base = f"{server.rstrip('/')}/api/linktest"
        self._session: aiohttp.ClientSession | None = None
        self._test = ""

    async def __aenter__(self) -> LinkTestClient:
        """Open."""
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the test and close."""
        del kind, error, trace
        if self._test:
            with contextlib.suppress(NoTestError):  # the server ends it by itself
                await self._ask("POST", f"/{self._test}/end", LinkTestMeasure)
        if self._session is not None:
            await self._session.close()

    async def begin(self) -> LinkTestBegun:
        """Begin a test."""
        begun = await self._ask("POST", "", LinkTestBegun, {})
        self._test = begun.id
        return begun

    async def answer(self, sdp: str) -> LinkTestMeasure:
        """Answer its offer."""
        return await self._ask("POST", f"/{self._test}/answer", LinkTestMeasure, {"sdp": sdp})

    async def measure(self) -> LinkTestMeasure:
        """What it has found out."""
        return await self._ask("GET", f"/{self._test}", LinkTestMeasure)

    async def _ask(
        self, method: str, path: str, answer: type[Answered], body: dict[str, str] | None = None
    ) -> Answered:
        if self._session is None:
            raise NoTestError("ended")
        try:
            async with self._session.request(method, self._base + path, json=body, allow_redirects=False) as response:
                if response.status in {429, 503}:
                    raise NoTestError("busy")
                if response.status == 404 and self._test:
                    raise NoTestError("ended")
                if response.status != 200:
                    raise NoTestError("not_puente")
                raw = b""
                async for part in response.content.iter_any():
                    raw += part
                    if len(raw) > MAX_ANSWER_BYTES:
                        raise NoTestError("not_puente")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            raise NoTestError("unreachable") from None
        try:
            return answer.model_validate_json(raw)
        except ValidationError:
            raise NoTestError("not_puente") from None
