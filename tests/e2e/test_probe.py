"""The tests' own instruments: they find a colour and a pitch where there is one, and nothing where there is none."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.e2e.assets import BLUE, GREEN, Look
from tests.e2e.browsers import FirefoxParty
from tests.e2e.conftest import OpenParty

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOOPBACK = """<!doctype html><title>loopback</title><link rel=icon href="data:,">
<video data-testid=call-remote-video autoplay playsinline></video><button data-testid=start>start</button>
<script>
document.querySelector('button').onclick = async () => {
  const stream = await navigator.mediaDevices.getUserMedia({audio: true, video: {width: 320, height: 240}});
  const near = new RTCPeerConnection(), far = new RTCPeerConnection();
  near.onicecandidate = (e) => far.addIceCandidate(e.candidate);
  far.onicecandidate = (e) => near.addIceCandidate(e.candidate);
  far.ontrack = (e) => { document.querySelector('video').srcObject = e.streams[0]; };
  for (const track of stream.getTracks()) near.addTrack(track, stream);
  await near.setLocalDescription();
  await far.setRemoteDescription(near.localDescription);
  await far.setLocalDescription();
  await near.setRemoteDescription(far.localDescription);
  window.mute = (on) => { for (const t of stream.getAudioTracks()) t.enabled = !on; };
};
</script>"""


@pytest_asyncio.fixture(loop_scope="session")
async def loopback() -> AsyncIterator[str]:
    """Address of a page that sends its camera and microphone to itself."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=LOOPBACK, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    server = TestServer(app)
    await server.start_server()
    yield f"http://localhost:{server.port}/"
    await server.close()


@pytest.mark.parametrize("look", [GREEN, BLUE], ids=lambda look: look.name)
async def test_chromium_shows_the_colour_and_sounds_the_pitch_of_its_files(
    party: OpenParty, loopback: str, look: Look
) -> None:
    """What the fake camera and microphone play arrives as this colour and this pitch, and a muted track as silence."""
    page = await party("page", look)
    await page.open(loopback)
    await page.click("start")
    await page.see_picture(look)
    await page.see_frames()
    await page.hear(look.pitch_hz)
    await page.hear_something()
    await page.evaluate("mute(true)")
    await page.hear_nothing()
    await page.evaluate("mute(false)")
    await page.hear(look.pitch_hz)


async def test_firefox_sends_frames_and_its_pitch(firefox: FirefoxParty, loopback: str) -> None:
    """Firefox is driven, decodes its fake camera's frames and sounds the pitch it was started with."""
    await firefox.open(loopback)
    await firefox.click("start")
    await firefox.see_frames()
    await firefox.hear(BLUE.pitch_hz)
    assert await firefox.evaluate("window.__probe.colour('call-remote-video')") is not None
    await firefox.evaluate("mute(true)")
    await firefox.hear_nothing()
