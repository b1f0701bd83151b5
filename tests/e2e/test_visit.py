"""A whole visit in two browsers, from the notice to the nurse's next offer."""

from __future__ import annotations

import asyncio

import pytest

from tests.e2e.assets import BLUE, GREEN
from tests.e2e.browsers import Party
from tests.e2e.conftest import OpenParty
from tests.e2e.product import Product
from tests.e2e.visits import (
    accept_offer,
    become_available,
    close_chat,
    end_consult,
    enter_waiting_room,
    open_chat,
    queue_position,
    see_and_hear,
    see_connected,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

FROM_PATIENT = "Desde ayer me duele la garganta"
FROM_NURSE = "Tome agua y descanse"


async def _mute_and_unmute(here: Party, there: Party) -> None:
    await here.click("toggle-mic")
    await there.see_text("call-remote-video", "apagó su micrófono")
    await there.hear_nothing()
    await here.click("toggle-mic")
    await there.hear(here.pitch_hz)


async def _stop_and_start_camera(here: Party, there: Party) -> None:
    await here.click("toggle-camera")
    await there.see_text("call-remote-video", "apagó su cámara")
    await there.see("document.querySelector('[data-testid=call-remote-video] video').hidden", "no frozen picture")
    await here.click("toggle-camera")
    assert here.look is not None
    await there.see("!document.querySelector('[data-testid=call-remote-video] video').hidden", "the picture again")
    await there.see_picture(here.look)
    await there.see_frames()


async def _write(here: Party, there: Party, text: str) -> None:
    await open_chat(here)
    await here.fill("chat-input", text)
    await here.click("chat-send")
    await asyncio.gather(here.see_text("chat-log", text), there.see_text("chat-log", text))
    await close_chat(here)


async def test_a_visit_from_the_notice_to_the_next_offer(product: Product, party: OpenParty) -> None:
    """Two people meet through the waiting room, see and hear each other, write, and part; the nurse can go on."""
    links = product.links()
    product.private |= {FROM_PATIENT, FROM_NURSE}
    patient, nurse = await party("patient", GREEN, phone=True), await party("nurse", BLUE)

    await enter_waiting_room(patient, links["patient"])
    await queue_position(patient, 1)
    await become_available(nurse, links["nurse"])
    await accept_offer(nurse)
    await see_connected(patient, nurse)
    await see_and_hear(patient, nurse)

    await _mute_and_unmute(patient, nurse)
    await _mute_and_unmute(nurse, patient)
    await _stop_and_start_camera(patient, nurse)
    await _stop_and_start_camera(nurse, patient)

    await _write(patient, nurse, FROM_PATIENT)
    await _write(nurse, patient, FROM_NURSE)

    await end_consult(nurse)
    await patient.see_call("ended")
    await patient.see("document.body.innerText.includes('Le atendió Ana Ruiz')", "who attended")
    await nurse.click("wrapup-done")
    await nurse.see_element("go-available")
