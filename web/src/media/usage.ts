import type { Reading } from "./reading.ts";

/** IPv4 and UDP headers, which no browser counts. */
const HEADER_BYTES = 28;
/** Where packets are not counted either: so much more than the bytes. A thin voice is a third, a full picture 3 %. */
const HEADER_SHARE = 0.08;
/** A minute's cost is judged from so much time, so that a keyframe does not make it jump. */
const WINDOW_MS = 20_000;
const KEY = "puente.usage";

type Store = Pick<Storage, "getItem" | "setItem">;
type Totals = Pick<Reading, "bytesReceived" | "bytesSent" | "packetsReceived" | "packetsSent">;

/** What a connection has moved over the network, headers estimated. */
export function moved({ bytesReceived, bytesSent, packetsReceived, packetsSent }: Totals): number {
  const bytes = bytesReceived + bytesSent;
  const packets = packetsReceived + packetsSent;
  return packets > 0 ? bytes + packets * HEADER_BYTES : Math.round(bytes * (1 + HEADER_SHARE));
}

/** The data meter of a visit: bytes both ways, over reconnects and, kept by the tab, over reloads. */
export class Usage {
  bytes = 0;
  private visit: string | null = null;
  /** What the connection of now had moved when last looked at. */
  private seen = 0;
  private marks: { atMs: number; bytes: number }[] = [];

  constructor(private readonly store: Store) {}

  /** Counts for this visit from now on; a reload goes on where it was. */
  follow(visit: string): void {
    if (visit === this.visit) return;
    this.visit = visit;
    this.bytes = this.kept(visit);
    this.marks = [];
  }

  /** Takes in a reading of the connection there is now. */
  note(totals: Totals, nowMs: number): void {
    const total = moved(totals);
    // A changed path or another connection counts from zero.
    this.bytes += total >= this.seen ? total - this.seen : total;
    this.seen = total;
    this.marks.push({ atMs: nowMs, bytes: this.bytes });
    while (this.marks.length > 2 && nowMs - (this.marks[1]?.atMs ?? nowMs) >= WINDOW_MS) this.marks.shift();
  }

  /** The connection is gone; the next one begins at zero. */
  reset(): void {
    this.seen = 0;
  }

  /** What a minute costs now; null before five seconds of it are known. */
  get perMinute(): number | null {
    const [first] = this.marks;
    const last = this.marks.at(-1);
    if (!first || !last || last.atMs - first.atMs < 5_000) return null;
    return Math.round(((last.bytes - first.bytes) * 60_000) / (last.atMs - first.atMs));
  }

  /** Keeps the sum for a reload. */
  keep(): void {
    if (this.visit === null) return;
    try {
      this.store.setItem(KEY, JSON.stringify([this.visit, this.bytes]));
    } catch {
      // No storage: a reload counts from zero.
    }
  }

  private kept(visit: string): number {
    try {
      const [of, bytes] = JSON.parse(this.store.getItem(KEY) ?? "[]") as [unknown?, unknown?];
      return of === visit && typeof bytes === "number" && bytes >= 0 ? bytes : 0;
    } catch {
      return 0;
    }
  }
}
