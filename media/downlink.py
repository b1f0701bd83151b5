"""What is known of the way from the relay to one leg, and how much may be sent on it."""

from __future__ import annotations

REMB_VALID_S = 5.0
"""Browsers report once a second while they receive; an older report is of a link that carried something else."""


class Downlink:
    """The estimate of one leg's downlink. Today it is what the browser reports by REMB; rates in bit/s."""

    __slots__ = ("_remb_bps", "_remb_s")

    def __init__(self) -> None:
        self._remb_bps = 0
        self._remb_s = float("-inf")

    def reported(self, bitrate_bps: int, now_s: float) -> None:
        """Take a REMB: what the browser estimates for all video that it receives."""
        self._remb_bps = bitrate_bps
        self._remb_s = now_s

    def budget_bps(self, now_s: float) -> int | None:
        """What all video to this leg together may take; None if nothing recent is known."""
        return self._remb_bps if now_s - self._remb_s <= REMB_VALID_S else None
