"""A network that lets nothing out but a TURN server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.coturn import PEER, SECRET, running
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


async def test_a_call_through_a_turn_server_alone(party: OpenParty, pages: None, tmp_path: Path) -> None:
    """With the credentials that the page is given, over TCP, the patient and the nurse see and hear each other."""
    (tmp_path / "coturn").mkdir()
    with running(tmp_path / "coturn") as coturn:
        product = Product(
            tmp_path,
            PUENTE_TURN_URLS=f"turn:127.0.0.1:{coturn.port}?transport=tcp",
            PUENTE_TURN_SECRET=SECRET,
            PUENTE_MEDIA_ADDRESS=PEER,
        )
        product.start()
        try:
            patient, nurse = await party("patient", GREEN, phone=True), await party("nurse", BLUE)
            await patient.context.add_init_script(RELAY_ONLY)
            links = product.links()
            await start_call(patient, links["patient"], nurse, links["nurse"])
            await see_and_hear(patient, nurse)
            assert await patient.evaluate(PATH) == "relay tcp"
        finally:
            product.kill()
