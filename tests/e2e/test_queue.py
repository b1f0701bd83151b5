"""The line of people who wait, and the nurses who are asked in turn."""

from __future__ import annotations

import asyncio

import pytest

from tests.e2e.assets import BLUE, GREEN
from tests.e2e.conftest import OpenParty
from tests.e2e.product import Product
from tests.e2e.visits import (
    accept_offer,
    become_available,
    enter_waiting_room,
    queue_position,
    see_connected,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

RING_S = 20


async def test_the_second_in_line_moves_up(product: Product, party: OpenParty) -> None:
    """Two people wait for one nurse: the first is called, and the second becomes the next."""
    links = product.links()
    first, second = await party("first", GREEN), await party("second", GREEN)
    nurse = await party("nurse", BLUE)
    await enter_waiting_room(first, links["patient"])
    await queue_position(first, 1)
    await enter_waiting_room(second, links["patient2"])
    await queue_position(second, 2)
    await become_available(nurse, links["nurse"])
    await accept_offer(nurse)
    await see_connected(first, nurse)
    await queue_position(second, 1)


async def test_an_unanswered_offer_goes_to_the_next_nurse(product: Product, party: OpenParty) -> None:
    """An offer that rings in vain goes to the second nurse; the first is shown as away until she comes back."""
    links = product.links()
    patient = await party("patient", GREEN)
    silent, ready = await party("silent nurse", BLUE), await party("ready nurse", BLUE)
    await become_available(silent, links["nurse"])
    await enter_waiting_room(patient, links["patient"])
    await silent.see_element("offer-card")
    await become_available(ready, links["nurse2"])
    await ready.see_element("offer-card", timeout_s=RING_S + 10)
    await silent.see("!document.querySelector('[data-testid=offer-card]')?.checkVisibility()", "the offer is gone")
    await silent.see("/no (respondi|contest)/i.test(document.body.innerText)", "away: did not answer")
    await ready.click("offer-accept")
    await see_connected(patient, ready)
    await asyncio.gather(patient.see_frames(), ready.see_frames())
    await silent.click("go-available")
