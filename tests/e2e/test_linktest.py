"""The page for a clinic's technician, in both browsers."""

from __future__ import annotations

import pytest

from tests.e2e.assets import GREEN
from tests.e2e.browsers import FirefoxParty, Party
from tests.e2e.conftest import OpenParty
from tests.e2e.product import Product

pytestmark = pytest.mark.asyncio(loop_scope="session")

DONE_S = 45.0
TEXT = "document.querySelector('[data-testid=linktest-text]').value"


async def _tested(party: Party, product: Product) -> str:
    """The result's text, once the button was pressed; nobody has signed in."""
    await party.open(f"{product.url}/linktest")
    await party.click("linktest-start")
    await party.see_element("linktest-verdict", DONE_S)
    text: str = await party.evaluate(TEXT)
    return text


async def test_chromium_says_what_the_link_carries(product: Product, party: OpenParty) -> None:
    """UDP and TCP reach the relay, and there is room for a picture."""
    text = await _tested(await party("technician", GREEN, phone=True), product)
    assert {"UDP: sí", "TCP: sí", "TURN: no configurado", "Se midió por: UDP"} <= set(text.splitlines())
    assert text.splitlines()[-1] == "Alcanza para video y voz."


async def test_firefox_says_what_the_link_carries(product: Product, firefox: FirefoxParty) -> None:
    """The same, without an estimate of the browser's own."""
    text = await _tested(firefox, product)
    assert {"UDP: sí", "Se midió por: UDP"} <= set(text.splitlines())
    assert text.splitlines()[-1] == "Alcanza para video y voz."
