"""The same call between two kinds of browser."""

from __future__ import annotations

import pytest

from tests.e2e.assets import GREEN
from tests.e2e.browsers import FirefoxParty, Party
from tests.e2e.conftest import OpenParty
from tests.e2e.product import Product
from tests.e2e.visits import end_consult, see_and_hear, start_call

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("firefox_is", ["nurse", "patient"])
async def test_chromium_and_firefox_meet(
    product: Product, party: OpenParty, firefox: FirefoxParty, firefox_is: str
) -> None:
    """Chromium and Firefox see and hear each other through the whole product, whoever is the patient."""
    links = product.links()
    patient: Party
    nurse: Party
    if firefox_is == "nurse":
        patient, nurse = await party("patient", GREEN), firefox
    else:
        patient, nurse = firefox, await party("nurse", GREEN)
    await start_call(patient, links["patient"], nurse, links["nurse"])
    await see_and_hear(patient, nurse)
    await end_consult(nurse)
    await patient.see_call("ended")
