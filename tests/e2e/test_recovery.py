"""A visit outlives its media: reloads, a changed network, a lost socket, a dead relay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from tests.e2e.assets import BLUE, GREEN
from tests.e2e.browsers import Party, until
from tests.e2e.conftest import OpenParty
from tests.e2e.product import Product
from tests.e2e.visits import call_seconds, see_and_hear, see_connected, start_call

pytestmark = pytest.mark.asyncio(loop_scope="session")


@dataclass
class Call:
    """Two people in a call, and the product that carries it."""

    product: Product
    patient: Party
    nurse: Party


@pytest_asyncio.fixture(loop_scope="session")
async def call(product: Product, party: OpenParty) -> AsyncIterator[Call]:
    """A call in which both see and hear each other."""
    links = product.links()
    patient, nurse = await party("patient", GREEN), await party("nurse", BLUE)
    await start_call(patient, links["patient"], nurse, links["nurse"])
    await see_and_hear(patient, nurse)
    yield Call(product, patient, nurse)


@pytest.mark.parametrize("who", ["patient", "nurse"])
async def test_a_reload_comes_back_into_the_same_call(call: Call, who: str) -> None:
    """After a reload the page is in the same visit without a click, both see and hear, and the clock goes on."""
    here = call.patient if who == "patient" else call.nurse
    await here.see("document.querySelector('[role=timer]')?.textContent.match(/0:0[3-9]/)", "three seconds of call")
    before = await call_seconds(here)
    await here.reload()
    await see_connected(call.patient, call.nurse)
    await see_and_hear(call.patient, call.nurse)
    assert await call_seconds(here) >= before  # the reload may take less than a second


async def test_a_changed_network_restarts_ice_and_keeps_the_call(call: Call) -> None:
    """The page restarts ICE on the connection it has; no new connection is made and pictures go on."""
    before = await call.patient.stats()
    await call.patient.evaluate("dispatchEvent(new Event('online')) && null")

    async def restarted() -> bool:
        now = await call.patient.stats()
        return now["ufrag"] != before["ufrag"] and now["state"] == "connected"

    await until(restarted, "new ICE credentials")
    await see_and_hear(call.patient, call.nurse)
    after = await call.patient.stats()
    assert after["connections"] == before["connections"]
    assert after["frames"] > before["frames"]


async def test_a_lost_socket_does_not_touch_the_media(call: Call) -> None:
    """The live connection comes back by itself on the same leg while voice and picture never stop."""
    before = await asyncio.gather(call.patient.stats(), call.nurse.stats())
    await asyncio.gather(*(who.evaluate("window.__probe.dropSockets()") for who in (call.patient, call.nurse)))
    await asyncio.gather(
        *(who.see("window.__probe.socketsMade() > 1", "a new socket") for who in (call.patient, call.nurse))
    )
    await see_connected(call.patient, call.nurse)
    await see_and_hear(call.patient, call.nurse)
    after = await asyncio.gather(call.patient.stats(), call.nurse.stats())
    assert [one["connections"] for one in after] == [one["connections"] for one in before]


async def test_a_killed_relay_comes_back_with_the_call(call: Call) -> None:
    """When the relay worker dies both see it, a new one is started, and the call goes on over new legs."""
    call.product.expected_errors.add("relay.ended")
    call.product.relay().kill()
    await asyncio.gather(*(who.see_call("reconnecting") for who in (call.patient, call.nurse)))
    await see_connected(call.patient, call.nurse, timeout_s=40)
    await see_and_hear(call.patient, call.nurse)


async def test_a_patient_who_left_comes_back_with_one_press(call: Call) -> None:
    """*Salir* keeps the visit open: both see that it is held, and the patient's button brings the call back."""
    await call.patient.click("leave-call")
    await call.patient.see_element("rejoin")
    await call.nurse.see_call("reconnecting")
    await call.patient.click("rejoin")
    await see_connected(call.patient, call.nurse)
    await see_and_hear(call.patient, call.nurse)


async def test_a_stop_in_mid_call_is_orderly(call: Call) -> None:
    """Told to stop, the server sends the pages off and ends in time with code 0 and a clean log; they wait for it."""
    await asyncio.to_thread(call.product.stop)
    await asyncio.gather(*(who.see_call("reconnecting") for who in (call.patient, call.nurse)))
    for who in (call.patient, call.nurse):
        await who.open("about:blank")  # or it would go on asking, every two seconds
        who.problems.clear()  # the browser's own lines about requests that nobody answers
