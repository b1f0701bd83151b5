"""What a patient's browser must load before the page can be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from bench.figures import Row, at_most
from bench.product import chromium, demo, participant

LIMIT_KB = 90.0
USABLE_TIMEOUT_MS = 20_000


async def page() -> Sequence[Row]:
    """The section `page`: a first visit with an empty cache, counted by Chromium as it comes over the wire."""
    octets: Counter[str] = Counter()
    names: dict[str, str] = {}

    def asked(event: dict[str, Any]) -> None:
        names[event["requestId"]] = event["request"]["url"].partition("#")[0].rpartition("/")[2] or "/"

    def finished(event: dict[str, Any]) -> None:
        octets[names.get(event["requestId"], "?")] += int(event["encodedDataLength"])

    def frame(event: dict[str, Any]) -> None:
        octets["websocket"] += len(event["response"]["payloadData"].encode())

    async with demo() as product, chromium() as browser:
        context = await participant(browser, product)
        tab = await context.new_page()
        devtools = await context.new_cdp_session(tab)
        devtools.on("Network.requestWillBeSent", asked)
        devtools.on("Network.loadingFinished", finished)
        devtools.on("Network.webSocketFrameReceived", frame)
        await devtools.send("Network.enable")
        await tab.goto((await product.links())["patient"])
        first = tab.get_by_test_id("consent-accept")
        await first.wait_for(state="visible", timeout=USABLE_TIMEOUT_MS)
        await tab.wait_for_load_state("networkidle")
        loaded = Counter(octets)
        await first.click()
        await tab.get_by_test_id("enter-waiting-room").wait_for(state="visible", timeout=USABLE_TIMEOUT_MS)
        await tab.get_by_test_id("enter-waiting-room").click()
        await tab.get_by_test_id("queue-position").wait_for(state="visible", timeout=USABLE_TIMEOUT_MS)
        await tab.wait_for_load_state("networkidle")
    parts = ", ".join(f"{name} {size / 1000:.1f}" for name, size in loaded.most_common(6))
    return [
        at_most("first load, until it can be used", loaded.total() / 1000, LIMIT_KB, "KB",
                note=f"headers and websocket included; {parts}"),
        at_most("the same and on into the waiting room", octets.total() / 1000, LIMIT_KB, "KB",
                note=f"of it websocket {octets['websocket'] / 1000:.1f} KB"),
    ]  # fmt: skip
