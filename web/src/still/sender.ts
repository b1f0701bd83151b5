import type { Connection } from "../live/connection.ts";
import type { StillKind } from "../protocol.ts";
import { pieceBytes, pieceMs, type Still } from "./budget.ts";

/** What the sender asks of the page around it. */
export interface SenderAsks {
  request: Connection<never, never>["request"];
  /** The server can be asked now. */
  canAsk(): boolean;
  /** Bit/s that stills may take now. */
  rateBps(): number;
  /** How far a still is, 0…1; 1: the server has all of it. */
  progress(still: Still, share: number): void;
  sleep(ms: number): Promise<void>;
  now(): number;
}

interface Step {
  /** Where to go on; null: to be asked. */
  offset: number | null;
  /** `useless`: the server said no, or stayed where it was. */
  outcome: "moved" | "asked" | "useless" | "interrupted";
  waitMs: number;
}

/** One of each may wait: what was asked for goes first, the original last. */
const ORDER: StillKind[] = ["document", "view", "original"];
const RETRY_MS = 1_000;
/** So many refusals in a row of one still, and it is given up: the server does not want it. */
const MOST_REFUSALS = 5;
/**
 * Pieces on their way at a time. With one, each waited for the answer to that before: where one packet in fourteen is lost
 * TCP needs a second and more to notice that the last one was, and a still of six pieces took 15 s instead of 4.
 */
const UNANSWERED = 3;

type Refusal = { error: { code: string; retry_ms: number | null } };

function refusedStep({ error }: Refusal): Step {
  const passing = error.code === "unavailable" || error.code === "rate_limited";
  return { offset: null, outcome: passing ? "interrupted" : "useless", waitMs: error.retry_ms ?? RETRY_MS };
}

/**
 * Sends stills in pieces, in order and no faster than the link bears. At most one of each kind waits; a newer one
 * takes the place of one that has not begun. After a loss it asks where to go on (`still.begin` again).
 */
export class StillSender {
  private readonly waiting = new Map<StillKind, Still>();
  private running = false;
  private stopped = false;
  /** The one of which the server has a part: it is finished before a newer one of its kind, or none would ever be. */
  private begun: Still | null = null;

  constructor(private readonly asks: SenderAsks) {}

  /** A still of this kind is waiting or on its way. */
  busy(kind: StillKind): boolean {
    return this.waiting.has(kind) || this.begun?.kind === kind;
  }

  send(still: Still): void {
    this.stopped = false;
    this.waiting.set(still.kind, still);
    void this.run();
  }

  /** Gives up what waits of a kind: the moving picture is back, so nobody needs the view. */
  drop(kind: StillKind): void {
    this.waiting.delete(kind);
    if (this.begun?.kind === kind) this.begun = null;
  }

  /** The visit is over. */
  stop(): void {
    this.stopped = true;
    this.waiting.clear();
    this.begun = null;
  }

  private async run(): Promise<void> {
    if (this.running) return;
    this.running = true;
    for (let still = this.next(); still; still = this.next()) await this.carry(still);
    this.running = false;
  }

  private next(): Still | null {
    const first = ORDER.find((kind) => this.begun?.kind === kind || this.waiting.has(kind));
    if (!first || this.stopped) return null;
    if (this.begun?.kind === first) return this.begun;
    // Another kind was interrupted: it waits for its turn again, unless a newer one of it has come.
    if (this.begun && !this.waiting.has(this.begun.kind)) this.waiting.set(this.begun.kind, this.begun);
    const still = this.waiting.get(first) ?? null;
    this.waiting.delete(first);
    this.begun = still;
    return still;
  }

  /** Sends a still until the server has it, something more urgent waits, or it is given up. */
  private async carry(still: Still): Promise<void> {
    /** Where to go on; null: to be asked. */
    let offset: number | null = null;
    let refusals = 0;
    while (this.begun === still && !this.preempted(still)) {
      if (!this.asks.canAsk()) {
        offset = null;
        await this.asks.sleep(RETRY_MS);
        continue;
      }
      const step: Step = offset === null ? await this.begin(still) : await this.pieces(still, offset);
      if (this.begun !== still) return;
      offset = step.offset;
      if (step.outcome === "useless") refusals += 1;
      else if (step.outcome === "moved") refusals = 0;
      if (offset === still.bytes.length || refusals >= MOST_REFUSALS) this.begun = null;
      else if (step.waitMs > 0) await this.asks.sleep(step.waitMs);
    }
  }

  /** Asks where to go on. */
  private async begin({ id, type, kind, width, height, bytes }: Still): Promise<Step> {
    const answer = await this.asks.request("still.begin", { id, type, kind, width, height, bytes: bytes.length });
    if (!answer.ok) return refusedStep(answer);
    return { offset: Math.min(bytes.length, Math.max(0, answer.offset)), outcome: "asked", waitMs: 0 };
  }

  /** Sends pieces at the link's rate, until all are there or something is in the way. */
  private async pieces(still: Still, from: number): Promise<Step> {
    const { id, bytes } = still;
    const unanswered = new Set<Promise<void>>();
    const seen: { offset: number; stop: Step | null } = { offset: from, stop: null };
    const part = async (offset: number, data: Uint8Array<ArrayBuffer>) => {
      const answer = await this.asks.request("still.part", { id, offset, data });
      if (!answer.ok) seen.stop ??= refusedStep(answer);
      else if (answer.offset !== offset + data.length) seen.stop ??= { offset: null, outcome: "useless", waitMs: 0 };
      else {
        seen.offset = answer.offset;
        if (this.begun === still) this.asks.progress(still, answer.offset / bytes.length);
      }
    };
    for (let next = from; next < bytes.length && this.mayGoOn(still) && !seen.stop; ) {
      const [startedMs, rateBps] = [this.asks.now(), this.asks.rateBps()];
      const data = bytes.slice(next, next + pieceBytes(rateBps));
      const sent: Promise<void> = part(next, data).finally(() => unanswered.delete(sent));
      unanswered.add(sent);
      next += data.length;
      if (unanswered.size >= UNANSWERED) await Promise.race(unanswered);
      const waitMs = pieceMs(data.length, rateBps) - (this.asks.now() - startedMs);
      if (next < bytes.length && waitMs > 0) await this.asks.sleep(waitMs);
    }
    await Promise.all(unanswered);
    if (seen.offset > from) return { offset: seen.offset, waitMs: 0, ...seen.stop, outcome: "moved" };
    return seen.stop ?? { offset: from, outcome: "interrupted", waitMs: 0 };
  }

  private mayGoOn(still: Still): boolean {
    return this.begun === still && this.asks.canAsk() && !this.preempted(still);
  }

  private preempted(still: Still): boolean {
    const mine = ORDER.indexOf(still.kind);
    return ORDER.some((kind, rank) => rank < mine && this.waiting.has(kind));
  }
}
