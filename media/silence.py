"""Who has gone silent, and who is back: told by when a leg's last authenticated packet came."""

from __future__ import annotations

from collections.abc import Iterator

from media.control import SILENT_AFTER_S, EventKind
from media.leg import Leg

QUIET_SILENT_AFTER_S = 4.0
"""The limit of silence for a leg that sent no media. Chromium with everything off is heard every 1.4 s (measured: ICE
checks and RTCP), so two of its packets may be lost."""

MEDIA_GAP_S = 1.0
"""A leg that sent media within this time before it went silent was sending: voice is at least 8 packets a second."""


def news(leg: Leg, now_s: float) -> Iterator[EventKind]:
    """Yield what there is to tell of a leg since the last look (first media, silence, its end), and note it there."""
    if not leg.had_media and (leg.audio.packets or leg.video.packets):
        leg.had_media = True
        yield "media"
    if not leg.connected:
        return
    idle_s = now_s - leg.end.heard_s
    if leg.silent:
        if idle_s < SILENT_AFTER_S:
            leg.silent = False
            yield "active"
    elif idle_s > SILENT_AFTER_S and leg.room is not None and len(leg.room.members) > 1:
        was_sending = leg.end.heard_s - leg.end.media_s < MEDIA_GAP_S
        if was_sending or idle_s > QUIET_SILENT_AFTER_S:
            leg.silent = True
            yield "silent"
