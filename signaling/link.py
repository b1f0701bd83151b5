"""What the relay says of a link, in the words of the live protocol. Pure."""

from __future__ import annotations

from media.control import ClientReport, Limits, LinkMeasure
from signaling.protocol_media import LimitsView, LinkTestView, MediaReport, Verdict

VIDEO_RUNG, VOICE_RUNG = 3, 1
"""The least rung of both directions with which a visit is one by video, or by voice (design §3)."""


def limits_of(limits: Limits) -> LimitsView:
    """What a page is to send."""
    return LimitsView.model_validate(limits.model_dump())


def rung_text(limits: Limits) -> str:
    """A rung in the form in which the store keeps it: `rung:why:whose`."""
    return f"{limits.rung}:{limits.why}:{limits.whose}"


def link_test_of(measure: LinkMeasure) -> LinkTestView:
    """What the person is told of the test. The worse direction decides: a visit needs both."""
    losses = [loss for loss in (measure.loss_up, measure.loss_down) if loss is not None]
    return LinkTestView(
        verdict=_verdict(measure),
        up_bps=measure.up_bps,
        down_bps=measure.down_bps,
        rtt_ms=measure.rtt_ms,
        loss=max(losses, default=None),
    )


def _verdict(measure: LinkMeasure) -> Verdict:
    rungs = [rung for rung in (measure.rung_up, measure.rung_down) if rung is not None]
    if not rungs or (len(rungs) < 2 and not measure.final):
        return "measuring"
    return "video" if min(rungs) >= VIDEO_RUNG else "voice" if min(rungs) >= VOICE_RUNG else "phone"


def client_report_of(report: MediaReport) -> ClientReport:
    """What the relay is told of what the page sees."""
    return ClientReport.model_validate(report.model_dump())
