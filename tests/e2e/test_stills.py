"""A sharp still on the nurse's request: seen coming by the patient, whole at the nurse."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.assets import BLUE, GREEN
from tests.e2e.browsers import FirefoxParty, Party, near
from tests.e2e.conftest import OpenParty
from tests.e2e.product import Product
from tests.e2e.visits import end_consult, see_and_hear, start_call

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHOTO_S = 20.0
"""Three seconds of counting, a camera that takes its time, and a link with no share for stills yet."""

ALBUM = "[...document.querySelectorAll('[data-testid=stills] img')].filter(i => i.complete && i.naturalWidth > 0)"
COLOUR = f"""(() => {{
  const [photo] = {ALBUM};
  if (!photo) return null;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const pen = canvas.getContext("2d");
  pen.drawImage(photo, 0, 0, photo.naturalWidth, photo.naturalHeight / 2, 0, 0, 1, 1);
  return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
}})()"""


async def _photos(nurse: Party, count: int) -> Any:
    return await nurse.see(f"{ALBUM}.length === {count}", f"{count} photographs", PHOTO_S)


async def _ask(nurse: Party, patient: Party) -> None:
    await nurse.click("ask-still", PHOTO_S)
    await patient.see_element("photo-prompt")


async def test_the_patient_sees_a_photograph_coming_and_the_nurse_gets_it(product: Product, party: OpenParty) -> None:
    """It counts down, can be refused, arrives in the right colours, outlives a reload, and is gone after the visit."""
    links = product.links()
    patient, nurse = await party("patient", GREEN, phone=True), await party("nurse", BLUE)
    await start_call(patient, links["patient"], nurse, links["nurse"])

    await _ask(nurse, patient)
    await patient.see_element("photo-count")
    await _photos(nurse, 1)
    assert near(await nurse.evaluate(COLOUR), GREEN)
    await patient.see_text("call-notice", "Se envió una foto a Ana")
    await nurse.see_text("call-notice", "Llegó la foto de Rosa")

    await nurse.reload()
    await _photos(nurse, 1)

    await end_consult(nurse)
    await patient.see_call("ended")
    await nurse.see("!document.querySelector('[data-testid=stills]')", "no photographs after the visit")


async def test_a_camera_that_is_off_is_asked_for_first(product: Product, party: OpenParty) -> None:
    """With voice only nothing is taken unasked; a no sends nothing, a yes turns the camera on for one photograph."""
    links = product.links()
    patient, nurse = await party("patient", GREEN, phone=True), await party("nurse", BLUE)
    await start_call(patient, links["patient"], nurse, links["nurse"])
    await patient.click("voice-only")
    await nurse.see_text("call-remote-video", "eligió solo voz")

    await _ask(nurse, patient)
    await patient.see_element("photo-take")
    assert not await patient.evaluate("document.querySelector('[data-testid=photo-prompt] video')")
    await patient.click("photo-take")
    await _photos(nurse, 1)
    await patient.see("!document.querySelector('[data-testid=photo-prompt]')", "the prompt is gone")
    await nurse.see_text("call-remote-video", "eligió solo voz")

    await _ask(nurse, patient)
    await patient.click("photo-refuse")
    await nurse.see("document.querySelector('.toast')?.textContent.includes('no envió una foto')", "that it was a no")
    await patient.see("!document.querySelector('[data-testid=photo-prompt]')", "the prompt is gone")
    assert await nurse.evaluate(f"{ALBUM}.length") == 1
    await end_consult(nurse)


async def test_firefox_takes_a_photograph_too(product: Product, party: OpenParty, firefox: FirefoxParty) -> None:
    """Where the browser has no photographs of its own, a frame of the camera goes."""
    links = product.links()
    nurse = await party("nurse", BLUE)
    await start_call(firefox, links["patient"], nurse, links["nurse"])
    await see_and_hear(firefox, nurse)
    await _ask(nurse, firefox)
    await _photos(nurse, 1)
    await end_consult(nurse)
