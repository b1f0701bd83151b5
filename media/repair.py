"""What is sent again, and what is sent late: retransmissions for who asks (RFC 4588), a keyframe for who joins."""

from __future__ import annotations

from collections.abc import Iterator

from media.nack import VOICE_MAX_RTT_S
from media.rtp import RtpError, wrap_rtx
from media.sdp import RTX_OF
from media.streams import Sink, Source

DOUBLE_REPAIR_LOSS = 0.10
"""Above this loss a retransmission is sent twice: waiting another round trip for it costs a frozen picture."""

REPLAY_PACKETS = 40
"""What is replayed to who joins: more costs the receiver's link more than a keyframe does the sender's."""

REPLAY_AGE_S = 3.0


def repairs(sink: Sink, sequences: tuple[int, ...], now_s: float) -> Iterator[bytes]:
    """Yield what answers a receiver's request: those packets that are kept and not on their way to it already.

    Pictures go on the stream of retransmissions; voice has none and goes again as it was.
    """
    source = sink.source
    if source is None or source.history is None:
        return
    if not sink.video and sink.end.rtt_s >= VOICE_MAX_RTT_S:
        return  # it would come too late to be heard, and teach the listener's buffer to wait for such packets
    for wanted in sequences:
        sequence = sink.rewriter.source_sequence(wanted)
        packet = None if sequence is None else source.history.resend(sequence, now_s, sink.end.rtt_s, sink.number)
        if packet is None or sequence is None:
            continue
        out = sink.rewriter.rewrite(packet, sequence, now_s)
        rtx = RTX_OF.get(packet[1] & 0x7F)
        if out is None:
            continue
        if not sink.video:
            yield out
        elif rtx is not None:
            for _ in range(2 if sink.fraction_lost > DOUBLE_REPAIR_LOSS else 1):
                sink.rtx_sequence = (sink.rtx_sequence + 1) & 0xFFFF
                try:
                    yield wrap_rtx(out, sink.rtx_ssrc, rtx, sink.rtx_sequence)
                except RtpError:
                    break


def since_keyframe(source: Source | None, now_s: float) -> list[bytes]:
    """Return a source's last keyframe and what followed, for who has just joined; empty if something of it is not kept.

    So a joiner sees at once, and the sender's uplink is spared a keyframe. Empty too if it is too much or too old.
    """
    if source is None or source.history is None or source.keyframe_sequence < 0:
        return []
    first = source.keyframe_sequence
    count = (source.reception.highest - first & 0xFFFF) + 1
    if count > REPLAY_PACKETS or now_s - source.keyframe_s > REPLAY_AGE_S:
        return []
    kept = [source.history.get(first + index & 0xFFFF) for index in range(count)]
    packets = [packet for packet in kept if packet is not None]
    return packets if len(packets) == count else []
