/** How the link of a leg did since the last look. */
export interface LinkSample {
  /** The transport is up. */
  connected: boolean;
  rttMs: number | null;
  /** Share of media packets lost since the last look, the worse of both directions, 0…1; null when none flowed. */
  loss: number | null;
}

/** What the last look counted, to subtract from the next. */
export interface Counters {
  received: number;
  lost: number;
  bytesReceived: number;
  framesDecoded: number;
}

export interface Look {
  sample: LinkSample;
  counters: Counters;
}

const NOTHING: Counters = { received: 0, lost: 0, bytesReceived: 0, framesDecoded: 0 };

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

interface Stat {
  type: string;
  id: string;
  kind?: string;
  state?: string;
  nominated?: boolean;
  selected?: boolean;
  selectedCandidatePairId?: string;
  currentRoundTripTime?: number;
  bytesReceived?: number;
  packetsReceived?: number;
  packetsLost?: number;
  framesDecoded?: number;
  fractionLost?: number;
  roundTripTime?: number;
}

/** Reads a stats report (`RTCPeerConnection.getStats()` or any iterable of its values). */
export function look(report: Iterable<unknown>, before: Counters | null, connected: boolean): Look {
  const stats = [...report] as Stat[];
  const transport = stats.find((stat) => stat.type === "transport" && stat.selectedCandidatePairId);
  const pairs = stats.filter((stat) => stat.type === "candidate-pair");
  const pair =
    pairs.find((stat) => stat.id === transport?.selectedCandidatePairId) ??
    pairs.find((stat) => stat.selected || (stat.nominated && stat.state === "succeeded"));
  const counters = { ...NOTHING, bytesReceived: pair?.bytesReceived ?? 0 };
  let farLoss: number | null = null;
  let mediaRttMs: number | null = null;
  for (const stat of stats) {
    if (stat.type === "inbound-rtp") {
      counters.received += stat.packetsReceived ?? 0;
      counters.lost += Math.max(0, stat.packetsLost ?? 0);
      counters.framesDecoded += stat.framesDecoded ?? 0;
    } else if (stat.type === "remote-inbound-rtp") {
      if (stat.fractionLost !== undefined) farLoss = Math.max(farLoss ?? 0, stat.fractionLost);
      if (stat.roundTripTime !== undefined) mediaRttMs = Math.max(mediaRttMs ?? 0, stat.roundTripTime * 1000);
    }
  }
  const rttMs = pair?.currentRoundTripTime === undefined ? mediaRttMs : pair.currentRoundTripTime * 1000;
  const nearLoss = lossBetween(before ?? NOTHING, counters);
  const loss = nearLoss === null ? farLoss : Math.max(nearLoss, farLoss ?? 0);
  return { sample: { connected, rttMs: rttMs === null ? null : Math.round(rttMs), loss }, counters };
}

function lossBetween(before: Counters, now: Counters): number | null {
  const received = now.received - before.received;
  const lost = now.lost - before.lost;
  // Fewer than a handful of packets say nothing; a negative count is a leg that was replaced.
  if (received < 0 || received + lost < 10) return null;
  return Math.max(0, lost) / (received + Math.max(0, lost));
}
