"""A network that lets nothing out but a TURN server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import coturn
from tests.e2e.assets import BLUE, GREEN
from tests.e2e.conftest import OpenParty
from tests.e2e.product import Product
from tests.e2e.visits import see_and_hear, start_call

pytestmark = pytest.mark.asyncio(loop_scope="session")

RELAY_ONLY = """
const Plain = window.RTCPeerConnection;
window.RTCPeerConnection = class extends Plain {
  constructor(configuration) { super({ ...configuration, iceTransportPolicy: "relay" }); window.__connection = this; }
};
"""
"""Stands for a firewall: the page's connections try nothing but what TURN servers give them."""

PATH = """(async () => {
  const stats = [...(await window.__connection.getStats()).values()];
  const pair = stats.find((each) => each.type === "candidate-pair" && each.nominated && each.state === "succeeded");
  const local = stats.find((each) => each.id === pair?.localCandidateId);
  return local && `${local.candidateType} ${local.relayProtocol}`;
})()"""


@pytest.fixture
def behind_turn(pages: None, tmp_path: Path) -> Iterator[Product]:
    """A Puente whose pages are given a TURN server that they reach over TCP."""
    (tmp_path / "coturn").mkdir()
    with coturn.running(tmp_path / "coturn") as server:
        product = Product(
            tmp_path,
            PUENTE_TURN_URLS=f"turn:127.0.0.1:{server.port}?transport=tcp",
            PUENTE_TURN_SECRET=coturn.SECRET,
            PUENTE_MEDIA_ADDRESS=coturn.PEER,
        )
        product.start()
        try:
            yield product
            product.stop()
        finally:
            product.kill()
        product.check_log()


async def test_a_call_through_a_turn_server_alone(behind_turn: Product, party: OpenParty) -> None:
    """With the credentials that the page is given, over TCP, the patient and the nurse see and hear each other."""
    patient, nurse = await party("patient", GREEN, phone=True), await party("nurse", BLUE)
    await patient.context.add_init_script(RELAY_ONLY)
    links = behind_turn.links()
    await start_call(patient, links["patient"], nurse, links["nurse"])
    await see_and_hear(patient, nurse)
    assert await patient.evaluate(PATH) == "relay tcp"
