"""Pictures of every screen during one visit, to look at: light and dark, phone and desktop.

    .venv/bin/python -m tests.e2e.shots FOLDER

Not a test and not collected as one. The pages must have been built.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from playwright.async_api import async_playwright

from tests.e2e.assets import BLUE, GREEN, Look, write_camera, write_microphone
from tests.e2e.browsers import PHONE, ChromiumParty, launch_chromium, open_chromium
from tests.e2e.product import Product
from tests.e2e.visits import close_chat, open_chat, see_connected

SIZES = {"phone": (360, 740), "desktop": (1280, 800)}


class Album:
    """Where the pictures go."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    async def take(self, party: ChromiumParty, screen: str, *, whole: bool = False) -> None:
        """Picture one screen in every size and mode; tell when it is wider than the window."""
        before = party.page.viewport_size
        for size, (width, height) in SIZES.items():
            await party.page.set_viewport_size({"width": width, "height": height})
            for mode in ("light", "dark"):
                await party.page.emulate_media(color_scheme=mode)
                await party.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
                path = self._folder / f"{screen}-{size}-{mode}.png"
                await party.page.screenshot(path=path, full_page=whole)
            wide = await party.evaluate("document.documentElement.scrollWidth - innerWidth")
            if wide and wide > 0:
                print(f"{screen} at {width}: {wide} px too wide")  # noqa: T201
        assert before is not None
        await party.page.set_viewport_size(before)
        await party.page.emulate_media(color_scheme="light")


async def _before_the_call(album: Album, product: Product, patient: ChromiumParty, nurse: ChromiumParty) -> None:
    links = product.links()
    await patient.open(product.url + "/demo")
    await album.take(patient, "demo", whole=True)
    await patient.open(product.url + "/nothing-here")
    await album.take(patient, "error")
    await patient.open(links["patient"])
    await patient.see_element("consent-accept")
    await album.take(patient, "p-consent", whole=True)
    await patient.click("consent-accept")
    await patient.see_element("enter-waiting-room", 20)
    await album.take(patient, "p-check")
    await patient.click("enter-waiting-room")
    await patient.see_element("queue-position")
    await album.take(patient, "p-wait")
    await nurse.open(links["nurse"])
    await nurse.see_element("go-available")
    await album.take(nurse, "n-home")
    await nurse.click("go-available")
    await nurse.see_element("offer-card")
    await album.take(nurse, "n-offer")


async def _the_call(album: Album, patient: ChromiumParty, nurse: ChromiumParty) -> None:
    await nurse.click("offer-accept")
    await see_connected(patient, nurse)
    await asyncio.gather(patient.see_picture(BLUE), nurse.see_picture(GREEN))
    await album.take(patient, "p-call")
    await album.take(nurse, "n-call")
    await nurse.fill("chat-input", "Tome agua y descanse. Le mando la hoja con los horarios del medicamento.")
    await nurse.click("chat-send")
    await open_chat(patient)
    await patient.see_text("chat-log", "Tome agua")
    await patient.fill("chat-input", "Muchas gracias")
    await patient.click("chat-send")
    await album.take(patient, "p-call-chat")
    await album.take(nurse, "n-call-chat")
    await close_chat(patient)
    await patient.click("voice-only")
    await album.take(patient, "p-call-voice")
    await album.take(nurse, "n-call-voice")
    await patient.click("voice-only")
    await patient.click("leave-call")
    await patient.see_element("rejoin")
    await album.take(patient, "p-call-left")
    await nurse.see_call("reconnecting")
    await album.take(nurse, "n-call-reconnecting")
    await patient.click("rejoin")
    await see_connected(patient, nurse)


async def _after_the_call(album: Album, patient: ChromiumParty, nurse: ChromiumParty) -> None:
    await nurse.click("end-consult")
    await patient.see_call("ended")
    await album.take(patient, "p-after")
    await album.take(nurse, "n-wrapup")


async def main(folder: Path) -> None:
    """Go through one visit."""
    album = Album(folder)
    with tempfile.TemporaryDirectory() as temporary:
        files: dict[Look, tuple[Path, Path]] = {}
        for look in (GREEN, BLUE):
            files[look] = Path(temporary, f"{look.name}.y4m"), Path(temporary, f"{look.name}.wav")
            write_camera(files[look][0], look)
            write_microphone(files[look][1], look)
        product = Product(Path(temporary))
        product.start()
        try:
            async with async_playwright() as playwright:
                browsers = {look: await launch_chromium(playwright, *files[look]) for look in files}
                patient = await open_chromium(browsers[GREEN], "patient", GREEN, **PHONE)
                nurse = await open_chromium(browsers[BLUE], "nurse", BLUE)
                await _before_the_call(album, product, patient, nurse)
                await _the_call(album, patient, nurse)
                await _after_the_call(album, patient, nurse)
                for browser in browsers.values():
                    await browser.close()
                print(*patient.problems, *nurse.problems, sep="\n")  # noqa: T201
        finally:
            product.kill()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
