"""The endpoints of the report on a call: what could be heard and seen, and why no more. For the staff of that visit."""

from __future__ import annotations

import sqlalchemy as sa
from aiohttp import hdrs, web

from server.api import Endpoint, Refused, json_answer
from server.bearer import Bearer
from server.database import Database
from server.quality_picture import Language, picture
from server.quality_report import VisitQuality, report_of
from server.reports import VisitQualityRow
from server.visits import VisitEventRow, VisitRow

MAX_ID = 64


class Quality:
    """The endpoints."""

    def __init__(self, database: Database, bearer: Bearer) -> None:
        self._database = database
        self._bearer = bearer

    def endpoints(self) -> list[Endpoint]:
        """What to serve."""
        return [
            Endpoint(
                "GET", "/api/visits/{id}/quality", self._report, "How well a visit's call went, for its staff",
                answer=VisitQuality, refusals=("not_found",), bearer=True,
            ),
            Endpoint(
                "GET", "/api/visits/{id}/quality.svg", self._picture,
                "The same as a picture, in Spanish or English by Accept-Language",
                refusals=("not_found",), bearer=True, media_type="image/svg+xml",
            ),
        ]  # fmt: skip

    async def _report(self, request: web.Request) -> web.Response:
        return json_answer(await self._of(request))

    async def _picture(self, request: web.Request) -> web.Response:
        report = await self._of(request)
        language: Language = "en" if prefers_english(request.headers.get(hdrs.ACCEPT_LANGUAGE, "")) else "es"
        return web.Response(
            text=picture(report, language),
            content_type="image/svg+xml",
            charset="utf-8",
            headers={"Cache-Control": "no-store", "Vary": "Accept-Language", "Content-Language": language},
        )

    async def _of(self, request: web.Request) -> VisitQuality:
        person = await self._bearer.person(request)
        visit_id = request.match_info["id"]
        report = None
        if person.role == "nurse" and len(visit_id) <= MAX_ID and visit_id.isascii():
            report = await self._read(visit_id, person.id)
        if report is None:
            # The same for a visit of others and one that never was: who asks learns nothing of it.
            raise Refused("not_found", "there is no such visit of this person")
        return report

    async def _read(self, visit_id: str, nurse_id: str) -> VisitQuality | None:
        async with self._database.begin() as session:
            visit = await session.get(VisitRow, visit_id)
            if visit is None:
                return None
            events = (await session.scalars(sa.select(VisitEventRow).where(VisitEventRow.visit_id == visit_id))).all()
            if not any(event.kind == "accepted" and event.nurse_id == nurse_id for event in events):
                return None
            rows = (await session.scalars(sa.select(VisitQualityRow).where(VisitQualityRow.visit_id == visit_id))).all()
        return report_of(visit, events, rows)


def prefers_english(accepted: str) -> bool:
    """Whether English stands before Spanish in `Accept-Language` (RFC 9110 §12.5.4); Spanish when neither does."""
    weights: dict[str, float] = {}
    for part in accepted.split(",")[:20]:
        tag, _, quality = part.strip().partition(";")
        try:
            weight = float(quality.strip().removeprefix("q=")) if quality else 1.0
        except ValueError:
            continue
        weights.setdefault(tag.strip().split("-")[0].lower(), weight)
    return weights.get("en", 0.0) > weights.get("es", 0.0)
