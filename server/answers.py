"""Around every request: an id, a log line, counters, and a fitting answer to what went wrong."""

from __future__ import annotations

import secrets
import time
import traceback
from dataclasses import dataclass
from html import escape

import structlog
from aiohttp import hdrs, web
from prometheus_client import Counter, Histogram
from structlog.contextvars import bound_contextvars

from server.api import STATUS, Handler, RefusalCode, Refused, refusal
from server.pages import Pages

log = structlog.get_logger()

_requests = Counter("puente_http_requests_total", "HTTP requests", ["method", "route", "status"])
_seconds = Histogram("puente_http_request_seconds", "Time to answer an HTTP request", ["route"])
_refused = Counter("puente_http_refused_total", "HTTP requests refused", ["code"])

_CODES: dict[int, RefusalCode] = {
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    429: "rate_limited",
    500: "internal",
    503: "unavailable",
}


@dataclass(frozen=True, slots=True)
class Words:
    """What a page for people says: what happened, what to do, and one thing to press."""

    title: str
    message: str
    label: str = "Intentar otra vez"
    href: str = ""
    """Empty: this very address."""


_WORDS: dict[RefusalCode, Words] = {
    "not_found": Words(
        "Esta página no existe", "Abra el enlace que recibió. Si ya no sirve, pida uno nuevo.", "Ir al inicio", "/"
    ),
    "rate_limited": Words("Espere un momento", "Hubo muchas visitas desde su red. Intente otra vez en un minuto."),
    "unavailable": Words("No estamos disponibles ahora", "Intente otra vez en un minuto. Su consulta sigue abierta."),
}
_OTHER_WORDS = Words("Algo falló de nuestro lado", "Intente otra vez. Su consulta sigue abierta.")
FRONT_DOOR = Words("Teleconsulta", "Para entrar, abra el enlace que recibió.", href="/")
_QUIET = {"/healthz", "/readyz", "/metrics"}
"""Asked every few seconds by machines: counted, not logged."""


class Answers:
    """The outermost middleware."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    def install(self, app: web.Application) -> None:
        """Wrap every handler of the app."""

        @web.middleware
        async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._answer(request, handler)

        app.middlewares.append(answer)

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        request_id = secrets.token_hex(8)
        route = _route(request)
        since_s = time.perf_counter()
        with bound_contextvars(request_id=request_id):
            response = await self._handled(request, handler, request_id)
            seconds = time.perf_counter() - since_s
            _requests.labels(request.method if request.method in hdrs.METH_ALL else "?", route, response.status).inc()
            if not isinstance(response, web.WebSocketResponse):
                _seconds.labels(route).observe(seconds)
            if route not in _QUIET:
                log.info(
                    "http", method=request.method[:16], route=route, status=response.status, ms=round(seconds * 1e3)
                )
        if not response.prepared:
            response.headers["X-Request-Id"] = request_id
        return response

    async def _handled(self, request: web.Request, handler: Handler, request_id: str) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refused as refused:
            return self._refusal(request, refused, request_id)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            code = _CODES.get(error.status, "bad_request" if error.status < 500 else "internal")
            answer = self._refusal(request, Refused(code, error.reason), request_id)
            if hdrs.ALLOW in error.headers:
                answer.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
            return answer
        except Exception as error:
            # The one edge where a fault becomes an answer. Neither its message nor its values are logged: a database
            # error repeats what it was about to write.
            where = "".join(traceback.format_tb(error.__traceback__)[-4:])
            log.error("http.failed", error=type(error).__name__, where=where)  # noqa: TRY400
            return self._refusal(request, Refused("internal", "this failed on our side"), request_id)

    def _refusal(self, request: web.Request, refused: Refused, request_id: str) -> web.Response:
        """JSON for programs, a page for people."""
        count_refused(refused.code)
        answer = refusal(refused)
        if request.path.startswith("/api/") or "text/html" not in request.headers.get(hdrs.ACCEPT, ""):
            return answer
        page = word_page(
            self._pages, _WORDS.get(refused.code, _OTHER_WORDS), STATUS[refused.code], request_id[:8].upper()
        )
        if page is None:
            return answer
        if hdrs.RETRY_AFTER in answer.headers:
            page.headers[hdrs.RETRY_AFTER] = answer.headers[hdrs.RETRY_AFTER]
        return page


def word_page(pages: Pages, words: Words, status: int, code: str = "") -> web.Response | None:
    """The words as a page, or None when the front end is not built. `code` is what people can say on the phone."""
    return pages.filled(
        "error", status, lang="es-MX", title=escape(words.title), message=escape(words.message), code=escape(code),
        action_href=escape(words.href), action_label=escape(words.label),
    )  # fmt: skip


def count_refused(code: RefusalCode) -> None:
    """Count one refusal."""
    _refused.labels(code).inc()


def _route(request: web.Request) -> str:
    """The pattern that matched: paths themselves could hold anything, and there is no end of them."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unmatched"
