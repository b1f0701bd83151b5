import type { LinkMemory } from "../protocol.ts";
import type { Path, Reading } from "./reading.ts";

/** What this device's link carried, kept for its next visit. */
export interface Remembered extends LinkMemory {
  at_ms: number;
  /** As the browser names it (`wifi`, `cellular`, …); empty where it does not. */
  network: string;
  path: Path | null;
}

const KEY = "puente.link";
const DAY_MS = 86_400_000;
/** A link is not remembered for longer: clinics change theirs. */
export const REMEMBER_MS = 30 * DAY_MS;
/** So long a test need not be made again. */
export const FRESH_MS = DAY_MS;

type Store = Pick<Storage, "getItem" | "setItem">;

/** What is remembered of this network, if it is not older than `withinMs`. */
export function recall(store: Store, network: string, nowMs: number, withinMs = REMEMBER_MS): Remembered | null {
  try {
    const kept = JSON.parse(store.getItem(KEY) ?? "null") as Partial<Remembered> | null;
    if (!kept || kept.network !== network) return null;
    const { up_bps, down_bps, at_ms } = kept;
    if (!isRate(up_bps) || !isRate(down_bps) || typeof at_ms !== "number") return null;
    const ageMs = nowMs - at_ms;
    if (ageMs < 0 || ageMs > withinMs) return null;
    return { up_bps, down_bps, at_ms, network, path: kept.path ?? null };
  } catch {
    return null;
  }
}

export function remember(store: Store, link: Remembered): void {
  try {
    store.setItem(KEY, JSON.stringify(link));
  } catch {
    // No storage: the next visit begins as on an unknown link.
  }
}

function isRate(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value > 0 && value <= 1_000_000_000;
}

/** Rates are proven over so long: a burst out of a queue is not a rate. */
const PROOF_MS = 4_000;
/** Proofs older than this say nothing about the link of now. */
const KEEP_MS = 60_000;

/** Watches what a leg's link carries. Holds numbers only. */
export class Carried {
  private marks: { atMs: number; sent: number; received: number }[] = [];
  private proofs: { atMs: number; up: number; down: number }[] = [];
  private outBps: number | null = null;
  path: Path | null = null;

  note(reading: Reading, nowMs: number): void {
    const last = this.marks.at(-1);
    if (last && (reading.bytesSent < last.sent || reading.bytesReceived < last.received)) this.marks = [];
    this.marks.push({ atMs: nowMs, sent: reading.bytesSent, received: reading.bytesReceived });
    this.outBps = reading.outBps;
    this.path = reading.path;
    const [first] = this.marks;
    if (!first || nowMs - first.atMs < PROOF_MS) return;
    const seconds = (nowMs - first.atMs) / 1000;
    this.proofs.push({
      atMs: nowMs,
      up: ((reading.bytesSent - first.sent) * 8) / seconds,
      down: ((reading.bytesReceived - first.received) * 8) / seconds,
    });
    this.proofs = this.proofs.filter((proof) => nowMs - proof.atMs <= KEEP_MS);
    this.marks = this.marks.slice(-1);
  }

  /**
   * What the link carries, bit/s; null before there is a proof. Up is the browser's own estimate where it has one;
   * down is only what came, so at least that.
   */
  get rates(): LinkMemory | null {
    if (this.proofs.length === 0) return null;
    const up = this.outBps ?? Math.max(...this.proofs.map((proof) => proof.up));
    return { up_bps: Math.round(up), down_bps: Math.round(Math.max(...this.proofs.map((proof) => proof.down))) };
  }
}
