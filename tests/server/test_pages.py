"""Built files over real HTTP: types, caching, compression, and nothing from outside the folder."""

from __future__ import annotations

import asyncio
import gzip

import pytest

from server.pages import best_coding
from tests.server.conftest import Site

SCRIPT = "/assets/main-0a1b2c3d.js"


async def test_pages_have_short_addresses_and_are_asked_for_anew(site: Site) -> None:
    """A page is HTML under its name; unchanged, it costs a 304."""
    answer = await site.client.get("/patient")
    assert (answer.status, answer.content_type, answer.charset) == (200, "text/html", "utf-8")
    assert "patient" in await answer.text()
    assert answer.headers["Cache-Control"] == "no-cache"
    again = await site.client.get("/patient", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status, await again.read()) == (304, b"")
    weak = await site.client.get("/patient", headers={"If-None-Match": f'"x", W/{answer.headers["ETag"]}'})
    assert weak.status == 304
    assert (await site.client.get("/robots.txt")).content_type == "text/plain"


async def test_assets_are_kept_for_ever(site: Site) -> None:
    """Their name carries their content."""
    answer = await site.client.get(SCRIPT)
    assert (answer.status, answer.content_type) == (200, "text/javascript")
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


async def test_the_smallest_copy_that_is_accepted_is_sent(site: Site) -> None:
    """Brotli before gzip before the file itself; each copy has a tag of its own."""
    tags = set()
    for accepted, coding in (
        ("gzip, deflate, br", "br"),
        ("gzip", "gzip"),
        ("identity", None),
        ("br;q=0, gzip", "gzip"),
    ):
        status, headers, body = await _raw(site, accepted)
        assert status == 200
        assert headers.get("content-encoding") == coding
        assert headers["vary"] == "Accept-Encoding"
        tags.add(headers["etag"])
        if coding == "gzip":
            assert gzip.decompress(body).startswith(b"export const")
    assert len(tags) == 3


async def _raw(site: Site, accepted: str, method: str = "GET", path: str = SCRIPT) -> tuple[int, dict[str, str], bytes]:
    """One request by hand: nothing is decompressed or added on the way."""
    reader, writer = await asyncio.open_connection(site.client.host, site.client.port)
    writer.write(
        f"{method} {path} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: {accepted}\r\nConnection: close\r\n\r\n".encode()
    )
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return (
        int(status.split()[1]),
        {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)},
        body,
    )


async def test_head_tells_the_length_and_sends_nothing(site: Site) -> None:
    """For every page and file."""
    for path in (SCRIPT, "/patient", "/healthz"):
        status, headers, body = await _raw(site, "identity", "HEAD", path)
        assert (status, body) == (200, b"")
        assert int(headers["content-length"]) > 0


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt", "/assets/../../secret.txt", "/%2e%2e/secret.txt", "/assets/%2e%2e%2f%2e%2e%2fsecret.txt",
        "//etc/passwd", "/assets/", "/assets", "/patient.html", "/patient/", "/demo.html", "/error", "/.built",
        "/assets/main-0a1b2c3d.js.br", "/" + "a" * 4000, "/%00", "/%ff%fe",
    ],
)  # fmt: skip
async def test_there_is_nothing_but_what_was_built(site: Site, path: str) -> None:
    """Paths that climb, folders, templates and compressed copies by name are not found."""
    status, _, body = await _raw(site, "identity", path=path)
    assert status in {400, 404}
    assert b"outside" not in body


async def test_only_get_and_head_are_allowed(site: Site) -> None:
    """And the answer says so."""
    answer = await site.client.post("/patient")
    assert answer.status == 405
    assert (await answer.json())["error"]["code"] == "method_not_allowed"
    assert "GET" in answer.headers["Allow"]


async def test_people_get_an_error_page_and_programs_get_json(site: Site) -> None:
    """In words and with a code to say on the phone; the API is JSON for everybody."""
    page = await site.client.get("/nothing", headers={"Accept": "text/html,*/*"})
    assert (page.status, page.content_type) == (404, "text/html")
    text = await page.text()
    assert "Esta página no existe" in text
    assert page.headers["X-Request-Id"][:8].upper() in text
    assert "$" not in text
    for path, headers in (("/nothing", {}), ("/api/nothing", {"Accept": "text/html"})):
        answer = await site.client.get(path, headers=headers)
        assert (answer.status, answer.content_type) == (404, "application/json")
        assert (await answer.json())["error"]["code"] == "not_found"


async def test_the_demo_page_has_the_links(site: Site) -> None:
    """As HTML for people; the front door leads there."""
    page = await site.client.get("/", headers={"Accept": "text/html"})
    assert (page.status, page.url.path, page.content_type) == (200, "/demo", "text/html")
    text = await page.text()
    for key in ("patient", "patient2", "nurse", "nurse2"):
        assert f'data-testid="demo-{key}"' in text
    assert text.count("#t=") == 4
    assert text.count('class="patient"') == text.count('class="nurse"') == 2
    assert "<template" not in text
    assert "ADDRESS" not in text
    assert page.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("", ""), ("br", "br"), ("gzip", "gzip"), ("*", "br"), ("gzip;q=1.0, *;q=0", "gzip"), ("BR", "br"),
        ("br;q=0", ""), ("br;q=x", ""), ("identity", ""), ("deflate", ""), (",,;", ""),
    ],
)  # fmt: skip
def test_content_codings_are_negotiated(accepted: str, coding: str) -> None:
    """RFC 9110 §12.5.3, for the two we have."""
    assert best_coding(accepted, {"": b"", "br": b"", "gzip": b""}) == coding
    assert best_coding(accepted, {"": b""}) == ""
