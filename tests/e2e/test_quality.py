"""What a real call leaves behind of how well it went."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.assets import BLUE, GREEN
from tests.e2e.browsers import until
from tests.e2e.conftest import OpenParty
from tests.e2e.product import Product
from tests.e2e.visits import end_consult, see_and_hear, start_call

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_report_of_a_call_is_there_for_the_nurse(product: Product, party: OpenParty, tmp_path: Path) -> None:
    """Both directions with their rungs and losses, both links with their path; and nothing for the patient."""
    patient, nurse = await party("patient", GREEN, phone=True), await party("nurse", BLUE)
    links = product.links()
    await start_call(patient, links["patient"], nurse, links["nurse"])
    await see_and_hear(patient, nurse)
    sessions = {
        page: json.loads(await each.evaluate(f"sessionStorage.getItem('puente.session.{page}')"))["session"]
        for page, each in (("patient", patient), ("staff", nurse))
    }
    await end_consult(nurse)
    await patient.see_call("ended")
    with closing(sqlite3.connect(tmp_path / "data" / "puente.sqlite3")) as database:
        [(visit,)] = database.execute("SELECT id FROM visits").fetchall()

    def quality(page: str, suffix: str = "") -> tuple[int, str]:
        return product.get(f"/api/visits/{visit}/quality{suffix}", Authorization=f"Bearer {sessions[page]}")

    async def whole() -> bool:
        status, body = quality("staff")
        return status == 200 and json.loads(body)["is_whole"] and len(json.loads(body)["directions"][0]["rungs"]) > 0

    await until(whole, "the whole report", 20)
    report = json.loads(quality("staff")[1])
    assert [link["paths"] for link in report["links"]] == [["udp"], ["udp"]]
    for direction in report["directions"]:
        assert direction["rungs"]
        assert direction["up"]["packets"] > 10
        assert direction["down"]["packets"] > 10
        assert direction["up"]["loss"] < 0.2
    assert quality("staff", ".svg")[1].startswith("<svg")
    assert quality("patient")[0] == 404
    with closing(sqlite3.connect(tmp_path / "data" / "puente.sqlite3")) as database:
        rungs = database.execute("SELECT detail FROM visit_events WHERE kind = 'rung'").fetchall()
    assert {detail[0] for (detail,) in rungs} == {"p", "n"}
