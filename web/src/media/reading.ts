import type { VideoCodec } from "../protocol.ts";

/** How media gets through to the relay. */
export type Path = "udp" | "tcp" | "relay";

/** Everything this page uses of one statistics report: totals since the connection began, and values of now. */
export interface Reading {
  /** Media packets, all received tracks. */
  received: number;
  lost: number;
  framesDecoded: number;
  /** Packets of voice, and how many requests were sent for some that were missing. */
  voicePackets: number;
  voiceAsked: number;
  /** Samples played, and how many of them were made up although somebody spoke. */
  samples: number;
  concealed: number;
  /** Time the picture stood still; null where the browser does not count it. */
  frozenMs: number | null;
  framesEncoded: number;
  encodeMs: number;
  cpuLimited: boolean;
  codec: VideoCodec | null;
  /** Of the path in use, all that is in UDP or TCP packets. */
  bytesReceived: number;
  bytesSent: number;
  packetsReceived: number;
  packetsSent: number;
  rttMs: number | null;
  /** Loss of what this page sends, as the relay reported it, 0…1. */
  farLoss: number | null;
  /** The browser's own estimate of its uplink. */
  outBps: number | null;
  path: Path | null;
}

interface Stat {
  type: string;
  id: string;
  kind?: string;
  state?: string;
  nominated?: boolean;
  selected?: boolean;
  selectedCandidatePairId?: string;
  localCandidateId?: string;
  candidateType?: string;
  protocol?: string;
  relayProtocol?: string;
  currentRoundTripTime?: number;
  availableOutgoingBitrate?: number;
  bytesReceived?: number;
  bytesSent?: number;
  packetsReceived?: number;
  packetsSent?: number;
  packetsLost?: number;
  nackCount?: number;
  framesDecoded?: number;
  framesEncoded?: number;
  totalEncodeTime?: number;
  totalFreezesDuration?: number;
  totalSamplesReceived?: number;
  concealedSamples?: number;
  silentConcealedSamples?: number;
  qualityLimitationReason?: string;
  codecId?: string;
  mimeType?: string;
  fractionLost?: number;
  roundTripTime?: number;
}

const CODECS: readonly string[] = ["VP8", "VP9", "AV1", "H264"];

/** Reads a report (`RTCPeerConnection.getStats()` or any iterable of its values) in one pass. */
export function read(report: Iterable<unknown>): Reading {
  const byId = new Map<string, Stat>();
  for (const stat of report as Iterable<Stat>) byId.set(stat.id, stat);
  const stats = [...byId.values()];
  const reading = nothing();
  let mediaRttMs: number | null = null;
  for (const stat of stats) {
    if (stat.type === "inbound-rtp") inbound(reading, stat);
    else if (stat.type === "outbound-rtp" && stat.kind === "video") outbound(reading, stat, byId);
    else if (stat.type === "remote-inbound-rtp") {
      if (stat.fractionLost !== undefined) reading.farLoss = Math.max(reading.farLoss ?? 0, stat.fractionLost);
      if (stat.roundTripTime !== undefined) mediaRttMs = Math.max(mediaRttMs ?? 0, stat.roundTripTime * 1000);
    }
  }
  const pair = pairInUse(stats, byId);
  reading.rttMs = pair?.currentRoundTripTime === undefined ? mediaRttMs : pair.currentRoundTripTime * 1000;
  if (pair) {
    reading.bytesReceived = pair.bytesReceived ?? 0;
    reading.bytesSent = pair.bytesSent ?? 0;
    reading.packetsReceived = pair.packetsReceived ?? 0;
    reading.packetsSent = pair.packetsSent ?? 0;
    reading.outBps = pair.availableOutgoingBitrate ?? null;
    reading.path = pathOf(byId.get(pair.localCandidateId ?? ""));
  }
  return reading;
}

function nothing(): Reading {
  return {
    received: 0,
    lost: 0,
    framesDecoded: 0,
    voicePackets: 0,
    voiceAsked: 0,
    samples: 0,
    concealed: 0,
    frozenMs: null,
    framesEncoded: 0,
    encodeMs: 0,
    cpuLimited: false,
    codec: null,
    bytesReceived: 0,
    bytesSent: 0,
    packetsReceived: 0,
    packetsSent: 0,
    rttMs: null,
    farLoss: null,
    outBps: null,
    path: null,
  };
}

function inbound(reading: Reading, stat: Stat): void {
  reading.received += stat.packetsReceived ?? 0;
  reading.lost += Math.max(0, stat.packetsLost ?? 0);
  reading.framesDecoded += stat.framesDecoded ?? 0;
  if (stat.kind === "audio") {
    reading.voicePackets += stat.packetsReceived ?? 0;
    reading.voiceAsked += stat.nackCount ?? 0;
  }
  reading.samples += stat.totalSamplesReceived ?? 0;
  // Made-up silence between two words is how DTX works, and nobody misses anything in it.
  reading.concealed += Math.max(0, (stat.concealedSamples ?? 0) - (stat.silentConcealedSamples ?? 0));
  if (stat.totalFreezesDuration !== undefined)
    reading.frozenMs = (reading.frozenMs ?? 0) + stat.totalFreezesDuration * 1000;
}

function outbound(reading: Reading, stat: Stat, byId: Map<string, Stat>): void {
  reading.framesEncoded += stat.framesEncoded ?? 0;
  reading.encodeMs += (stat.totalEncodeTime ?? 0) * 1000;
  reading.cpuLimited ||= stat.qualityLimitationReason === "cpu";
  const name =
    byId
      .get(stat.codecId ?? "")
      ?.mimeType?.slice("video/".length)
      .toUpperCase() ?? "";
  if (CODECS.includes(name)) reading.codec = name as VideoCodec;
}

function pairInUse(stats: Stat[], byId: Map<string, Stat>): Stat | undefined {
  const transport = stats.find((stat) => stat.type === "transport" && stat.selectedCandidatePairId);
  const selected = byId.get(transport?.selectedCandidatePairId ?? "");
  if (selected) return selected;
  const pairs = stats.filter((stat) => stat.type === "candidate-pair");
  return pairs.find((stat) => stat.selected || (stat.nominated && stat.state === "succeeded"));
}

function pathOf(local: Stat | undefined): Path | null {
  if (!local) return null;
  if (local.candidateType === "relay") return "relay";
  return local.protocol === "tcp" ? "tcp" : "udp";
}
