"""Demo mode: invented people, one click away. Exists only under `puente demo`.

Each visit to `/demo` makes links to people nobody has been yet, so two visitors never fight over one person. A person
is written down when the link is opened for the first time, and forgotten a day later.
"""

from __future__ import annotations

import asyncio
import html
import json
import re
import secrets
import string
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
import structlog
from aiohttp import hdrs, web

from server.api import Refused
from server.pages import Pages
from server.people import Now, People, utc_now
from server.rates import Rates, client_address
from server.settings import IpNetwork
from signaling.ports import Person, Role
from signaling.tickets import Tickets

LINK_LIFETIME_S = 2 * 3600
KEEP = timedelta(days=1)
PRUNE_EVERY_S = 1800
PAGES_PER_MINUTE, PAGES_BURST = 120, 60

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Template:
    """Somebody invented, and how the demo page calls them. Licence numbers of zeros belong to nobody."""

    key: str
    role: Role
    label: str
    hint: str
    name: str
    given_name: str
    age_years: int | None = None
    title: str = ""
    licence: str = ""
    languages: tuple[str, ...] = ("es",)


TEMPLATES: dict[str, Template] = {
    template.key: template
    for template in (
        Template(
            "patient", "patient", "Paciente", "Rosa, 34 años, desde Los Ángeles", "Rosa Salgado", "Rosa", age_years=34
        ),
        Template(
            "patient2", "patient", "Segundo paciente", "Martín, 52 años, desde Chicago", "Martín Flores", "Martín",
            age_years=52, languages=("es", "en"),
        ),
        Template(
            "nurse", "nurse", "Enfermera", "Estación 4", "Ana Ruiz Torres", "Ana",
            title="Enfermera Especialista en Medicina Familiar", licence="0000000", languages=("es", "en"),
        ),
        Template(
            "nurse2", "nurse", "Segunda enfermera", "Estación 7", "Irene Solís", "Irene",
            title="Enfermera Especialista en Medicina Familiar", licence="0000000",
        ),
    )
}  # fmt: skip

_ROW = re.compile(r'<template id="row-([a-z]+)">(.*?)</template>\s*', re.DOTALL)
"""How the page says what a row looks like, by role."""
_WORD = re.compile(r"\b(NAME|ADDRESS|TITLE|HELP)\b")

_PAGE_OF_ROLE: dict[Role, str] = {"patient": "/patient", "nurse": "/staff"}


class Demo:
    """Makes links, serves them, and makes the people behind them."""

    def __init__(
        self,
        tickets: Tickets,
        people: People,
        pages: Pages,
        public_url: str | None,
        trusted_proxies: tuple[IpNetwork, ...] = (),
        now: Now = utc_now,
    ) -> None:
        self._tickets = tickets
        self._people = people
        self._pages = pages
        self._public_url = public_url
        self._trusted = trusted_proxies
        self._now = now
        self._rates = Rates(PAGES_PER_MINUTE, PAGES_BURST)
        built = pages.templates.get("demo")
        self._rows: dict[str, str] = dict(_ROW.findall(built.template)) if built is not None else {}
        if built is not None:
            pages.templates["demo"] = string.Template(_ROW.sub("", built.template))
        self._pruning: asyncio.Task[None] | None = None

    def links(self, origin: str) -> dict[str, str]:
        """Fresh links to fresh people, by template."""
        fresh: dict[str, str] = {}
        for template in TEMPLATES.values():
            person = f"demo-{secrets.token_hex(8)}"
            link = self._tickets.issue("link", person, template.role, LINK_LIFETIME_S, template.key)
            fresh[template.key] = f"{origin}{_PAGE_OF_ROLE[template.role]}#t={link.token}"
        return fresh

    async def person(self, person_id: str, template_key: str) -> Person | None:
        """The person behind a link of ours, written down if this is the first time; None when barred or unknown."""
        template = TEMPLATES.get(template_key)
        if template is None:
            return None
        person = Person(
            id=person_id,
            role=template.role,
            name=template.name,
            given_name=template.given_name,
            title=template.title,
            licence=template.licence,
            age_years=template.age_years,
            languages=template.languages,
        )
        await self._people.add(person, demo=template.key)
        return await self._people.person(person_id)

    async def page(self, request: web.Request) -> web.Response:
        """`GET /demo`: the links as JSON for who asks for JSON, else as a page. Raises Refused."""
        wait_s = self._rates.take(client_address(request, self._trusted))
        if wait_s > 0:
            raise Refused("rate_limited", "too many requests from this address", retry_after_s=wait_s)
        links = self.links(self._public_url or f"{request.scheme}://{request.host}")
        headers = {hdrs.CACHE_CONTROL: "no-store", hdrs.VARY: hdrs.ACCEPT}
        if "application/json" in request.headers.get(hdrs.ACCEPT, ""):
            return web.Response(text=json.dumps(links), content_type="application/json", headers=headers)
        rows = [
            _filled(self._rows.get(TEMPLATES[key].role, '<a href="ADDRESS">TITLE</a>'), TEMPLATES[key], url)
            for key, url in links.items()
        ]
        page = self._pages.filled("demo", links="\n".join(rows))
        if page is None:
            raise Refused("unavailable", "the front end is not built: run `make demo`")
        page.headers.update(headers)
        return page

    def start(self) -> None:
        """Begin to forget old people, now and then."""
        self._pruning = asyncio.create_task(self._prune(), name="demo-prune")

    async def stop(self) -> None:
        """End that."""
        if self._pruning is not None:
            self._pruning.cancel()
            await asyncio.gather(self._pruning, return_exceptions=True)
            self._pruning = None

    async def _prune(self) -> None:
        while True:
            try:
                forgotten = await self._people.forget_demo_people(self._now() - KEEP)
            except sa.exc.SQLAlchemyError as error:
                log.warning("demo.prune_failed", error=type(error).__name__)
            else:
                if forgotten:
                    log.info("demo.forgot", people=forgotten)
            await asyncio.sleep(PRUNE_EVERY_S)


def _filled(row: str, template: Template, url: str) -> str:
    """One row of the page for one link."""
    words = {"NAME": template.key, "ADDRESS": url, "TITLE": template.label, "HELP": template.hint}
    return _WORD.sub(lambda found: html.escape(words[found[0]]), row)
