import { type Reading, read } from "./reading.ts";

/** How the link of a leg did since the last look. */
export interface LinkSample {
  /** The transport is up. */
  connected: boolean;
  rttMs: number | null;
  /** Share of media packets lost since the last look, the worse of both directions, 0…1; null when none flowed. */
  loss: number | null;
}

export interface Look {
  sample: LinkSample;
  /** What was counted, to subtract from the next. */
  counters: Reading;
}

/**
 * Bars as shown, 0 none … 4 good, from delay and loss. The limits follow what voice bears (ITU-T G.114: 150 ms one way
 * is good, 400 ms the end of the usable) and what loss concealment and retransmission can hide.
 */
export function bars({ connected, rttMs, loss }: LinkSample): number {
  if (!connected) return 0;
  const byDelay = rttMs === null || rttMs < 300 ? 4 : rttMs < 600 ? 3 : rttMs < 1200 ? 2 : 1;
  const byLoss = loss === null || loss < 0.03 ? 4 : loss < 0.08 ? 3 : loss < 0.18 ? 2 : 1;
  return Math.min(byDelay, byLoss);
}

/** Reads a report and says how the link did since the reading before. */
export function look(report: Iterable<unknown>, before: Reading | null, connected: boolean): Look {
  const counters = read(report);
  const nearLoss = lossBetween(before, counters);
  const loss = nearLoss === null ? counters.farLoss : Math.max(nearLoss, counters.farLoss ?? 0);
  const rttMs = counters.rttMs === null ? null : Math.round(counters.rttMs);
  return { sample: { connected, rttMs, loss }, counters };
}

function lossBetween(before: Reading | null, now: Reading): number | null {
  const received = now.received - (before?.received ?? 0);
  const lost = now.lost - (before?.lost ?? 0);
  // Fewer than a handful of packets say nothing; a negative count is a leg that was replaced.
  if (received < 0 || received + lost < 10) return null;
  return Math.max(0, lost) / (received + Math.max(0, lost));
}
