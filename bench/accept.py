"""Accept pressed to the first remote frame shown at the nurse: two Chromium windows through the whole product."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from playwright.async_api import Browser, Page

from bench.figures import Row, Unfit, at_most, spread
from bench.product import Product, chromium, demo, participant

LIMIT_MS = 500.0
CALLS = 5
STEP_TIMEOUT_MS = 20_000
ASK_EVERY_MS = 100

WATCH = """
() => {
  const found = (window.__puenteBench = { frame: null });
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-testid=offer-accept]")) return;
    const pressed = event.timeStamp;
    const look = () => {
      const place = document.querySelector("[data-testid=call-remote-video]");
      const video = place?.matches("video") ? place : place?.querySelector("video");
      if (!video) return void requestAnimationFrame(look);
      video.requestVideoFrameCallback((now, frame) => {
        found.frame = { ms: frame.expectedDisplayTime - pressed, width: frame.width, height: frame.height };
      });
    };
    look();
  }, { capture: true });
}
"""
"""Counts from the press as the browser saw it to when the first frame of the other side is due on the screen."""


async def _press(tab: Page, test_id: str) -> None:
    await tab.get_by_test_id(test_id).click(timeout=STEP_TIMEOUT_MS)


async def _frame_ms(nurse: Page) -> float:
    """Wait for the frame. By asking again: `wait_for_function` needs what the pages' policy forbids."""
    for _ in range(STEP_TIMEOUT_MS // ASK_EVERY_MS):
        frame = await nurse.evaluate("() => window.__puenteBench.frame")
        if frame is not None:
            return float(frame["ms"])
        await nurse.wait_for_timeout(ASK_EVERY_MS)
    raise Unfit("the nurse never saw a frame of the patient")


async def _one_call(browser: Browser, product: Product) -> float:
    """Milliseconds of one call between a fresh patient and a fresh nurse."""
    links = await product.links()
    patient_window, nurse_window = [await participant(browser, product) for _ in range(2)]
    try:
        patient, nurse = await patient_window.new_page(), await nurse_window.new_page()
        await patient.goto(links["patient"])
        await _press(patient, "consent-accept")
        await _press(patient, "enter-waiting-room")
        await patient.get_by_test_id("queue-position").wait_for(timeout=STEP_TIMEOUT_MS)
        await nurse.goto(links["nurse"])
        await nurse.evaluate(WATCH)
        await _press(nurse, "go-available")
        await nurse.get_by_test_id("offer-card").wait_for(timeout=STEP_TIMEOUT_MS)
        # A person takes a moment to read the offer; the nurse's leg is connecting meanwhile.
        await nurse.wait_for_timeout(1000)
        await _press(nurse, "offer-accept")
        shown_ms = await _frame_ms(nurse)
        await _press(nurse, "end-consult")
        return shown_ms
    finally:
        await patient_window.close()
        await nurse_window.close()


async def accept() -> Sequence[Row]:
    """The section `accept`."""
    async with demo() as product, chromium() as browser:
        times = [await _one_call(browser, product) for _ in range(CALLS)]
    note = f"{CALLS} calls between people who were never there before"
    return [
        at_most("accept to first frame, median", statistics.median(times), LIMIT_MS, "ms", note=note, values=times),
        at_most("the slowest", max(times), LIMIT_MS, "ms", note=spread(times)),
    ]
