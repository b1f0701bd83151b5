"""What is asked and answered at `/api/linktest`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from media.control import Rung
from server.api import Model
from signaling.protocol_media import IceServer


class BeginLinkTest(Model):
    """Nothing yet; a JSON body is what keeps the pages of other sites from beginning tests in their visitors' names."""


class LinkTestBegun(Model):
    """A test that may begin: answer the offer."""

    id: str
    """Only who has it can read or end the test."""
    sdp: str
    ice_servers: list[IceServer]
    """TURN servers with fresh credentials; none where none are set."""
    server_time_ms: int
    """Unix ms."""
    ends_at_ms: int
    """When the server ends the test by itself, Unix ms."""


class LinkTestAnswer(Model):
    """The answer to the offer."""

    sdp: Annotated[str, Field(min_length=1, max_length=15_000)]


class LinkDirection(Model):
    """One direction of the tested link as the relay estimates it now; rates in bit/s of all that is sent."""

    rate_bps: int | None
    """None: not known yet."""
    carried_bps: int
    """What came through of late."""
    loss: Annotated[float, Field(ge=0, le=1)]
    queue_ms: float
    """How long packets stand before the link."""
    rung: Rung | None
    """What the direction will carry, by its rate and loss."""


class LinkTestMeasure(Model):
    """What is known of the link so far."""

    state: Literal["new", "connecting", "connected", "silent", "closed"]
    transport: Literal["udp", "tcp"] | None
    """By which the relay is reached; what goes by TURN is UDP for the relay."""
    rtt_ms: int | None
    up: LinkDirection | None
    down: LinkDirection | None
    """None where the other side does not count packets, or is not connected."""
    final: bool
    """Nothing more will be found out."""
