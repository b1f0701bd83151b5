"""The steps of a visit as people do them, whichever browser they use."""

from __future__ import annotations

import asyncio
import re

from tests.e2e.browsers import SEEN_S, Party

CONNECT_S = 30.0


async def enter_waiting_room(patient: Party, link: str) -> None:
    """Open the link, accept the notice, pass the device check, enter the waiting room."""
    await patient.open(link)
    await patient.click("consent-accept")
    await patient.see_element("device-check")
    await patient.click("enter-waiting-room")
    await patient.see_element("queue-position")


async def become_available(nurse: Party, link: str) -> None:
    """Open the link and go available."""
    await nurse.open(link)
    await nurse.click("go-available")


async def accept_offer(nurse: Party) -> None:
    """Wait for the offer to ring and take it."""
    await nurse.see_element("offer-card")
    await nurse.click("offer-accept")


async def see_connected(*parties: Party, timeout_s: float = CONNECT_S) -> None:
    """Wait until the call is shown as connected at every party."""
    await asyncio.gather(*(party.see_call("connected", timeout_s) for party in parties))


async def start_call(patient: Party, patient_link: str, nurse: Party, nurse_link: str) -> None:
    """Bring two people into a call."""
    await asyncio.gather(enter_waiting_room(patient, patient_link), become_available(nurse, nurse_link))
    await accept_offer(nurse)
    await see_connected(patient, nurse)


async def see_and_hear(*pair: Party, timeout_s: float = SEEN_S) -> None:
    """Wait until each of two people sees the other's moving picture and hears the other's voice."""
    one, other = pair
    await asyncio.gather(_receive(one, other, timeout_s), _receive(other, one, timeout_s))


async def _receive(here: Party, there: Party, timeout_s: float) -> None:
    await here.see_frames(timeout_s)
    if there.look is not None:
        await here.see_picture(there.look, timeout_s)
    await here.hear(there.pitch_hz, timeout_s)
    await here.hear_something(timeout_s)


async def queue_position(patient: Party, position: int, timeout_s: float = SEEN_S) -> None:
    """Wait until the place in line is shown as this number."""
    shown = "document.querySelector('[data-testid=queue-position]')?.textContent.trim()"
    await patient.see(f"{shown} === '{position}'", f"place {position} in line", timeout_s)


async def call_seconds(party: Party) -> int:
    """Return how long the call lasts by the clock that the page shows."""
    text = await party.see("document.querySelector('[role=timer]')?.textContent", "a clock")
    minutes, seconds = re.search(r"(\d+):(\d\d)", text).groups()  # type: ignore[union-attr]
    return int(minutes) * 60 + int(seconds)


async def end_consult(nurse: Party) -> None:
    """End the visit as the nurse does."""
    await nurse.click("end-consult")


async def open_chat(party: Party) -> None:
    """Bring the messages into sight where they are not already."""
    if not await party.evaluate(
        "document.querySelector('[data-testid=chat-input]')?.checkVisibility({visibilityProperty: true})"
    ):
        await party.click("toggle-chat")
    await party.see_element("chat-input")


async def close_chat(party: Party) -> None:
    """Put the messages out of sight where they lie over the controls."""
    if await party.evaluate("document.querySelector('.drawer.open') !== null"):
        await party.evaluate("document.querySelector('.drawer.open button').click()")
