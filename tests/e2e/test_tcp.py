"""A network that lets no UDP through."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Playwright

from tests.e2e.assets import BLUE, GREEN, Look
from tests.e2e.browsers import PHONE, launch_chromium, open_chromium
from tests.e2e.conftest import OpenParty
from tests.e2e.product import Product
from tests.e2e.visits import see_and_hear, start_call

pytestmark = pytest.mark.asyncio(loop_scope="session")

NO_UDP = "--webrtc-ip-handling-policy=disable_non_proxied_udp"


async def test_without_udp_the_call_goes_over_tcp(
    product: Product, party: OpenParty, playwright: Playwright, media_files: dict[Look, tuple[Path, Path]]
) -> None:
    """Somebody behind such a network sees and hears, and is seen and heard, over the same port number."""
    browser = await launch_chromium(playwright, *media_files[GREEN], NO_UDP)
    try:
        patient = await open_chromium(browser, "patient", GREEN, **PHONE)
        nurse = await party("nurse", BLUE)
        links = product.links()
        await start_call(patient, links["patient"], nurse, links["nurse"])
        await see_and_hear(patient, nurse)
        assert (await patient.stats())["transport"] == "tcp"
        assert (await nurse.stats())["transport"] == "udp"
        assert not patient.problems
    finally:
        await browser.close()
