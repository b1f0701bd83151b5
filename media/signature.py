"""Who may tell a worker what to do over TCP: an HMAC over each request, with a nonce that is accepted once.

`Authorization: Puente <unix_s>:<nonce>:<hex>` where hex is HMAC-SHA256(secret, method LF target LF unix_s LF nonce LF
hex SHA-256 of the body) and target is path and query as sent. A unix socket needs none of this: its file mode says who
may.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable

SCHEME = "Puente"
WINDOW_S = 60
"""How far the two clocks may differ. A request older than that is refused, so a nonce need not be kept longer."""

MAX_NONCES = 65_536
"""Signed requests within twice the window; a worker gets a few a second. When full, requests are refused."""

MIN_SECRET_BYTES = 16

_HEADER = re.compile(r"Puente ([0-9]{1,12}):([A-Za-z0-9_-]{16,64}):([0-9a-f]{64})\Z")


def _digest(secret: bytes, method: str, target: str, stamp: str, nonce: str, body: bytes) -> str:
    text = "\n".join((method, target, stamp, nonce, hashlib.sha256(body).hexdigest()))
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


def sign(secret: bytes, method: str, target: str, body: bytes, unix_s: float | None = None) -> str:
    """Return the value of the Authorization header for one request; `unix_s` is now unless given."""
    stamp, nonce = str(int(time.time() if unix_s is None else unix_s)), secrets.token_urlsafe(18)
    return f"{SCHEME} {stamp}:{nonce}:{_digest(secret, method, target, stamp, nonce, body)}"


class Verifier:
    """Checks signatures and remembers nonces until they are out of the window. Raises ValueError for a short secret."""

    def __init__(self, secret: bytes, clock: Callable[[], float] = time.time) -> None:
        if len(secret) < MIN_SECRET_BYTES:
            raise ValueError(f"the secret of a TCP control address needs at least {MIN_SECRET_BYTES} bytes")
        self._secret = secret
        self._clock = clock
        self._seen: dict[str, float] = {}

    def accepts(self, header: str, method: str, target: str, body: bytes) -> bool:
        """Tell whether the request is signed with our secret, within the window, and not a repetition."""
        match = _HEADER.match(header)
        if match is None:
            return False
        stamp, nonce, digest = match.groups()
        expected = _digest(self._secret, method, target, stamp, nonce, body)
        now_s = self._clock()
        if not hmac.compare_digest(digest, expected) or abs(now_s - int(stamp)) > WINDOW_S:
            return False
        self._forget(now_s)
        if nonce in self._seen or len(self._seen) >= MAX_NONCES:
            return False
        self._seen[nonce] = now_s + 2 * WINDOW_S
        return True

    def _forget(self, now_s: float) -> None:
        """Drop nonces that are too old to be repeated; they were put in in the order of their end."""
        while self._seen:
            nonce = next(iter(self._seen))
            if self._seen[nonce] > now_s:
                return
            del self._seen[nonce]
