/** Fewer packets a second than this, */
const FEW_PER_S = 16;
/** and below this share of what came of late: the relay's feedback alone is as much while a picture is sent. */
const FEW_SHARE = 0.2;
const LATELY_MS = 3_000;
/** A timer that was held back saw no lull, it slept. */
const LONGEST_LOOK_MS = 1_500;
/** So long after the last lull: the relay's ceiling, which says what the link is now, comes right behind it. */
const AFTER_MS = 1_000;

/**
 * Nearly nothing arrives any more of what did: the link stands, or has become far thinner and what waits before it is the
 * picture of a moment ago. No word can say so, since words wait there too; what is sent now only waits as well.
 */
export class Lull {
  private last: { atMs: number; packets: number } | null = null;
  private rates: { atMs: number; perS: number }[] = [];
  private untilMs = Number.NEGATIVE_INFINITY;

  /** Whether to wait now; `packets` is all that arrived so far, at each look. */
  look(packets: number, nowMs: number): boolean {
    const { last } = this;
    this.last = { atMs: nowMs, packets };
    if (!last || packets < last.packets || nowMs <= last.atMs || nowMs - last.atMs > LONGEST_LOOK_MS) this.rates = [];
    else this.judge(((packets - last.packets) * 1000) / (nowMs - last.atMs), nowMs);
    return nowMs < this.untilMs;
  }

  private judge(perS: number, nowMs: number): void {
    this.rates = this.rates.filter(({ atMs }) => nowMs - atMs <= LATELY_MS);
    const mean = this.rates.reduce((sum, rate) => sum + rate.perS, 0) / Math.max(1, this.rates.length);
    if (perS < FEW_PER_S && perS < FEW_SHARE * mean) this.untilMs = nowMs + AFTER_MS;
    this.rates.push({ atMs: nowMs, perS });
  }
}
