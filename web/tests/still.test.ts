import { describe, expect, it, vi } from "vitest";
import type { StillKind, StillView } from "../src/protocol.ts";
import {
  budgetBytes,
  firstShape,
  longestSide,
  nextShape,
  pieceBytes,
  pieceMs,
  type Still,
  scaled,
  stillRateBps,
  TRIES,
} from "../src/still/budget.ts";
import { newest, type ReceivedStill, StillReceiver } from "../src/still/receiver.ts";
import { StillSender } from "../src/still/sender.ts";
import { wantsViews } from "../src/still/stills.ts";

describe("the budget of a still", () => {
  it("is what the link carries well before the next view, within bounds", () => {
    expect(budgetBytes("view", 12_000)).toBe(4_500);
    expect(budgetBytes("view", 100)).toBe(1_600);
    expect(budgetBytes("view", 10_000_000)).toBe(40_000);
  });

  it("is larger for what was asked for, and the protocol's for an original", () => {
    expect(budgetBytes("document", 4_000)).toBe(24_000);
    expect(budgetBytes("document", 20_000)).toBe(50_000);
    expect(budgetBytes("document", 1_000_000)).toBe(60_000);
    expect(budgetBytes("original", 1)).toBeLessThan(4 << 20);
  });

  it("starts as large as the source and the budget allow", () => {
    expect(firstShape("view", 640, 360, 40_000).longSide).toBe(640);
    expect(firstShape("view", 640, 360, 5_000).longSide).toBeLessThan(320);
    expect(firstShape("document", 4000, 3000, 60_000).longSide).toBe(1280);
    expect(firstShape("original", 4000, 3000, 4_000_000)).toEqual({ longSide: 4000, quality: 0.92 });
  });

  it("ends under the budget in the tries it has, and uses most of it", () => {
    // An encoder whose bytes follow pixels and quality, as encoders do, on pictures from plain to full of detail.
    for (const detail of [0.02, 0.05, 0.15, 0.3, 0.6]) {
      for (const [kind, budget] of [
        ["view", 4_000],
        ["view", 20_000],
        ["document", 24_000],
        ["document", 60_000],
      ] as [StillKind, number][]) {
        const longest = longestSide(kind, 1920, 1080);
        let shape: ReturnType<typeof nextShape> = firstShape(kind, 1920, 1080, budget);
        let [fits, side] = [0, 0];
        for (let tries = 0; shape && tries < TRIES; tries++) {
          const { width, height } = scaled(1920, 1080, shape.longSide);
          const bytes = width * height * detail * shape.quality ** 0.9;
          if (bytes <= budget && bytes > fits) [fits, side] = [bytes, shape.longSide];
          shape = nextShape(shape, bytes, budget, longest);
        }
        expect(fits, `${kind} ${budget} ${detail}`).toBeGreaterThan(0);
        expect(fits > budget * 0.4 || side === longest, `${kind} ${budget} ${detail}`).toBe(true);
      }
    }
  });

  it("makes even the smallest picture rougher before it gives up", () => {
    const rough = nextShape({ longSide: 160, quality: 0.7 }, 20_000, 4_000, 640);
    expect(rough).toEqual({ longSide: 160, quality: 0.35 });
    expect(nextShape({ longSide: 160, quality: 0.35 }, 20_000, 4_000, 640)).toBeNull();
  });

  it("never makes a picture larger than it is", () => {
    expect(scaled(640, 360, 1600)).toEqual({ width: 640, height: 360 });
    expect(scaled(1000, 3, 100)).toEqual({ width: 100, height: 1 });
  });

  it("cuts pieces that hold the link for less than half a second", () => {
    expect(pieceBytes(40_000)).toBe(2_000);
    expect(pieceBytes(0)).toBe(512);
    expect(pieceBytes(10_000_000)).toBe(16_384);
    expect(pieceMs(2_000, 40_000)).toBe(400);
  });

  it("leaves a little for what was asked for where nothing is set aside", () => {
    expect(stillRateBps(null)).toBeGreaterThan(0);
    expect(stillRateBps({ rung: 1, stills_bps: 0 })).toBe(4_000);
    expect(stillRateBps({ rung: 2, stills_bps: 15_000 })).toBe(15_000);
  });
});

/** A server that takes stills, a link that can be cut, and a clock that only sleeping moves. */
class FakeServer {
  nowMs = 0;
  up = true;
  got = new Map<string, { kind: StillKind; bytes: number[]; whole: number }>();
  log: string[] = [];
  /** Called before each piece: to cut the link or to send another still meanwhile. */
  meanwhile: (() => void) | null = null;
  progress: number[] = [];

  sender(rateBps = 40_000): StillSender {
    return new StillSender({
      request: this.request as never,
      canAsk: () => this.up,
      rateBps: () => rateBps,
      progress: (_, share) => this.progress.push(share),
      sleep: async (ms) => {
        this.nowMs += ms;
        if (!this.up) this.up = true;
        await Promise.resolve();
      },
      now: () => this.nowMs,
    });
  }

  private readonly request = async (event: string, payload: Record<string, unknown>) => {
    const id = payload.id as string;
    await Promise.resolve();
    if (event === "still.begin") {
      this.log.push(`begin ${id}`);
      if (!this.got.has(id)) {
        this.got.set(id, { kind: payload.kind as StillKind, bytes: [], whole: payload.bytes as number });
      }
      return { ok: true, offset: this.got.get(id)?.bytes.length ?? 0 };
    }
    this.meanwhile?.();
    const still = this.got.get(id);
    if (!this.up || !still) return { ok: false, error: { code: "unavailable", message: "", retry_ms: null } };
    if (payload.offset !== still.bytes.length) return { ok: true, offset: still.bytes.length };
    still.bytes.push(...(payload.data as Uint8Array));
    this.log.push(`part ${id} ${payload.offset}`);
    return { ok: true, offset: still.bytes.length };
  };
}

const still = (id: string, kind: StillKind, bytes: number): Still => ({
  id,
  kind,
  type: "image/webp",
  width: 4,
  height: 3,
  bytes: Uint8Array.from({ length: bytes }, (_, i) => i % 251),
});

const settled = async (done: () => boolean) => {
  for (let i = 0; i < 2_000 && !done(); i++) await Promise.resolve();
  expect(done()).toBe(true);
};

describe("the sender", () => {
  it("sends all of a still in order and keeps the rate", async () => {
    const server = new FakeServer();
    const sender = server.sender(40_000);
    const picture = still("one", "view", 10_000);
    sender.send(picture);
    await settled(() => !sender.busy("view"));
    expect(server.got.get("one")?.bytes).toEqual([...picture.bytes]);
    expect(server.log.filter((line) => line.startsWith("part"))).toHaveLength(5);
    // Five pieces of 400 ms; after the last there is nothing to wait for.
    expect(server.nowMs).toBe(1_600);
    expect(server.progress.at(-1)).toBe(1);
  });

  it("asks where to go on after a cut, and sends nothing twice", async () => {
    const server = new FakeServer();
    const sender = server.sender();
    let pieces = 0;
    server.meanwhile = () => {
      pieces += 1;
      if (pieces === 3) server.up = false;
    };
    const picture = still("one", "document", 9_000);
    sender.send(picture);
    await settled(() => !sender.busy("document"));
    expect(server.log.filter((line) => line === "begin one")).toHaveLength(2);
    expect(server.log.filter((line) => line === "part one 4000")).toHaveLength(1);
    expect(server.got.get("one")?.bytes).toEqual([...picture.bytes]);
  });

  it("replaces a view that has not begun, and finishes the one that has", async () => {
    const server = new FakeServer();
    const sender = server.sender();
    server.meanwhile = () => {
      server.meanwhile = null;
      sender.send(still("two", "view", 3_000));
      sender.send(still("three", "view", 3_000));
    };
    sender.send(still("one", "view", 6_000));
    await settled(() => !sender.busy("view"));
    expect([...server.got.keys()]).toEqual(["one", "three"]);
    expect(server.got.get("one")?.bytes).toHaveLength(6_000);
  });

  it("lets a document overtake a view and goes on with the view after it", async () => {
    const server = new FakeServer();
    const sender = server.sender();
    server.meanwhile = () => {
      server.meanwhile = null;
      sender.send(still("doc", "document", 4_000));
    };
    sender.send(still("view", "view", 6_000));
    await settled(() => !sender.busy("view") && !sender.busy("document"));
    const parts = server.log.filter((line) => line.startsWith("part"));
    expect(parts.map((line) => line.split(" ")[1])).toEqual(["view", "doc", "doc", "view", "view"]);
    expect(server.got.get("view")?.bytes).toHaveLength(6_000);
  });

  it("has a few pieces under way at a time, and never more", async () => {
    const held: (() => void)[] = [];
    const sender = new StillSender({
      request: (async (event: string, { offset = 0, data }: { offset?: number; data?: Uint8Array }) => {
        if (event === "still.part") await new Promise<void>((answer) => held.push(answer));
        return { ok: true, offset: offset + (data?.length ?? 0) };
      }) as never,
      canAsk: () => true,
      rateBps: () => 8_000,
      progress: () => undefined,
      sleep: async () => undefined,
      now: () => 0,
    });
    sender.send(still("one", "view", 4_096));
    await settled(() => held.length === 3);
    held.shift()?.();
    await settled(() => held.length === 3);
    for (let left = 6; left > 0; left -= 1) {
      await settled(() => held.length > 0);
      held.shift()?.();
    }
    await settled(() => held.length === 1);
    held.shift()?.();
    await settled(() => !sender.busy("view"));
  });

  it("gives a still up that the server refuses, and goes on with the next", async () => {
    const refuse = vi.fn(async () => ({ ok: false, error: { code: "not_allowed", message: "", retry_ms: 1 } }));
    const sender = new StillSender({
      request: refuse as never,
      canAsk: () => true,
      rateBps: () => 8_000,
      progress: () => undefined,
      sleep: async () => undefined,
      now: () => 0,
    });
    sender.send(still("one", "view", 5_000));
    await settled(() => !sender.busy("view"));
    expect(refuse).toHaveBeenCalledTimes(5);
    sender.send(still("doc", "document", 5_000));
    await settled(() => !sender.busy("document"));
    expect(refuse).toHaveBeenCalledTimes(10);
  });

  it("gives up on a server that never moves on", async () => {
    const stuck = vi.fn(async () => ({ ok: true, offset: 0 }));
    const sender = new StillSender({
      request: stuck as never,
      canAsk: () => true,
      rateBps: () => 8_000,
      progress: () => undefined,
      sleep: async () => undefined,
      now: () => 0,
    });
    sender.send(still("one", "view", 5_000));
    await settled(() => !sender.busy("view"));
    expect(stuck.mock.calls.length).toBeLessThan(25);
  });

  it("forgets a view nobody needs any more, and everything when the visit is over", async () => {
    const server = new FakeServer();
    const sender = server.sender();
    server.meanwhile = () => sender.drop("view");
    sender.send(still("one", "view", 60_000));
    await settled(() => server.log.length > 1 && !sender.busy("view"));
    server.meanwhile = () => sender.stop();
    sender.send(still("two", "original", 60_000));
    await settled(() => server.got.has("two") && !sender.busy("original"));
    expect(server.got.get("two")?.bytes.length).toBeLessThan(60_000);
  });
});

/** A server that has stills, as far as they have come to it. */
class FakeStore {
  up = true;
  has = new Map<string, Uint8Array>();
  wants: string[] = [];
  gone: string[] = [];
  asleep = 0;
  onSleep: (() => void) | null = null;
  readonly receiver = new StillReceiver({
    request: (async (_: string, { id, offset }: { id: string; offset: number }) => {
      this.wants.push(`${id} ${offset}`);
      await Promise.resolve();
      const bytes = this.has.get(id);
      if (!bytes) return { ok: false, error: { code: "stale", message: "", retry_ms: null } };
      // As browsers hand it over: an ArrayBuffer.
      return { ok: true, id, offset, data: bytes.slice(offset, offset + 1_000).buffer };
    }) as never,
    canAsk: () => this.up,
    pieceBytes: () => 1_000,
    sleep: async () => {
      this.asleep += 1;
      this.onSleep?.();
      await Promise.resolve();
    },
    show: (bytes) => `blob:${bytes.length}:${bytes[1]}`,
    forget: (url) => this.gone.push(url),
    whole: () => undefined,
    changed: () => undefined,
  });

  view(id: string, atMs: number, bytes = 2_500, kind: StillKind = "view", have = bytes): StillView {
    return { id, type: "image/webp", bytes, width: 4, height: 3, kind, have, at_ms: atMs };
  }

  put(id: string, bytes = 2_500, fill = 7): void {
    this.has.set(id, new Uint8Array(bytes).fill(fill));
  }

  url = (id: string) => this.receiver.stills.find((one) => one.id === id)?.url ?? null;
}

describe("the receiver", () => {
  it("asks for two pieces at a time, as far as the server has them", async () => {
    const asked: number[] = [];
    let answer: (() => void)[] = [];
    const receiver = new StillReceiver({
      request: (async (_: string, { id, offset }: { id: string; offset: number }) => {
        asked.push(offset);
        await new Promise<void>((done) => answer.push(done));
        return { ok: true, id, offset, data: new Uint8Array(100) };
      }) as never,
      canAsk: () => true,
      pieceBytes: () => 100,
      sleep: async () => undefined,
      show: () => "blob:x",
      forget: () => undefined,
      whole: () => undefined,
      changed: () => undefined,
    });
    receiver.heard({ id: "a", type: "image/webp", bytes: 400, width: 4, height: 3, kind: "view", have: 300, at_ms: 1 });
    for (const expected of [
      [0, 100],
      [0, 100, 200],
    ]) {
      await settled(() => asked.length === expected.length);
      expect(asked).toEqual(expected);
      const due = answer;
      answer = [];
      for (const done of due) done();
    }
    receiver.close();
  });

  it("fetches a still piece by piece and shows it once it is whole", async () => {
    const store = new FakeStore();
    store.put("one");
    store.receiver.heard(store.view("one", 1));
    await settled(() => store.url("one") !== null);
    expect(store.url("one")).toBe("blob:2500:7");
    expect(store.wants).toEqual(["one 0", "one 1000", "one 2000"]);
  });

  it("goes on where it was after a cut", async () => {
    const store = new FakeStore();
    store.put("one", 1_500);
    store.receiver.heard(store.view("one", 1, 2_500, "view", 1_500));
    store.onSleep = () => {
      store.up = store.asleep !== 2;
      if (store.asleep > 3) store.put("one");
    };
    await settled(() => store.url("one") !== null);
    expect(store.wants.filter((want) => want === "one 0")).toHaveLength(1);
    expect(store.url("one")).toBe("blob:2500:7");
  });

  it("fetches what was asked for first, and drops views that were overtaken", async () => {
    const store = new FakeStore();
    for (const id of ["old", "new", "doc"]) store.put(id);
    store.up = false;
    let started = false;
    store.onSleep = () => {
      store.up = started;
    };
    store.receiver.heard(store.view("old", 1));
    store.receiver.heard(store.view("new", 2));
    store.receiver.heard(store.view("doc", 1, 2_500, "document"));
    started = true;
    await settled(() => store.url("new") !== null && store.url("doc") !== null);
    expect(store.wants[0]).toBe("doc 0");
    expect(store.receiver.stills.map((one) => one.id)).toEqual(["new", "doc"]);
  });

  it("keeps ten, views go first, and every address is given back", async () => {
    const store = new FakeStore();
    store.put("doc");
    store.receiver.heard(store.view("doc", 0, 2_500, "document"));
    await settled(() => store.url("doc") !== null);
    for (let n = 1; n <= 14; n++) {
      store.put(`v${n}`, 900, n);
      store.receiver.heard(store.view(`v${n}`, n, 900));
      await settled(() => store.url(`v${n}`) !== null);
    }
    expect(store.receiver.stills).toHaveLength(10);
    expect(store.url("doc")).not.toBeNull();
    expect(store.gone).toHaveLength(5);
    store.receiver.close();
    expect(store.gone).toHaveLength(15);
    expect(store.receiver.stills).toEqual([]);
  });

  it("gives up on what never comes, and on what the server no longer has", async () => {
    const store = new FakeStore();
    store.put("never", 0);
    store.receiver.heard(store.view("never", 1, 2_500, "view", 0));
    store.receiver.heard(store.view("unknown", 2));
    await settled(() => store.receiver.stills.length === 0);
    expect(store.wants.length).toBeLessThan(100);
  });

  it("does not fetch again what a snapshot still names", async () => {
    const store = new FakeStore();
    for (const id of ["old", "new"]) store.put(id);
    store.receiver.heard(store.view("new", 2));
    store.receiver.heard(store.view("old", 1));
    await settled(() => store.receiver.stills.length === 1 && store.url("new") !== null);
    const wants = store.wants.length;
    for (const id of ["old", "new"]) store.receiver.heard(store.view(id, id === "new" ? 2 : 1));
    await settled(() => true);
    expect(store.wants).toHaveLength(wants);
    expect(store.receiver.stills.map((one) => one.id)).toEqual(["new"]);
  });

  it("takes no still that is larger than the protocol allows", () => {
    const store = new FakeStore();
    store.receiver.heard(store.view("huge", 1, 5 << 20));
    expect(store.receiver.stills).toEqual([]);
  });
});

describe("which still is shown", () => {
  const one = (id: string, atMs: number, url: string | null, kind: StillKind = "view"): ReceivedStill => ({
    id,
    kind,
    width: 4,
    height: 3,
    atMs,
    share: url ? 1 : 0.4,
    url,
  });

  it("is the newest that is whole, with the one that comes after it", () => {
    const { shown, coming } = newest([one("c", 3, null), one("b", 2, "b"), one("a", 1, "a")]);
    expect([shown?.id, coming?.id]).toEqual(["b", "c"]);
    expect(newest([one("o", 4, "o", "original"), one("a", 1, "a")]).shown?.id).toBe("a");
    expect(newest([])).toEqual({ shown: null, coming: null });
  });
});

describe("views are sent by themselves", () => {
  const limits = { rung: 2, stills_bps: 8_000 } as never;
  const camera = { video: {} } as never;

  it("only at the stills rung, with a camera, and when both want pictures", () => {
    expect(wantsViews({ sends: limits, voiceOnly: false, devices: camera }, null)).toBe(true);
    expect(wantsViews({ sends: null, voiceOnly: false, devices: camera }, null)).toBe(false);
    expect(wantsViews({ sends: limits, voiceOnly: true, devices: camera }, null)).toBe(false);
    expect(wantsViews({ sends: limits, voiceOnly: false, devices: { video: null } as never }, null)).toBe(false);
    const other = { peer_media: { microphone: true, camera: false, voice_only: true } } as never;
    expect(wantsViews({ sends: limits, voiceOnly: false, devices: camera }, other)).toBe(false);
  });
});
