import type { Reading } from "./reading.ts";

/**
 * From this share of the voice made up and this share of its packets asked for again some of them came too late to be
 * played: they would be heard with more patience. `packetsDiscarded` does not tell: with RED it counts every copy.
 */
const LATE_SHARE = 0.02;
/** Below this nothing is gained by waiting. */
const PUNCTUAL_SHARE = 0.002;
/** Over a longer round trip what is sent again comes too late for any patience that a conversation has. */
const ANSWERED_WITHIN_MS = 160;
/** What the least buffer is then set to, ms: a round trip of 0.1 s, and what the relay takes to ask. */
const PATIENT_MS = 120;
const LOOK_MS = 2_000;
/** A link that loses in bursts does so again. */
const BACK_MS = 60_000;

/**
 * How long to wait for voice. Browsers size their buffer by when packets come in order, and by that play past those
 * which were lost and come again a round trip later: at 30 % loss 95 % of the voice came and a tenth was made up.
 */
export class Lateness {
  private patient = false;
  private before: { atMs: number; reading: Reading } | null = null;
  private lateAtMs = 0;

  /** The least buffer from now on, ms; null leaves it to the browser. */
  look(reading: Reading, nowMs: number): number | null {
    const { before } = this;
    if (!before || reading.voicePackets < before.reading.voicePackets) this.before = { atMs: nowMs, reading };
    else if (nowMs - before.atMs >= LOOK_MS) {
      this.before = { atMs: nowMs, reading };
      const packets = reading.voicePackets - before.reading.voicePackets;
      const asked = share(reading.voiceAsked - before.reading.voiceAsked, packets);
      const concealed = share(reading.concealed - before.reading.concealed, reading.samples - before.reading.samples);
      this.judge((reading.rttMs ?? 0) <= ANSWERED_WITHIN_MS ? Math.min(asked, concealed) : 0, nowMs);
    }
    return this.patient ? PATIENT_MS : null;
  }

  private judge(late: number, nowMs: number): void {
    if (late >= PUNCTUAL_SHARE) this.lateAtMs = nowMs;
    if (late >= LATE_SHARE) this.patient = true;
    else if (nowMs - this.lateAtMs >= BACK_MS) this.patient = false;
  }
}

function share(part: number, whole: number): number {
  return part / Math.max(1, whole);
}
