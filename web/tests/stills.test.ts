import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Seat } from "../src/call/seat.ts";
import type { CallView, StillKind, StillView } from "../src/protocol.ts";
import { originalId } from "../src/still/receiver.ts";
import { Stills } from "../src/still/stills.ts";

const picture = { width: 1600, height: 1200 };
vi.mock("../src/still/capture.ts", () => ({
  frameOf: vi.fn(async () => picture),
  photoOf: vi.fn(async () => picture),
  encode: vi.fn(async (_: unknown, kind: StillKind, id: string) => ({
    id,
    kind,
    type: "image/webp",
    width: kind === "original" ? 1_600 : 800,
    height: kind === "original" ? 1_200 : 600,
    bytes: new Uint8Array(1_500),
  })),
}));

/** A page's seat and its connection, as far as stills see them; the server takes and keeps all. */
class Page {
  asked: [string, Record<string, unknown>][] = [];
  state = "up";
  camera = { stop: vi.fn() };
  seatView = {
    sends: { rung: 2, stills_bps: 40_000 },
    receives: null,
    voiceOnly: false,
    devices: { video: this.camera as unknown, camera: null },
  };
  private readonly got = new Map<string, number>();
  readonly stills = new Stills(
    { view: this.seatView } as unknown as Seat,
    () => ({ state: this.state, request: this.request }) as never,
    () => undefined,
  );

  call(part: Partial<CallView> = {}): CallView {
    return { stills: [], peer_media: null, ...part } as unknown as CallView;
  }

  begun = () => this.asked.filter(([event]) => event === "still.begin").map(([, payload]) => payload.kind);

  private readonly request = async (event: string, payload: Record<string, unknown>) => {
    this.asked.push([event, payload]);
    const id = payload.id as string;
    if (event === "still.part") this.got.set(id, (this.got.get(id) ?? 0) + (payload.data as Uint8Array).length);
    if (event === "still.want") return { ok: true, id, offset: payload.offset, data: new Uint8Array(1_500) };
    return { ok: true, offset: this.got.get(id) ?? 0 };
  };
}

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
let page: Page;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("URL", { createObjectURL: () => "blob:x", revokeObjectURL: vi.fn() });
  page = new Page();
  page.stills.follow(page.call(), true);
});
afterEach(() => {
  page.stills.follow(null, false);
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("views", () => {
  it("go by themselves every five seconds or so while the link has room for nothing else", async () => {
    await pass(31_000);
    expect(page.begun().length).toBeGreaterThanOrEqual(5);
    expect(page.begun().length).toBeLessThanOrEqual(7);
    expect(new Set(page.begun())).toEqual(new Set(["view"]));
  });

  it("end with the rung, with the camera, and with the visit", async () => {
    await pass(2_000);
    expect(page.begun()).toHaveLength(1);
    page.seatView.sends = { rung: 3, stills_bps: 40_000 };
    await pass(30_000);
    page.seatView.sends = { rung: 2, stills_bps: 40_000 };
    page.seatView.devices.video = null;
    await pass(30_000);
    page.seatView.devices.video = page.camera;
    page.stills.follow(page.call(), false);
    await pass(30_000);
    expect(page.begun()).toHaveLength(1);
    page.stills.follow(null, false);
    await pass(30_000);
    expect(page.begun()).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("a photograph that was asked for", () => {
  beforeEach(() => {
    page.seatView.sends = { rung: 1, stills_bps: 0 };
  });

  it("is seen coming, sent, and told", async () => {
    page.stills.asked({ id: null });
    expect(page.stills.view.prompt).toMatchObject({ step: "count", own: false });
    expect(page.begun()).toEqual([]);
    await page.stills.take();
    expect(page.stills.view.prompt).toBeNull();
    await pass(5_000);
    expect(page.begun()).toEqual(["document"]);
    expect(page.stills.view.word?.key).toBe("sent");
    expect(page.stills.view.sending).toBeNull();
    // The camera of the call is not ours to turn off.
    expect(page.camera.stop).not.toHaveBeenCalled();
  });

  it("is not taken when the person says no", async () => {
    page.stills.asked({ id: null });
    page.stills.refuse();
    await page.stills.take();
    await pass(5_000);
    expect(page.begun()).toEqual([]);
    expect(page.asked.map(([event]) => event)).toContain("still.refuse");
  });

  it("is no longer waited for when the other side says no", async () => {
    page.stills.refused();
    expect(page.stills.view.word).toBeNull();
    await page.stills.ask();
    expect(page.stills.view.waiting).toBe(true);
    page.stills.refused();
    expect(page.stills.view).toMatchObject({ waiting: false, word: { key: "refused" } });
  });

  it("asks before it turns a camera on, and turns it off again", async () => {
    page.seatView.devices.video = null;
    const stop = vi.fn();
    vi.stubGlobal("navigator", {
      mediaDevices: { getUserMedia: async () => ({ getVideoTracks: () => [{ stop }] }) },
    });
    page.stills.asked({ id: null });
    expect(page.stills.view.prompt).toEqual({ step: "ask" });
    await page.stills.openCamera();
    expect(page.stills.view.prompt).toMatchObject({ step: "count", own: true });
    await page.stills.take();
    await pass(5_000);
    expect(stop).toHaveBeenCalledOnce();
    expect(page.begun()).toEqual(["document"]);
  });

  it("turns the camera off again when the call is lost meanwhile", async () => {
    page.seatView.devices.video = null;
    const stop = vi.fn();
    vi.stubGlobal("navigator", {
      mediaDevices: { getUserMedia: async () => ({ getVideoTracks: () => [{ stop }] }) },
    });
    page.stills.asked({ id: null });
    await page.stills.openCamera();
    page.stills.follow(page.call(), false);
    expect(stop).toHaveBeenCalledOnce();
    expect(page.stills.view.prompt).toBeNull();
  });

  it("lets go of a camera that opens after the person has said no", async () => {
    page.seatView.devices.video = null;
    const stop = vi.fn();
    vi.stubGlobal("navigator", {
      mediaDevices: { getUserMedia: async () => ({ getVideoTracks: () => [{ stop }] }) },
    });
    page.stills.asked({ id: null });
    const opening = page.stills.openCamera();
    page.stills.refuse();
    await opening;
    expect(stop).toHaveBeenCalledOnce();
    expect(page.stills.view.prompt).toBeNull();
  });

  it("sends the original when it is asked for, or by itself on a good link", async () => {
    page.stills.asked({ id: null });
    await page.stills.take();
    await pass(5_000);
    const id = page.asked.find(([event]) => event === "still.begin")?.[1].id as string;
    page.stills.asked({ id });
    page.stills.asked({ id: "unknown-id" });
    await pass(5_000);
    expect(page.begun()).toEqual(["document", "original"]);
    expect(page.asked.some(([, payload]) => payload.id === originalId(id))).toBe(true);
    page.seatView.sends = { rung: 5, stills_bps: 0 };
    page.stills.asked({ id: null });
    await page.stills.take();
    await pass(5_000);
    expect(page.begun()).toEqual(["document", "original", "document", "original"]);
  });
});

describe("asking for one", () => {
  const still: StillView = {
    id: "abcdefgh",
    type: "image/webp",
    bytes: 1_500,
    width: 4,
    height: 3,
    kind: "document",
    have: 1_500,
    at_ms: 1,
  };

  it("can be done again once it has come, or after a while", async () => {
    await page.stills.ask();
    expect(page.stills.view.waiting).toBe(true);
    await page.stills.ask();
    expect(page.asked.filter(([event]) => event === "still.ask")).toHaveLength(1);
    page.stills.heard(still);
    await pass(100);
    expect(page.stills.view.waiting).toBe(false);
    expect(page.stills.view.word?.key).toBe("arrived");
    await page.stills.ask();
    await pass(46_000);
    expect(page.stills.view.waiting).toBe(false);
  });

  it("shows after a reload what the snapshot names, once", async () => {
    const call = page.call({ stills: [still] });
    page.stills.follow(call, true);
    await pass(100);
    page.stills.follow({ ...call, stills: [{ ...still }] }, true);
    await pass(100);
    expect(page.stills.view.received.map((one) => one.url)).toEqual(["blob:x"]);
    expect(page.asked.filter(([event]) => event === "still.want")).toHaveLength(1);
  });
});
