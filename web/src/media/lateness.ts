import type { Reading } from "./reading.ts";

/** So much of the voice that came was too late to be played: it was sent again, and would be heard with more patience. */
const LATE_SHARE = 0.02;
/** Below this nothing is gained by waiting. */
const PUNCTUAL_SHARE = 0.002;
/** What the least buffer is set to, ms, one after the other. The last is a round trip of 0.1 s, half of another, and what
 * the relay takes to ask; more would be noticed in a conversation. */
const TARGETS_MS: readonly (number | null)[] = [null, 120, 180];
const LOOK_MS = 2_000;
/** A link that loses in bursts does so again. */
const BACK_MS = 60_000;

/**
 * How long to wait for voice. Browsers size their buffer by when packets come in order, and by that play past those
 * which were lost and come again a round trip later: at 30 % loss 95 % of the voice came and a tenth was made up.
 */
export class Lateness {
  private step = 0;
  private before: { atMs: number; packets: number; late: number } | null = null;
  private lateAtMs = 0;

  /** The least buffer from now on, ms; null leaves it to the browser. */
  look(reading: Reading, nowMs: number): number | null {
    const { voicePackets: packets, voiceLate: late } = reading;
    const { before } = this;
    if (!before || packets < before.packets) this.before = { atMs: nowMs, packets, late };
    else if (nowMs - before.atMs >= LOOK_MS) {
      this.before = { atMs: nowMs, packets, late };
      this.judge((late - before.late) / Math.max(1, packets - before.packets), nowMs);
    }
    return TARGETS_MS[this.step] ?? null;
  }

  private judge(share: number, nowMs: number): void {
    if (share >= PUNCTUAL_SHARE) this.lateAtMs = nowMs;
    if (share >= LATE_SHARE) this.step = Math.min(this.step + 1, TARGETS_MS.length - 1);
    else if (this.step > 0 && nowMs - this.lateAtMs >= BACK_MS) {
      this.step -= 1;
      this.lateAtMs = nowMs;
    }
  }
}
