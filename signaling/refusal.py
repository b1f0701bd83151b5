"""Saying no to a client."""

from __future__ import annotations

from signaling.protocol import ErrorBody, ErrorCode, Refused


class Refusal(Exception):  # noqa: N818 - an answer, not a fault
    """A request that is not carried out. The message is for developers and never repeats what the client sent."""

    def __init__(self, code: ErrorCode, message: str, retry_ms: int | None = None) -> None:
        super().__init__(code)
        self.body = ErrorBody(code=code, message=message, retry_ms=retry_ms)

    def acknowledgement(self) -> Refused:
        """The refusal as an acknowledgement."""
        return Refused(error=self.body)
