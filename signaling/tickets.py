"""Signed, short-lived proofs of who somebody is: links, sessions and tickets (JWT, RFC 7519, HS256).

A *link* is what a person is given; a page exchanges it for a *session*, and the session for *tickets*, with which it
connects. A token of one kind is never taken for another.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, cast

import jwt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from signaling.ports import Role

Kind = Literal["link", "session", "ticket"]

ALGORITHM = "HS256"
MIN_KEY_BYTES = 32
"""RFC 7518 §3.2: a key of at least the size of the hash."""
MAX_TOKEN_CHARS = 4096
LEEWAY_S = 5.0
"""Processes on different machines do not agree on the time to the second."""


class TicketError(Exception):
    """A token that is not accepted."""


class TicketExpired(TicketError):  # noqa: N818 - a state of the ticket, not a fault of the program
    """It was good once."""


class TicketInvalid(TicketError):  # noqa: N818
    """It never was, or not for this: forged, damaged, of another kind."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A new token and until when it is good."""

    token: str
    expires_at_ms: int


class Claims(BaseModel):
    """What a token says. Unknown claims are an error: we wrote every token we accept."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    sub: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
    """Person id."""
    role: Role
    kind: Kind
    exp: int
    iat: int
    jti: Annotated[str, Field(min_length=1, max_length=64)]
    tpl: Annotated[str, Field(max_length=64)] | None = None
    """Links only: the demo template the person is made from."""

    @property
    def person(self) -> str:
        """Person id."""
        return self.sub

    @property
    def expires_at_ms(self) -> int:
        """Unix milliseconds."""
        return self.exp * 1000


class Tickets:
    """Issues and reads tokens. The first key signs, all keys verify, so keys can be changed without an interruption.

    Args:
        keys: secrets of at least 32 bytes, newest first.
        clock: Unix seconds.

    Raises:
        ValueError: when there is no key, or one is too short.
    """

    def __init__(self, keys: Sequence[str | bytes], clock: Callable[[], float] = time.time) -> None:
        encoded = [key.encode() if isinstance(key, str) else key for key in keys]
        if not encoded or any(len(key) < MIN_KEY_BYTES for key in encoded):
            raise ValueError(f"signing keys must be at least {MIN_KEY_BYTES} bytes")
        self._keys = encoded
        self._clock = clock

    def issue(self, kind: Kind, person: str, role: Role, lifetime_s: int, template: str | None = None) -> Issued:
        """Sign a token that is good for `lifetime_s`."""
        now = int(self._clock())
        claims = Claims(
            sub=person,
            role=role,
            kind=kind,
            exp=now + lifetime_s,
            iat=now,
            jti=secrets.token_urlsafe(12),
            tpl=template,
        )
        token = jwt.encode(claims.model_dump(exclude_none=True), self._keys[0], algorithm=ALGORITHM)
        return Issued(token, claims.expires_at_ms)

    def read(self, token: str, kind: Kind) -> Claims:
        """What a token says, when it is ours, of this kind, and still good.

        Raises:
            TicketExpired: it was good once.
            TicketInvalid: anything else.
        """
        claims = self._verified(token)
        if claims.kind != kind:
            raise TicketInvalid(f"not a {kind}")
        if claims.iat > self._clock() + LEEWAY_S:
            raise TicketInvalid("from the future")
        if claims.exp + LEEWAY_S < self._clock():
            raise TicketExpired("expired")
        return claims

    def _verified(self, token: str) -> Claims:
        if len(token) > MAX_TOKEN_CHARS:
            raise TicketInvalid("too long")
        for key in self._keys:
            try:
                # Times are checked against our own clock in `read`, so that tests need not wait.
                payload = jwt.decode(
                    token,
                    key,
                    algorithms=[ALGORITHM],
                    options={"verify_exp": False, "verify_iat": False, "verify_nbf": False},
                )
            except jwt.InvalidSignatureError:
                continue
            except (jwt.InvalidTokenError, UnicodeError, RecursionError) as error:
                raise TicketInvalid("not a token") from error
            try:
                return Claims.model_validate(cast(object, payload))
            except ValidationError as error:
                # Without `from None` the claims would be in the log of whoever logs the cause.
                raise TicketInvalid(f"{error.error_count()} claims are wrong") from None
        raise TicketInvalid("signature")
