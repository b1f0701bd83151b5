import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LinkTest, TEST_MS, type TestBench } from "../src/media/linktest.ts";

const track = { stop: vi.fn() };
const context = {
  createImageData: (width: number, height: number) => ({ data: new Uint8ClampedArray(width * height * 4) }),
  putImageData: () => undefined,
  drawImage: vi.fn(),
};
const page = {
  hidden: false,
  createElement: () => ({
    getContext: () => context,
    captureStream: () => ({ getVideoTracks: () => [track] }),
  }),
};

function bench() {
  const sent: (number | null)[] = [];
  const own: TestBench & { estimate: number } = {
    estimate: 0,
    send: (test) => void sent.push(test ? test.shape.bitrate_bps : null),
    outBps: () => own.estimate,
    changed: vi.fn(),
  };
  return { own, sent };
}

function store(): Pick<Storage, "getItem" | "setItem"> {
  const kept = new Map<string, string>();
  return { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => void kept.set(key, value) };
}

describe("LinkTest", () => {
  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal("document", page);
    page.hidden = false;
    vi.clearAllMocks();
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it("begins low, follows the estimate up, and takes its picture off after its time", () => {
    const { own, sent } = bench();
    const test = new LinkTest(own, store());
    test.follow("v", true);
    expect(test.running).toBe(true);
    own.estimate = 2_000_000;
    vi.advanceTimersByTime(TEST_MS);
    expect(sent).toEqual([100_000, 200_000, 400_000, 800_000, 1_200_000, null]);
    expect(test.running).toBe(false);
    expect(track.stop).toHaveBeenCalledTimes(1);
    const drawn = context.drawImage.mock.calls.length;
    vi.advanceTimersByTime(1000);
    expect(context.drawImage).toHaveBeenCalledTimes(drawn);
  });

  it("ends at once when the visit is accepted", () => {
    const { own, sent } = bench();
    const test = new LinkTest(own, store());
    test.follow("v", true);
    test.follow("v", false);
    expect(sent).toEqual([100_000, null]);
    expect(test.running).toBe(false);
  });

  it("is made once in a visit, reload or not, and again in the next", () => {
    const { own, sent } = bench();
    const kept = store();
    new LinkTest(own, kept).follow("v", true);
    vi.advanceTimersByTime(TEST_MS);
    new LinkTest(own, kept).follow("v", true);
    expect(sent).toEqual([100_000, null]);
    new LinkTest(own, kept).follow("w", true);
    expect(sent).toEqual([100_000, null, 100_000]);
  });

  it("can be skipped before and while it runs", () => {
    const { own, sent } = bench();
    const test = new LinkTest(own, store());
    test.skip("v");
    test.follow("v", true);
    expect(sent).toEqual([]);
    test.follow("w", true);
    test.skip("w");
    test.follow("w", true);
    expect(sent).toEqual([100_000, null]);
  });

  it("waits for a hidden page to be seen, and ends when it is hidden", () => {
    const { own, sent } = bench();
    const test = new LinkTest(own, store());
    page.hidden = true;
    test.follow("v", true);
    expect(test.running).toBe(false);
    page.hidden = false;
    test.follow("v", true);
    expect(test.running).toBe(true);
    page.hidden = true;
    vi.advanceTimersByTime(1000);
    expect(sent).toEqual([100_000, null]);
  });

  it("does nothing where no picture can be made", () => {
    vi.stubGlobal("document", { hidden: false, createElement: () => ({}) });
    const { own, sent } = bench();
    const test = new LinkTest(own, store());
    test.follow("v", true);
    expect(test.running).toBe(false);
    expect(sent).toEqual([]);
  });
});
