"""The HTTP application: which part answers which path."""

from __future__ import annotations

from aiohttp import hdrs, web

from server.answers import FRONT_DOOR, Answers, word_page
from server.api import MAX_BODY_BYTES, Endpoint, Handler, add_routes
from server.demo import Demo
from server.health import Health
from server.linktest.service import LinkTests
from server.openapi import describe
from server.pages import Pages
from server.quality import Quality
from server.security import protect
from server.sessions import Sessions
from server.version import VERSION


def make_app(
    pages: Pages,
    sessions: Sessions,
    quality: Quality,
    links: LinkTests,
    health: Health,
    demo: Demo | None,
    *,
    https: bool,
) -> web.Application:
    """The application without the live connection, which is attached afterwards and before it is started."""
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    Answers(pages).install(app)
    protect(app, https=https)
    add_endpoints(app, [*health.endpoints(), *sessions.endpoints(), *quality.endpoints(), *links.endpoints()])
    links.install(app)
    if demo is not None:
        app.router.add_get("/demo", demo.page)
    app.router.add_get("/", _to_demo if demo is not None else _front_door(pages))
    return app


def add_endpoints(app: web.Application, endpoints: list[Endpoint]) -> None:
    """Serve the endpoints and their description."""
    document: dict[str, object] = {}

    async def openapi(_request: web.Request) -> web.Response:
        return web.json_response(document, headers={hdrs.CACHE_CONTROL: "no-cache"})

    every = [*endpoints, Endpoint("GET", "/api/openapi.json", openapi, "This description")]
    document.update(describe(every, VERSION))
    add_routes(app, every)


def add_pages(app: web.Application, pages: Pages) -> None:
    """Serve the built files at every path that nothing else answers; last, since routes are tried in order."""
    app.router.add_get("/{path:.*}", pages.serve)


def _front_door(pages: Pages) -> Handler:
    """Nobody comes in here without a link."""

    async def front_door(_request: web.Request) -> web.Response:
        page = word_page(pages, FRONT_DOOR, 200)
        if page is None:
            raise web.HTTPNotFound
        return page

    return front_door


async def _to_demo(_request: web.Request) -> web.Response:
    return web.Response(status=302, headers={hdrs.LOCATION: "/demo", hdrs.CACHE_CONTROL: "no-store"})
