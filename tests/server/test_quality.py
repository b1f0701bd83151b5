"""The report on a call: kept from the reports of legs, shown to who attended, drawn."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

import pytest
from prometheus_client import REGISTRY

from media.control import LegReport, RungStep, WayReport
from server.database import Database
from server.quality import prefers_english
from server.quality_picture import picture
from server.quality_report import VisitQuality
from server.reports import VisitQualityRow
from server.visits import Visits
from signaling.ports import CallReport, Person, Role, VisitEvent
from tests.server.conftest import Site

T0 = 1_800_000_000_000


def way(**over: Any) -> WayReport:
    """One way of a leg."""
    return WayReport(**{"packets": 950, "bytes": 100_000, "lost": 50, "repaired": 20, "jitter_ms": 12.5, **over})


def leg(**over: Any) -> LegReport:
    """A leg that was up for a minute, at rung 4 and then at 2."""
    steps = [
        RungStep(at_ms=T0, rung=4, why="start", whose="none"),
        RungStep(at_ms=T0 + 20_000, rung=2, why="loss", whose="own"),
    ]
    fields: dict[str, Any] = {
        "seconds": 60, "transport": "udp", "rtt_ms": 700, "rtt_max_ms": 1500, "up": way(codec="VP9"), "down": way(),
        "rungs": steps, "concealed": 0.04, "frozen_ms": 3000, "restarts": 1,
    }  # fmt: skip
    return LegReport(**{**fields, **over})


def report(name: str = "v1.p1", at_s: int = 60, last: bool = False, **over: Any) -> CallReport:
    """A report of a leg on its way to be kept."""
    side = "patient" if ".p" in name else "nurse"
    return CallReport("v1", name, side, T0 + at_s * 1000, last, leg(**over))  # type: ignore[arg-type]


async def visited(visits: Visits, nurse: str = "nur1") -> None:
    """A visit that was accepted, interrupted for ten seconds, and ended."""
    told = [("joined", -60, ""), ("accepted", -1, ""), ("connected", 0, ""), ("interrupted", 20, "patient")]
    told += [("resumed", 30, ""), ("rung", 31, "p:2:loss:own"), ("ended", 60, "done")]
    for number, (kind, at_s, detail) in enumerate(told):
        event = VisitEvent(
            f"{number}-0", T0 + at_s * 1000, kind, "v1", "pat1",  # type: ignore[arg-type]
            nurse if kind != "joined" else None, 1, detail,
        )  # fmt: skip
        await visits.record(event)


async def kept(database: Database, name: str = "v1.p1") -> VisitQualityRow | None:
    """What is remembered of a leg."""
    async with database.begin() as session:
        return await session.get(VisitQualityRow, ("v1", name))


def counted(name: str, **labels: str) -> float:
    """The value of a metric."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_the_newest_report_of_a_leg_is_kept(database: Database) -> None:
    """A newer one replaces, an older one that comes late does not, and after the last one nothing does."""
    visits = Visits(database, "p")
    await visits.report(report(seconds=10))
    await visits.report(report(seconds=30))
    await visits.report(report(seconds=20))
    row = await kept(database)
    assert row is not None
    assert (row.report["seconds"], row.side, row.is_last) == (30, "patient", False)
    await visits.report(report(seconds=40, last=True))
    await visits.report(report(seconds=50))
    row = await kept(database)
    assert row is not None
    assert (row.report["seconds"], row.is_last) == (40, True)
    assert row.at == datetime.fromtimestamp(T0 / 1000 + 60, UTC)


async def test_a_finished_leg_is_counted_once_and_without_a_name(sqlite: Database) -> None:
    """Seconds at each rung, loss and jitter each way, round trip, made-up sound, frozen picture and reconnections; the
    same last report again adds nothing."""

    def at_rung(rung: str) -> float:
        return counted("puente_call_rung_seconds_total", sender="patient", rung=rung)

    before = (at_rung("4"), at_rung("2"))
    of_the_link = ("puente_call_loss_count", "puente_call_jitter_seconds_count")
    of_the_leg = ("puente_call_frozen_count", "puente_call_rtt_seconds_count", "puente_call_concealed_count")

    def counts() -> list[float]:
        ways = [counted(name, side="patient", way=way) for name in of_the_link for way in ("up", "down")]
        return ways + [counted(name, side="patient") for name in of_the_leg]

    counts_before, reconnects = counts(), counted("puente_call_reconnects_total", side="patient")
    visits = Visits(sqlite, "p")
    await visits.report(report())
    assert at_rung("4") == before[0]
    for _ in range(2):
        await visits.report(report(seconds=61, last=True))
    assert (at_rung("4"), at_rung("2")) == (before[0] + 20, before[1] + 40)
    assert counts() == [count + 1 for count in counts_before]
    assert counted("puente_call_reconnects_total", side="patient") == reconnects + leg().restarts


async def session_of(site: Site, role: Role, name: str) -> dict[str, str]:
    """Somebody, and the header that says so."""
    await site.people.add(Person(name, role, f"Full {name}", name))
    return {"Authorization": f"Bearer {site.tickets.issue('session', name, role, 600).token}"}


async def in_the_database(site: Site) -> None:
    """A visit with two legs of the patient, one of the nurse, and one that never came up."""
    visits = Visits(site.database, "p")
    await visited(visits)
    await visits.report(report("v1.p1", 20, last=True, seconds=20, rungs=leg().rungs[:1], rtt_ms=None))
    await visits.report(report("v1.p2", 60, last=True, seconds=40, rungs=leg().rungs[1:], transport="tcp", restarts=0))
    await visits.report(report("v1.n1", 60, last=True, rtt_ms=40, concealed=0.01, rungs=[], up=way(lost=0)))
    await visits.report(report("v1.n2", 60, last=True, seconds=5, transport=None, rungs=[], restarts=0))


async def test_who_attended_reads_the_report(site: Site) -> None:
    """Per side the links, per direction the rungs, losses and what was heard of them; and the interruptions."""
    await in_the_database(site)
    nurse = await session_of(site, "nurse", "nur1")
    answer = await site.client.get("/api/visits/v1/quality", headers=nurse)
    assert answer.status == 200
    body = await answer.json()
    assert (body["visit"], body["connected_at_ms"], body["ended_at_ms"]) == ("v1", T0, T0 + 60_000)
    assert body["is_whole"] is True
    patient, staff = body["links"]
    assert (patient["side"], patient["legs"], patient["reconnects"], patient["seconds"]) == ("patient", 2, 2, 60)
    assert (patient["paths"], patient["rtt_ms"], patient["rtt_max_ms"]) == (["udp", "tcp"], 700, 1500)
    assert (staff["legs"], staff["reconnects"], staff["rtt_ms"]) == (1, 1, 40)
    to_nurse, to_patient = body["directions"]
    assert [(step["rung"], step["why"], step["whose"]) for step in to_nurse["rungs"]] == [
        (4, "start", "none"), (2, "loss", "own"),
    ]  # fmt: skip
    assert (to_nurse["up"]["loss"], to_nurse["up"]["packets"], to_nurse["codec"]) == (0.05, 1900, "VP9")
    assert (to_nurse["concealed"], to_nurse["frozen_ms"]) == (0.01, 3000)
    assert (to_patient["concealed"], to_patient["frozen_ms"], to_patient["up"]["loss"]) == (0.04, 6000, 0)
    assert body["interruptions"] == [{"since_ms": T0 + 20_000, "until_ms": T0 + 30_000, "who": "patient"}]


async def test_nobody_else_learns_that_there_is_one(site: Site) -> None:
    """The patient, other nurses, a visit that never was and one only offered: all the same. Without a session: 401."""
    await in_the_database(site)
    patient, other = await session_of(site, "patient", "pat1"), await session_of(site, "nurse", "nur2")
    nurse = await session_of(site, "nurse", "nur1")
    for suffix in ("", ".svg"):
        answers = []
        for visit, headers in (("v1", patient), ("v1", other), ("v2", nurse), ("%00", nurse), ("x" * 99, nurse)):
            answer = await site.client.get(f"/api/visits/{visit}/quality{suffix}", headers=headers)
            answers.append((answer.status, (await answer.json())["error"]))
        assert {status for status, _ in answers} == {404}
        assert len({str(body) for _, body in answers}) == 1
        assert (await site.client.get(f"/api/visits/v1/quality{suffix}")).status == 401


async def test_the_picture_speaks_the_reader_s_language(site: Site) -> None:
    """Spanish unless English is wanted more; each step and interruption is drawn, and it is well-formed."""
    await in_the_database(site)
    nurse = await session_of(site, "nurse", "nur1")
    for accepted, title in (("es-MX,en;q=0.8", "Calidad de la consulta"), ("en-GB", "Quality of the visit")):
        headers = {**nurse, "Accept-Language": accepted}
        answer = await site.client.get("/api/visits/v1/quality.svg", headers=headers)
        assert answer.content_type == "image/svg+xml"
        root = ElementTree.fromstring(await answer.text())
        space = "{http://www.w3.org/2000/svg}"
        assert root.findtext(f"{space}title") == title
        steps = [line for line in root.iter(f"{space}line") if line.get("stroke-width") == "6"]
        assert len(steps) == 2
        assert float(steps[0].get("x2", "")) == float(steps[1].get("x1", ""))
        assert float(steps[0].get("y1", "")) < float(steps[1].get("y1", ""))
        assert sum(each.get("fill") == "#fee2e2" for each in root.iter(f"{space}rect")) == 2


def test_a_visit_without_reports_is_drawn_too() -> None:
    """Nothing known is said, not left out."""
    empty = VisitQuality(
        visit="v1", started_at_ms=T0, connected_at_ms=None, ended_at_ms=None, is_whole=False, links=[],
        directions=[], interruptions=[],
    )  # fmt: skip
    assert picture(empty, "es").startswith("<svg")


@pytest.mark.parametrize(
    ("accepted", "english"),
    [("", False), ("en", True), ("es-MX,es;q=0.9,en;q=0.8", False), ("en;q=0.5,es;q=0.4", True), ("en;q=x", False)],
)
def test_the_language_that_is_wanted_more(accepted: str, english: bool) -> None:
    """By weight; what cannot be read counts for nothing."""
    assert prefers_english(accepted) is english
