import type { Way } from "./ways.ts";

/** What the browser itself knows of the connection that is measured. */
export interface Reading {
  way: Way | null;
  rttMs: number | null;
  /** Of the packets that went up, as the relay reports it. */
  jitterMs: number | null;
  lossUp: number | null;
  /** The browser's own estimate of its uplink; Chromium has one. */
  outBps: number | null;
}

export const NOTHING_READ: Reading = { way: null, rttMs: null, jitterMs: null, lossUp: null, outBps: null };

type Entry = Record<string, unknown>;

/** Reads the statistics of a connection; what a browser does not tell is null. */
export function read(report: RTCStatsReport | ReadonlyMap<string, unknown>): Reading {
  const entries = new Map<string, Entry>();
  report.forEach((entry: unknown, id: string) => {
    entries.set(id, entry as Entry);
  });
  const all = [...entries.values()];
  const transport = all.find(({ type }) => type === "transport");
  const chosen = String(transport?.selectedCandidatePairId ?? "");
  const pair =
    entries.get(chosen) ??
    all.find(({ type, nominated, state }) => type === "candidate-pair" && nominated === true && state === "succeeded");
  const local = entries.get(String(pair?.localCandidateId ?? ""));
  const far = all.find(({ type, kind }) => type === "remote-inbound-rtp" && kind === "video");
  return {
    way: local ? wayOf(local) : null,
    rttMs: scaled(pair?.currentRoundTripTime, 1000) ?? scaled(far?.roundTripTime, 1000),
    jitterMs: scaled(far?.jitter, 1000),
    lossUp: scaled(far?.fractionLost, 1),
    outBps: scaled(pair?.availableOutgoingBitrate, 1),
  };
}

function wayOf(local: Entry): Way {
  if (local.candidateType === "relay") return "turn";
  return local.protocol === "tcp" ? "tcp" : "udp";
}

function scaled(value: unknown, by: number): number | null {
  return typeof value === "number" && Number.isFinite(value) ? Math.round(value * by * 1000) / 1000 : null;
}
