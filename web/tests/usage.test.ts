import { describe, expect, it } from "vitest";
import { nextCeiling, testShape } from "../src/media/linktest.ts";
import { Carried, FRESH_MS, REMEMBER_MS, recall, remember } from "../src/media/memory.ts";
import { read } from "../src/media/reading.ts";
import { Usage } from "../src/media/usage.ts";

const EMPTY = read([]);

function store(): Pick<Storage, "getItem" | "setItem"> {
  const kept = new Map<string, string>();
  return { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => void kept.set(key, value) };
}

const totals = (bytes: number, packets: number) => ({
  bytesReceived: bytes / 2,
  bytesSent: bytes / 2,
  packetsReceived: packets / 2,
  packetsSent: packets / 2,
});

describe("Usage", () => {
  it("counts both ways with the headers, over reconnects", () => {
    const usage = new Usage(store());
    usage.follow("v");
    usage.note(totals(1000, 10), 0);
    expect(usage.bytes).toBe(1280);
    usage.note(totals(2000, 20), 500);
    expect(usage.bytes).toBe(2560);
    usage.reset();
    usage.note(totals(1000, 10), 1000);
    expect(usage.bytes).toBe(3840);
    usage.note(totals(100, 0), 1500);
    expect(usage.bytes).toBe(3840 + 108);
  });

  it("goes on after a reload in the same visit, and begins anew in the next", () => {
    const kept = store();
    const before = new Usage(kept);
    before.follow("v");
    before.note(totals(1000, 0), 0);
    before.keep();
    const after = new Usage(kept);
    after.follow("v");
    expect(after.bytes).toBe(1080);
    after.follow("w");
    expect(after.bytes).toBe(0);
  });

  it("bears what somebody else has written there", () => {
    for (const text of ["", "{", "[1]", '["v","x"]', '["v",-1]', "null"]) {
      const usage = new Usage({ getItem: () => text, setItem: () => undefined });
      usage.follow("v");
      expect(usage.bytes).toBe(0);
    }
  });

  it("says what a minute costs, of the last twenty seconds", () => {
    const usage = new Usage(store());
    usage.follow("v");
    usage.note(totals(0, 0), 0);
    usage.note(totals(100_000, 0), 4000);
    expect(usage.perMinute).toBeNull();
    for (let at = 5; at <= 60; at += 1) usage.note(totals(100_000 + at * 1000, 0), at * 1000);
    expect(usage.perMinute).toBe(64_800);
  });
});

describe("LinkMemory", () => {
  const link = { up_bps: 200_000, down_bps: 400_000, at_ms: 1000, network: "cellular", path: "udp" } as const;

  it("recalls a link on the same network until it is old", () => {
    const kept = store();
    expect(recall(kept, "cellular", 1000)).toBeNull();
    remember(kept, link);
    expect(recall(kept, "cellular", 1000 + REMEMBER_MS)).toEqual(link);
    expect(recall(kept, "cellular", 1001 + REMEMBER_MS)).toBeNull();
    expect(recall(kept, "wifi", 1000)).toBeNull();
    expect(recall(kept, "cellular", 1001 + FRESH_MS, FRESH_MS)).toBeNull();
    expect(recall(kept, "cellular", 999)).toBeNull();
  });

  it("never hands on what the server would refuse", () => {
    for (const part of [{ up_bps: 0 }, { up_bps: 1.5 }, { down_bps: 2e9 }, { down_bps: "1" }, { at_ms: null }]) {
      const kept = { getItem: () => JSON.stringify({ ...link, ...part }), setItem: () => undefined };
      expect(recall(kept, "cellular", 1000)).toBeNull();
    }
    expect(recall({ getItem: () => "{", setItem: () => undefined }, "", 0)).toBeNull();
  });

  it("learns what the link carries: the browser's estimate up, or what was sent, and what came down", () => {
    const carried = new Carried();
    expect(carried.rates).toBeNull();
    carried.note({ ...EMPTY, bytesSent: 0, bytesReceived: 0 }, 0);
    carried.note({ ...EMPTY, bytesSent: 50_000, bytesReceived: 100_000, path: "tcp" }, 4000);
    expect(carried.rates).toEqual({ up_bps: 100_000, down_bps: 200_000 });
    expect(carried.path).toBe("tcp");
    carried.note({ ...EMPTY, bytesSent: 50_000, bytesReceived: 100_000, outBps: 333_333.3 }, 8000);
    expect(carried.rates).toEqual({ up_bps: 333_333, down_bps: 200_000 });
    carried.note({ ...EMPTY, bytesSent: 50_000, bytesReceived: 100_000 }, 70_000);
    expect(carried.rates).toEqual({ up_bps: 0, down_bps: 0 });
  });
});

describe("the link test's ceiling", () => {
  it("grows with the estimate, at most twofold, to its end, and never falls", () => {
    expect(nextCeiling(100_000, null)).toBe(100_000);
    expect(nextCeiling(100_000, 100_000)).toBe(150_000);
    expect(nextCeiling(100_000, 9_000_000)).toBe(200_000);
    expect(nextCeiling(400_000, 90_000)).toBe(400_000);
    expect(nextCeiling(800_000, 9_000_000)).toBe(1_200_000);
  });

  it("is filled by a larger picture", () => {
    expect(testShape(100_000)).toMatchObject({ bitrate_bps: 100_000, lines: 120, fps: 10 });
    expect(testShape(800_000)).toMatchObject({ lines: 240, fps: 20 });
  });
});
