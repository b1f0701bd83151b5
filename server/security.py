"""What every answer tells the browser it may do: nothing from elsewhere, nothing inline, in nobody's frame."""

from __future__ import annotations

import re

from aiohttp import hdrs, web

HSTS = "max-age=31536000"

_FIXED = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), autoplay=(self), fullscreen=(self), "
    "screen-wake-lock=(self), speaker-selection=(self), display-capture=(), geolocation=(), payment=(), usb=()",
    "Server": "Puente",
}
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\[[0-9a-fA-F:.]{2,45}\](:[0-9]{1,5})?")


def content_policy(host: str) -> str:
    """The Content-Security-Policy for pages of `host`.

    The websocket's addresses are written out because Safari before 15.4 does not count them as 'self'.
    """
    sockets = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
    return "; ".join(
        (
            "default-src 'self'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data: blob:",
            "media-src 'self' blob: mediastream:",
            f"connect-src 'self'{sockets}",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "object-src 'none'",
        )
    )


def harden(response: web.StreamResponse, host: str, *, https: bool) -> None:
    """Add the headers to one answer to a request for `host`."""
    response.headers.update(_FIXED)
    response.headers["Content-Security-Policy"] = content_policy(host)
    if https:
        response.headers["Strict-Transport-Security"] = HSTS


def protect(app: web.Application, *, https: bool) -> None:
    """Add the headers to every answer of the app: pages, files, errors and the websocket's handshake."""

    async def add(request: web.Request, response: web.StreamResponse) -> None:
        # Not `request.host`: without the header it asks the name server, and waits.
        harden(response, request.headers.get(hdrs.HOST, ""), https=https)

    app.on_response_prepare.append(add)
