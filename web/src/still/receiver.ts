import type { Connection } from "../live/connection.ts";
import type { Refused, StillData, StillKind, StillView } from "../protocol.ts";

/** What the receiver asks of the page around it. */
export interface ReceiverAsks {
  request: Connection<never, never>["request"];
  canAsk(): boolean;
  sleep(ms: number): Promise<void>;
  /** How large a piece the link may be held up with. */
  pieceBytes(): number;
  /** Address of a picture in this page's memory, and its end. */
  show(bytes: Uint8Array<ArrayBuffer>, type: string): string;
  forget(url: string): void;
  /** All of a still is here. */
  whole(still: StillView): void;
  changed(): void;
}

/** A still of the other side, as far as it is here. */
export interface ReceivedStill {
  id: string;
  kind: StillKind;
  width: number;
  height: number;
  atMs: number;
  /** 0…1. */
  share: number;
  /** Its address once all of it is here. */
  url: string | null;
}

interface Entry {
  view: StillView;
  bytes: Uint8Array<ArrayBuffer>;
  have: number;
  url: string | null;
}

/** Pictures kept on the page; the oldest goes first. With originals of 4 MB at most 40 MB. */
const KEPT = 10;
/** The protocol's bound on one. */
const MOST_BYTES = 4 << 20;
const RETRY_MS = 1_500;
/** Ids remembered of stills that are of no use any more: more than a server keeps of a visit. */
const REMEMBERED = 64;
/** An announced still of which nothing has come for so many tries is given up. */
const MOST_EMPTY = 40;

/** Original of a still: its own id, told by this ending. */
const ORIGINAL_ENDING = "-original";
export const originalId = (id: string) => id + ORIGINAL_ENDING;

/** Fetches the other side's stills piece by piece, the most useful first, and keeps the newest. */
export class StillReceiver {
  private readonly entries = new Map<string, Entry>();
  /** Given up, overtaken or too old: a snapshot that still names them does not bring them back. */
  private readonly done = new Set<string>();
  private running = false;
  private empty = 0;

  constructor(private readonly asks: ReceiverAsks) {}

  /** Newest first. */
  get stills(): ReceivedStill[] {
    return this.sorted().map(({ view, have, url }) => ({
      id: view.id,
      kind: view.kind,
      width: view.width,
      height: view.height,
      atMs: view.at_ms,
      share: have / view.bytes,
      url,
    }));
  }

  /** A still was announced, or more of it has reached the server. */
  heard(view: StillView): void {
    const known = this.entries.get(view.id);
    if (known ? view.have <= known.view.have : this.done.has(view.id) || view.bytes > MOST_BYTES) return;
    if (known) known.view = { ...known.view, have: view.have };
    else this.entries.set(view.id, { view, bytes: new Uint8Array(view.bytes), have: 0, url: null });
    this.empty = 0;
    this.trim();
    this.asks.changed();
    void this.run();
  }

  /** The visit is over: nothing of it stays on the page. */
  close(): void {
    for (const id of [...this.entries.keys()]) this.remove(id);
    this.done.clear();
  }

  private async run(): Promise<void> {
    if (this.running) return;
    this.running = true;
    for (let entry = this.next(); entry; entry = this.next()) {
      if (await this.fetch(entry)) continue;
      // Nothing came: the server waits for the sender, or the connection is away.
      this.empty += this.asks.canAsk() ? 1 : 0;
      if (this.empty > MOST_EMPTY) {
        this.remove(entry.view.id);
        this.asks.changed();
        this.empty = 0;
      }
      await this.asks.sleep(RETRY_MS);
    }
    this.running = false;
  }

  /** The next pieces that the server has, two at a time: with one a long round trip is all that sets the pace. */
  private async fetch(entry: Entry): Promise<boolean> {
    if (!this.asks.canAsk()) return false;
    const { id, have: announced } = entry.view;
    const most = this.asks.pieceBytes();
    const offsets = [entry.have, entry.have + most].filter((at, index) => index === 0 || at < announced);
    const answers = offsets.map((offset) => this.asks.request("still.want", { id, offset, max_bytes: most }));
    let came = false;
    for (const answer of answers) came = this.take(entry, await answer) || came;
    if (came) this.asks.changed();
    return came || this.entries.get(id) !== entry;
  }

  /** Puts one piece where it belongs. False: none came, or not the next one. */
  private take(entry: Entry, answer: StillData | Refused): boolean {
    const { id } = entry.view;
    if (this.entries.get(id) !== entry || entry.url !== null) return false;
    if (!answer.ok) {
      // Not there any more: the oldest goes when there are too many.
      if (answer.error.code === "stale") this.remove(id);
      return false;
    }
    // Browsers hand binary over as ArrayBuffer, whatever the type says.
    const data = new Uint8Array(answer.data as ArrayBuffer | Uint8Array);
    if (answer.offset !== entry.have || data.length === 0 || entry.have + data.length > entry.bytes.length)
      return false;
    entry.bytes.set(data, entry.have);
    entry.have += data.length;
    this.empty = 0;
    if (entry.have === entry.bytes.length) {
      entry.url = this.asks.show(entry.bytes, entry.view.type);
      entry.bytes = new Uint8Array(0);
      this.dropOvertaken(entry);
      this.asks.whole(entry.view);
    }
    return true;
  }

  /** What was asked for comes first, then the newest view, then originals. What the server has none of waits. */
  private next(): Entry | null {
    const open = this.sorted().filter((entry) => entry.url === null);
    const rank: Record<StillKind, number> = { document: 0, view: 1, original: 2 };
    open.sort((a, b) => rank[a.view.kind] - rank[b.view.kind] || b.view.at_ms - a.view.at_ms);
    return open.find((entry) => entry.view.have > entry.have) ?? open[0] ?? null;
  }

  /** A view that is older than one that is here is of no use any more. */
  private dropOvertaken(done: Entry): void {
    if (done.view.kind !== "view") return;
    for (const { view, url } of this.sorted()) {
      if (view.kind === "view" && url === null && view.at_ms < done.view.at_ms) this.remove(view.id);
    }
  }

  /** The oldest views go first: documents were asked for. */
  private trim(): void {
    while (this.entries.size > KEPT) {
      const oldest = this.sorted().reverse();
      const out = oldest.find((entry) => entry.view.kind === "view") ?? oldest[0];
      if (out) this.remove(out.view.id);
    }
  }

  private remove(id: string): void {
    const entry = this.entries.get(id);
    if (entry?.url) this.asks.forget(entry.url);
    this.entries.delete(id);
    this.done.add(id);
    for (const old of [...this.done].slice(0, -REMEMBERED)) this.done.delete(old);
  }

  private sorted(): Entry[] {
    return [...this.entries.values()].sort((a, b) => b.view.at_ms - a.view.at_ms);
  }
}

/** The picture in place of the moving one: the newest that is all here, and how far the next is. */
export function newest(stills: ReceivedStill[]): { shown: ReceivedStill | null; coming: ReceivedStill | null } {
  const views = stills.filter((still) => still.kind !== "original");
  const shown = views.find((still) => still.url !== null) ?? null;
  const coming = views.find((still) => still.url === null && (!shown || still.atMs >= shown.atMs)) ?? null;
  return { shown, coming };
}
