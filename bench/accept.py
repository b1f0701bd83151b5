"""Accept pressed to the first remote frame shown at the nurse: two Chromium windows through the whole product."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from playwright.async_api import Browser, Page

from bench.figures import Row, at_most, spread
from bench.product import Product, chromium, demo, participant

LIMIT_MS = 500.0
CALLS = 7
STEP_TIMEOUT_MS = 20_000

WATCH = """
() => {
  const found = (window.__puenteBench = { frame: null });
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-testid=offer-accept]")) return;
    const pressed = event.timeStamp;
    const look = () => {
      const video = document.querySelector("[data-testid=call-remote-video]");
      if (!video) return void requestAnimationFrame(look);
      video.requestVideoFrameCallback((now, frame) => {
        found.frame = { ms: frame.expectedDisplayTime - pressed, width: frame.width, height: frame.height };
      });
    };
    look();
  }, { capture: true, once: true });
}
"""
"""Counts from the press as the browser saw it to when the first frame of the other side is due on the screen."""


async def _press(tab: Page, test_id: str) -> None:
    await tab.get_by_test_id(test_id).click(timeout=STEP_TIMEOUT_MS)


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
        shown = await nurse.wait_for_function("() => window.__puenteBench.frame", timeout=STEP_TIMEOUT_MS)
        frame: dict[str, float] = await shown.json_value()
        await _press(nurse, "end-consult")
        return float(frame["ms"])
    finally:
        await patient_window.close()
        await nurse_window.close()


async def accept() -> Sequence[Row]:
    """The section `accept`."""
    async with demo() as product, chromium() as browser:
        times = [await _one_call(browser, product) for _ in range(CALLS)]
    note = f"{CALLS} calls, {spread(times)} ms; largest {max(times):.0f} ms"
    middle = statistics.median(times)
    return [at_most("accept to first frame, median", middle, LIMIT_MS, "ms", note=note, values=times)]
