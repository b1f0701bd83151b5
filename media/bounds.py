"""What each link on a picture's way leaves for it, and what follows for the rung: the arithmetic of one look.

A direction carries what the least of its links carries; the controller keeps time, this does the sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from media import shapes
from media.allocation import anticipates, doubles
from media.control import MAX_ROOM_LEGS, Whose, Why
from media.ladder import Ladder
from media.proof import Proof
from media.uplink_guess import START_UNKNOWN_BPS, UplinkGuess
from media.ways import Receiver

REMB_VOICE_MARGIN = 1.2
REMB_LEAST_BPS = 30_000
"""Chromium sends no less video whatever it is told, and an estimate it took for lower would only slow its growth."""
FELL_VOICE_BPS = 20_000
"""What is left for the voice where a link has just fallen: the thinnest alone is sure to fit."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What one link leaves for the picture."""

    room_bps: int
    proven_bps: int
    """The part of the room that may be climbed on."""
    whose: Whose
    why: Why = "rate"
    doubled: bool = False
    """Each packet is sent twice there, for which the room is already halved."""


@dataclass(frozen=True, slots=True)
class Cap:
    """The highest rung that is not a matter of rate, and what holds it there."""

    rung: int
    whose: Whose
    why: Why


def own_bound(
    rate_bps: int, proven_bps: int, audio_bps: int, wanted_bps: int, loss: float, *, copies: int, doubled: bool
) -> Bound:
    """Return what the sender's own uplink leaves for the picture beside the voice and its copies there."""
    room_bps = shapes.video_room_bps(rate_bps, audio_bps * (1 + copies), loss)
    twice = copies > 0 and anticipates(room_bps, doubled)
    if twice:
        room_bps //= 2
    # What was lost on the way was sent again, and is not in what came: so it is not taken off once more.
    return Bound(room_bps, min(room_bps, shapes.video_room_bps(proven_bps, wanted_bps)), "own", doubled=twice)


def others_bound(
    now_s: float, receiver: Receiver, proof: Proof, audio_bps: int, wanted_bps: int, *, doubled: bool
) -> Bound:
    """Return what a receiver's share leaves for the picture beside the voice and its repetitions there."""
    share_bps = receiver.share_bps if receiver.share_bps is not None else START_UNKNOWN_BPS
    loss, times = receiver.downlink.loss, 1 + receiver.copies
    proven_bps = proof.proven_bps(now_s, share_bps, probes=receiver.downlink.known)
    room_bps = shapes.video_room_bps(share_bps, audio_bps * times, loss)
    twice = doubles(receiver.downlink.rtt_s, loss, room_bps, doubled)
    if twice:
        room_bps //= 2
    # What the sender sent went through with its repetitions and repairs: they are not taken off once more.
    proven_room_bps = min(room_bps, shapes.video_room_bps(proven_bps, wanted_bps))
    return Bound(room_bps, proven_room_bps, "other", doubled=twice)


def entered_rung(
    now_s: float,
    ladder: Ladder,
    guess: UplinkGuess,
    proof: Proof,
    own: Bound,
    others: Sequence[Bound],
    *,
    lossy: bool,
) -> int:
    """Return the highest rung that may be entered for what the links have proven, or what is worth a try.

    Voice and stills leave no trace of what a link could carry, so that the next rung above them may be tried without
    proof; from rung 3 on the picture's own rate is the proof. Stills wait by themselves where there is no room, so at
    the beginning the estimate is enough for them. A link that loses much is no thin one, and is tried at once.
    """
    rung = ladder.rung
    if guess.congested:
        return rung
    proven = shapes.highest_entered(min(bound.proven_bps for bound in (own, *others)))
    if ladder.starting(now_s) and min(bound.room_bps for bound in (own, *others)) >= shapes.enter_bps(2):
        proven = max(proven, 2)
    if proven > rung or rung not in (1, 2) or not proof.may_try(now_s):
        return proven
    if ladder.starting(now_s) and not lossy:
        return proven
    enter_bps = shapes.enter_bps(rung + 1)
    may_carry = own.room_bps >= enter_bps or not proof.probed(guess.rate_bps)
    return rung + 1 if may_carry and all(bound.room_bps >= enter_bps for bound in others) else proven


def voice_share_bps(receiver: Receiver) -> int:
    """Return what a receiver has for the voice: where no picture is shown the share is this voice, and says nothing."""
    if receiver.fell:
        return FELL_VOICE_BPS
    share_bps = receiver.share_bps if receiver.share_bps is not None else START_UNKNOWN_BPS
    if receiver.shown:
        return share_bps
    return max(share_bps, (receiver.downlink.carries_bps() or 0) // (MAX_ROOM_LEGS - 1))


def stills_bps_of(rung: int, video_bps: int, room_bps: int, proven_bps: int) -> int:
    """Return what stills may take: alone, what is proven and a little at least; else what the picture leaves."""
    if rung < 2:
        return 0
    if rung == 2:
        sure_bps = max(proven_bps, shapes.STILLS_ENTER_BPS)
        return min(int(room_bps * shapes.STILLS_ALONE_SHARE), sure_bps, shapes.STILLS_MOST_BPS)
    spare_bps = max(room_bps - video_bps, int(room_bps * shapes.STILLS_SHARE))
    return min(spare_bps, shapes.STILLS_MOST_BPS)


def remb_bps_of(up_bps: int, audio_bps: int, video_bps: int, loss: float) -> int:
    """Return what a browser may send in all: what it is told to, as far as its uplink carries it.

    Where much is lost that is no bound for what it sends again: Chromium lets no more than this rate be under way for a
    round trip and 0.35 s, and resends waited for 2 s behind a voice that had it filled.
    """
    carries_bps = int(up_bps * (1 - shapes.FEEDBACK_SHARE))
    fits_bps = carries_bps if loss >= shapes.LOSSY else min(audio_bps + video_bps, carries_bps)
    return max(fits_bps, int(audio_bps * REMB_VOICE_MARGIN), REMB_LEAST_BPS)


def reason_of(rung: int, cap: Cap, least: Bound) -> tuple[Why, Whose]:
    """Return what keeps a direction from a higher rung."""
    if cap.why == "choice" or cap.rung == rung < shapes.highest_kept(least.room_bps):
        return cap.why, cap.whose
    return ("clear", "none") if rung == 5 else (least.why, least.whose)
