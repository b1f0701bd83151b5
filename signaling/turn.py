"""Credentials for TURN servers, for networks that let nothing else through.

The REST form that coturn calls `use-auth-secret` (draft-uberti-behave-turn-rest-00 §2.2): the user name is until when
it is good and a random id, the password its HMAC-SHA1 under a secret shared with the server. Nothing has to be stored,
and nothing in it says who the person is.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Sequence

from signaling.protocol_media import IceServer


class Turn:
    """TURN servers that share one secret.

    Args:
        urls: `turn:` and `turns:` addresses, best first; none means there is no TURN.
        secret: shared with the servers.
        lifetime_s: how long credentials are good.
        clock: Unix seconds.
    """

    def __init__(
        self,
        urls: Sequence[str],
        secret: str,
        lifetime_s: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._urls = list(urls)
        self._secret = secret.encode()
        self._lifetime_s = lifetime_s
        self._clock = clock

    def servers(self) -> list[IceServer]:
        """The servers with fresh credentials; empty when there are none."""
        if not self._urls:
            return []
        username = f"{int(self._clock()) + self._lifetime_s}:{secrets.token_hex(8)}"
        digest = hmac.digest(self._secret, username.encode(), hashlib.sha1)
        return [IceServer(urls=self._urls, username=username, credential=base64.b64encode(digest).decode())]
