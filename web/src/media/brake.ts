import type { LimitsView } from "../protocol.ts";

/** The relay's ceiling counts as a fall when it is below this share of what it was of late, */
const FALL_SHARE = 0.4;
/** and of the picture that the server last asked for. */
const PICTURE_SHARE = 0.6;
const LATELY_MS = 3_000;
/** The server's word took 3 s; without one the link is another now, and carries what was asked for. */
const HOLD_MS = 3_500;

/**
 * A link that suddenly carries a thirtieth: the relay's ceiling (REMB) is here within half a second, since media pass what
 * waits, and the server's word over TCP only when that has drained, 3 s later. Until it is here pictures stop, which also
 * empties the browser's own queue, and the voice is the thinnest.
 */
export class Brake {
  private ceilings: { atMs: number; bps: number }[] = [];
  private held: { limits: LimitsView; untilMs: number } | null = null;

  /** Whether to brake now; `outBps` is what the browser may send, `limits` the server's last word. */
  look(outBps: number | null, limits: LimitsView | null, nowMs: number): boolean {
    if (this.held && (this.held.limits !== limits || nowMs >= this.held.untilMs)) this.held = null;
    if (outBps === null || !limits?.video) {
      this.ceilings = [];
      return this.held !== null;
    }
    this.ceilings = this.ceilings.filter(({ atMs }) => nowMs - atMs <= LATELY_MS);
    const lately = Math.max(outBps, ...this.ceilings.map(({ bps }) => bps));
    this.ceilings.push({ atMs: nowMs, bps: outBps });
    if (!this.held && outBps < FALL_SHARE * lately && outBps < PICTURE_SHARE * limits.video.bitrate_bps) {
      this.held = { limits, untilMs: nowMs + HOLD_MS };
      this.ceilings = [];
    }
    return this.held !== null;
  }
}
