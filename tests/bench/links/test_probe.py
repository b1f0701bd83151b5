"""The probe, in a browser that calls itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, sync_playwright

from bench.links import timecode
from bench.links.call import CHROMIUM, FLAGS, PROBE
from bench.links.log import Log

FRAMES = 30
SEEN_S = 40.0
PAGE = """<!doctype html><video id=far autoplay playsinline width=640 height=480></video>
<b data-testid=call-rung data-rung=3>3</b><b data-testid=call-status data-state=connected></b>
<img data-testid=still data-id=abc><script>
async function call() {
  const near = await navigator.mediaDevices.getUserMedia({audio: {echoCancellation: false}, video: true});
  const [a, b] = [new RTCPeerConnection(), new RTCPeerConnection()];
  a.onicecandidate = e => b.addIceCandidate(e.candidate); b.onicecandidate = e => a.addIceCandidate(e.candidate);
  b.ontrack = e => { far.srcObject = e.streams[0]; };
  for (const track of near.getTracks()) a.addTrack(track, near);
  await a.setLocalDescription(); await b.setRemoteDescription(a.localDescription);
  await b.setLocalDescription(); await a.setRemoteDescription(b.localDescription);
  return [a, b];
}
call().then(pair => { window.pair = pair; });
async function again() { for (const pc of pair) pc.close(); window.pair = await call(); }
</script>"""


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short camera with the counter in it."""
    path = tmp_path_factory.mktemp("camera") / "camera.y4m"
    size = timecode.WIDTH * timecode.HEIGHT
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{timecode.WIDTH} H{timecode.HEIGHT} F25:1 Ip A1:1 C420jpeg\n".encode())
        for number in range(FRAMES):
            luma = np.full((timecode.HEIGHT, timecode.WIDTH), 100 + number, np.uint8)
            timecode.burn(luma, number)
            file.write(b"FRAME\n" + luma.tobytes() + bytes([128]) * (size // 2))
    return path


@pytest.fixture
def page(camera: Path) -> Iterator[Page]:
    """The page, in a browser with that camera and with Chromium's beeping microphone."""
    with sync_playwright() as playwright:
        arguments = [*FLAGS, f"--use-file-for-fake-video-capture={camera}"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        context = browser.new_context(permissions=["camera", "microphone"])
        context.add_init_script(PROBE)
        context.route("**/*", lambda route: route.fulfill(body=PAGE, content_type="text/html"))
        opened = context.new_page()
        opened.goto("http://localhost/")
        yield opened
        browser.close()


def drain_until(page: Page, log: Log, enough: Any, what: str) -> None:
    """Empty the probe until the log has what is waited for."""
    end = time.monotonic() + SEEN_S
    while not enough():
        assert time.monotonic() < end, f"{what} not within {SEEN_S} s: {log.events[-5:]}"
        page.wait_for_timeout(250)
        log.add(page.evaluate("window.__links.drain()"))


def heard_s(log: Log, begin_ms: float) -> float:
    """Seconds in which something was heard, counted in steps of 10 ms."""
    sound = log.sound("heard", begin_ms, time.time() * 1000)
    return float(
        (np.abs(sound[: len(sound) // 160 * 160]).reshape(-1, 160).max(axis=1) > 0.01).mean() * len(sound) / 16000
    )


def test_the_probe_sees_a_call_and_the_one_that_replaces_it(page: Page) -> None:
    """Counters of camera and display, voice, statistics, rung and stills, also of a second connection."""
    begin_ms, log = time.time() * 1000, Log()
    for calls in (1, 2):
        first = len(log.shown)
        drain_until(
            page, log,
            lambda first=first: sum(row[1] >= 0 for row in log.shown[first:]) > 15 and log.stats and log.page,
            f"pictures of call {calls}",
        )  # fmt: skip
        drain_until(page, log, lambda calls=calls: heard_s(log, begin_ms) > 0.2 * calls, f"voice of call {calls}")
        assert page.evaluate("window.__links.connected()")
        if calls == 1:
            page.evaluate("again()")
    sent = [row[1] for row in log.sent if row[1] >= 0]
    shown = [row[1] for row in log.shown if row[1] >= 0]
    assert set(shown) <= set(sent) <= set(range(FRAMES))
    assert len(shown) > 0.9 * len(log.shown)
    at, rung, stills, state = log.page[-1]
    assert (rung, stills, state) == (3, ["abc"], "connected")
    assert begin_ms < at < time.time() * 1000
    assert log.sync
    assert {item["type"] for _, _, items in log.stats for item in items} >= {"inbound-rtp", "outbound-rtp", "codec"}
