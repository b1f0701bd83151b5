"""The built pages and what they load, out of `web/dist`.

Everything is read once at start (a few hundred kilobytes), so no path of a request ever reaches the file system. Files
under `/assets` carry a hash in their name and are kept for ever; pages are asked for anew each time and answered with
304 when they have not changed. Compressed copies are made at build time, as `.br` and `.gz` beside the file.
"""

from __future__ import annotations

import hashlib
import mimetypes
import string
from dataclasses import dataclass
from pathlib import Path

from aiohttp import hdrs, web

DIST = Path(__file__).parents[1] / "web" / "dist"
MAX_FILE_BYTES = 16 * 1024 * 1024
MAX_FILES = 2_000
ENCODINGS = {"br": ".br", "gzip": ".gz"}
"""Best first."""

_TEMPLATES = {"demo.html", "error.html"}
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".webmanifest": "application/manifest+json; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
    ".woff2": "font/woff2",
    ".wasm": "application/wasm",
    ".txt": "text/plain; charset=utf-8",
    ".ico": "image/x-icon",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file and its compressed copies, by content coding ("" is the file as it is)."""

    content_type: str
    etag: str
    immutable: bool
    copies: dict[str, bytes]


class Pages:
    """What was built. `files` are by the path they are served at; `templates` are filled in by those who serve them."""

    def __init__(self, dist: Path = DIST) -> None:
        self.files: dict[str, StaticFile] = {}
        self.templates: dict[str, string.Template] = {}
        for path in sorted(dist.rglob("*"))[:MAX_FILES] if dist.is_dir() else []:
            if path.is_file() and path.suffix not in ENCODINGS.values() and not path.name.startswith("."):
                self._add(dist, path)

    @property
    def built(self) -> bool:
        """Whether the pages that people open are there."""
        return {"/patient", "/staff"} <= self.files.keys()

    def _add(self, dist: Path, path: Path) -> None:
        name = path.relative_to(dist).as_posix()
        if name in _TEMPLATES:
            self.templates[path.stem] = string.Template(path.read_text(encoding="utf-8"))
            return
        served_at = "/" + (name.removesuffix(".html") if path.suffix == ".html" else name)
        copies = {"": path.read_bytes()}
        for coding, suffix in ENCODINGS.items():
            copy = path.with_name(path.name + suffix)
            if copy.is_file():
                copies[coding] = copy.read_bytes()
        if len(copies[""]) > MAX_FILE_BYTES:
            return
        self.files[served_at] = StaticFile(
            content_type=_TYPES.get(path.suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream",
            etag=hashlib.sha256(copies[""]).hexdigest()[:32],
            immutable=name.startswith("assets/"),
            copies=copies,
        )

    async def serve(self, request: web.Request) -> web.Response:
        """Answer GET and HEAD for any built file. Raises HTTPNotFound."""
        file = self.files.get(request.path)
        if file is None:
            raise web.HTTPNotFound
        coding = best_coding(request.headers.get(hdrs.ACCEPT_ENCODING, ""), file.copies)
        etag = f'"{file.etag}{"-" + coding if coding else ""}"'
        headers = {
            hdrs.CACHE_CONTROL: "public, max-age=31536000, immutable" if file.immutable else "no-cache",
            hdrs.ETAG: etag,
            hdrs.VARY: hdrs.ACCEPT_ENCODING,
        }
        if _matches(request.headers.get(hdrs.IF_NONE_MATCH, ""), etag):
            return web.Response(status=304, headers=headers)
        if coding:
            headers[hdrs.CONTENT_ENCODING] = coding
        headers[hdrs.CONTENT_TYPE] = file.content_type
        return web.Response(body=file.copies[coding], headers=headers)

    def filled(self, template: str, status: int = 200, **words: str) -> web.Response | None:
        """A template with its `$words` filled in, or None when it was not built. The words must be safe HTML."""
        source = self.templates.get(template)
        if source is None:
            return None
        return web.Response(
            text=source.safe_substitute(words), status=status, content_type="text/html", charset="utf-8",
            headers={hdrs.CACHE_CONTROL: "no-store"},
        )  # fmt: skip


def best_coding(accepted: str, copies: dict[str, bytes]) -> str:
    """The best content coding that is both accepted (RFC 9110 §12.5.3) and there; "" for none."""
    weights: dict[str, float] = {}
    for part in accepted.lower().split(","):
        name, _, parameters = part.partition(";")
        weight = parameters.strip().removeprefix("q=") if parameters else "1"
        try:
            weights[name.strip()] = float(weight)
        except ValueError:
            weights[name.strip()] = 0.0
    for coding in ENCODINGS:
        if coding in copies and weights.get(coding, weights.get("*", 0.0)) > 0:
            return coding
    return ""


def _matches(if_none_match: str, etag: str) -> bool:
    """Weak comparison (RFC 9110 §13.1.2)."""
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return etag in tags or "*" in tags
