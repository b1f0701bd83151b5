import type { AudioView, LinkMemory, VideoView } from "../protocol.ts";

/** Of a remembered link only so much is trusted before anything is measured. */
const TRUST = 0.7;
/** An unknown link: a thin picture, and a third of what Chromium would begin with. */
const UNKNOWN_BPS = 100_000;
/** Bigger is of no use: the widest picture of a visit has room in it. */
const MOST_BPS = 2_000_000;
/** RTP, SRTP, UDP and IP around each packet of voice: 12 + 8 + 16 + 28 bytes. */
const PACKET_BITS = 64 * 8;
/** Close enough: a description changed for less would only reset a good estimate. */
const ENOUGH = 0.8;

/** What a voice takes of the link, bit/s. */
export function voiceBps({ bitrate_bps, frame_ms, red }: AudioView): number {
  return bitrate_bps * (red ? 2 : 1) + (PACKET_BITS * 1000) / frame_ms;
}

/**
 * What the browser's congestion control is to begin with. Measured in Chromium 156: a value that differs from the last
 * takes hold at once, in mid-call too (at 1000 kbit/s the picture is 640x480 in the first second, at 60 it is 320x240 and
 * sends 52); the same value again changes nothing. So null, "leave it", when the estimate is there already.
 */
export function startBps(
  video: VideoView | null,
  voice: AudioView,
  memory: LinkMemory | null,
  estimateBps: number | null = null,
): number | null {
  if (!video) {
    const known = memory ? memory.up_bps * TRUST : UNKNOWN_BPS;
    return Math.round(Math.min(MOST_BPS, Math.max(voiceBps(voice), known)));
  }
  const wanted = video.bitrate_bps + voiceBps(voice);
  if (estimateBps !== null && estimateBps >= wanted * ENOUGH) return null;
  return Math.round(Math.min(MOST_BPS, wanted));
}
