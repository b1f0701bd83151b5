"""What holds for every answer: headers, descriptions, health, logs, and bounds on connections."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from server.answers import Answers
from server.listener import Listener
from server.pages import Pages
from server.security import content_policy, protect
from tests.server.conftest import Site

PATHS = [
    "/", "/demo", "/patient", "/assets/main-0a1b2c3d.js", "/nothing", "/api/nothing", "/healthz", "/readyz", "/metrics",
    "/api/openapi.json", "/api/session",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
async def test_every_answer_carries_the_policy(site: Site, path: str, method: str) -> None:
    """Pages, files, redirects, errors and the API alike."""
    answer = await site.client.request(method, path, allow_redirects=False)
    headers = answer.headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy.replace("'self'", "")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=(self)" in headers["Permissions-Policy"]
    assert headers["Strict-Transport-Security"].startswith("max-age=")
    assert headers["Server"] == "Puente"
    assert "X-Request-Id" in headers


def test_the_websocket_of_this_host_is_allowed_and_nothing_is_injected() -> None:
    """The host a client names goes into the policy only when it is a host."""
    assert "connect-src 'self' ws://localhost:8080 wss://localhost:8080;" in content_policy("localhost:8080")
    assert "ws://[::1]:8080" in content_policy("[::1]:8080")
    for bad in ("x; script-src *", "a b", "", "x'", "[x]", "a" * 300):
        assert "connect-src 'self';" in content_policy(bad)


async def test_without_https_browsers_are_not_told_to_insist_on_it() -> None:
    """HSTS on a plain address would lock people out."""
    app = web.Application()
    protect(app, https=False)
    listener = Listener()
    await listener.bind("127.0.0.1", 0)
    await listener.start(app)
    try:
        head, _ = await _exchange(listener.port, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert "strict-transport-security" not in head.lower()
        assert "content-security-policy" in head.lower()
    finally:
        await listener.stop()


async def test_every_api_route_is_described(site: Site) -> None:
    """What is served under /api, and health, is in the OpenAPI document with its method, and nothing else is."""
    document: dict[str, Any] = await (await site.client.get("/api/openapi.json")).json()
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    served = {
        (route.method, route.resource.canonical)
        for route in site.client.app.router.routes()  # type: ignore[union-attr]
        if route.resource is not None and route.method != "HEAD"
    }
    assert described == {
        (method, path) for method, path in served if path.startswith(("/api", "/healthz", "/readyz", "/metrics"))
    }
    assert document["openapi"] == "3.1.0"


async def test_the_description_is_whole(site: Site) -> None:
    """Each reference leads somewhere, each operation has a name of its own and says how it can be refused."""
    text = await (await site.client.get("/api/openapi.json")).text()
    document: dict[str, Any] = json.loads(text)
    names = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names <= document["components"]["schemas"].keys()
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    session = document["paths"]["/api/session"]["post"]["responses"]
    assert {"200", "400", "403", "410", "413", "429", "500"} == session.keys()
    assert document["paths"]["/api/ticket"]["post"]["security"] == [{"session": []}]


async def test_readiness_says_what_is_missing(site: Site) -> None:
    """Alive is not ready."""
    answer = await site.client.get("/readyz")
    assert (answer.status, await answer.json()) == (200, {"ready": True, "missing": []})
    site.missing.extend(["relay", "store"])
    answer = await site.client.get("/readyz")
    assert (answer.status, await answer.json()) == (503, {"ready": False, "missing": ["relay", "store"]})
    assert (await site.client.get("/healthz")).status == 200


async def test_metrics_are_there_for_prometheus(site: Site) -> None:
    """Our own, and those of the process."""
    await site.client.get("/nothing")
    answer = await site.client.get("/metrics")
    text = await answer.text()
    assert answer.content_type == "text/plain"
    assert 'puente_http_requests_total{method="GET",route="/{path}",status="404"}' in text
    assert 'puente_http_refused_total{code="not_found"}' in text
    assert "process_resident_memory_bytes" in text


async def test_a_fault_of_ours_says_and_logs_nothing_private() -> None:
    """The error's kind and place are logged; its words are in neither the log nor the answer."""

    async def broken(_request: web.Request) -> web.Response:
        raise RuntimeError("geheim")

    app = web.Application()
    Answers(Pages()).install(app)
    app.router.add_get("/broken", broken)
    listener = Listener()
    await listener.bind("127.0.0.1", 0)
    await listener.start(app)
    try:
        with capture_logs() as logs:
            head, body = await _exchange(
                listener.port, b"GET /broken?name=geheim HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            )
    finally:
        await listener.stop()
    assert head.startswith("HTTP/1.1 500")
    assert json.loads(body)["error"]["code"] == "internal"
    assert "geheim" not in body + str([{**line, "where": ""} for line in logs])
    assert {"error": "RuntimeError"}.items() <= next(line for line in logs if line["event"] == "http.failed").items()
    assert next(line for line in logs if line["event"] == "http")["route"] == "/broken"


async def test_the_log_has_patterns_and_no_paths(site: Site) -> None:
    """A token pasted into the path is not logged; health checks are not logged at all."""
    with capture_logs() as logs:
        await site.client.get("/eyJgeheim?t=eyJgeheim")
        await site.client.get("/healthz")
    assert "geheim" not in str(logs)
    assert [line["route"] for line in logs if line["event"] == "http"] == ["/{path}"]


async def _exchange(port: int, sent: bytes) -> tuple[str, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.decode().partition("\r\n\r\n")
    return head, body


@pytest.mark.parametrize(
    "sent",
    [
        b"geheim\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 20_000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: geheim\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03geheim\r\n\r\n",
    ],
)
async def test_what_is_not_http_gets_the_same_kind_of_refusal(sent: bytes) -> None:
    """Typed, with the policy, and without a word of it in the log."""
    listener = Listener(https=True)
    await listener.bind("127.0.0.1", 0)
    await listener.start(web.Application())
    try:
        with capture_logs() as logs:
            head, body = await _exchange(listener.port, sent)
    finally:
        await listener.stop()
    assert head.startswith("HTTP/1.1 400") or head.startswith("HTTP/1.0 400")
    assert json.loads(body)["error"]["code"] == "bad_request"
    assert "Content-Security-Policy: default-src" in head
    assert "Strict-Transport-Security" in head
    assert "geheim" not in body + str(logs)


async def test_a_head_that_never_ends_is_cut_off() -> None:
    """A client that sends a byte now and then holds its connection no longer than the deadline; others are served."""
    listener = Listener(head_timeout_s=0.2)
    await listener.bind("127.0.0.1", 0)
    await listener.start(web.Application())
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n")
        head, _ = await _exchange(listener.port, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert head.startswith("HTTP/1.1 404")
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 5)
        writer.close()
    finally:
        await listener.stop()
