import { describe, expect, it } from "vitest";
import { Lateness } from "../src/media/lateness.ts";
import { read } from "../src/media/reading.ts";

const SECOND = 1_000;

/** Looks each half second at 50 packets a second of which a share comes too late; returns the last target. */
function listen(own: Lateness, fromMs: number, seconds: number, share: (atMs: number) => number): (number | null)[] {
  const targets: (number | null)[] = [];
  let packets = fromMs / 20;
  let late = fromMs;
  for (let ms = fromMs; ms <= fromMs + seconds * SECOND; ms += 500) {
    packets += 25;
    late += 25 * share(ms);
    const stat = { type: "inbound-rtp", kind: "audio", id: "a", packetsReceived: packets, packetsDiscarded: late };
    targets.push(own.look(read([stat]), ms));
  }
  return targets;
}

describe("Lateness", () => {
  it("waits longer, within bounds, while voice comes too late", () => {
    const targets = listen(new Lateness(), 0, 30, () => 0.1);
    expect(targets[0]).toBeNull();
    expect(targets.at(-1)).toBe(180);
    expect(targets.filter((target, at) => at > 0 && target !== targets[at - 1])).toEqual([120, 180]);
  });

  it("leaves a link that loses nothing to the browser", () => {
    expect(new Set(listen(new Lateness(), 0, 60, () => 0.001))).toEqual(new Set([null]));
  });

  it("takes it back step by step when nothing has been late for a minute", () => {
    const targets = listen(new Lateness(), 0, 200, (ms) => (ms < 10 * SECOND ? 0.1 : 0));
    expect(targets.at(2 * 60)).toBe(180);
    expect(targets.at(2 * 90)).toBe(120);
    expect(targets.at(-1)).toBeNull();
  });

  it("begins anew where another connection counts from zero", () => {
    const own = new Lateness();
    listen(own, 0, 3, () => 0);
    expect(own.look(read([]), 9 * SECOND)).toBeNull();
  });
});
