import { describe, expect, it } from "vitest";
import { Lull } from "../src/media/lull.ts";

/** Looks every half second; each brings so many packets. Returns the last answer. */
function looks(lull: Lull, counts: number[], at = { atMs: 0, packets: 0 }): boolean {
  let waits = false;
  for (const count of counts) {
    at.atMs += 500;
    at.packets += count;
    waits = lull.look(at.packets, at.atMs);
  }
  return waits;
}

describe("Lull", () => {
  it("waits when a stream of packets stops, and for a second after they are back", () => {
    const lull = new Lull();
    const at = { atMs: 0, packets: 0 };
    expect(looks(lull, [80, 80, 80, 80], at)).toBe(false);
    expect(looks(lull, [5], at)).toBe(true);
    expect(looks(lull, [60], at)).toBe(true);
    expect(looks(lull, [60], at)).toBe(false);
  });

  it("does not mind that the other side stops its picture, while voice and feedback come", () => {
    expect(looks(new Lull(), [120, 120, 120, 120, 24, 24, 24])).toBe(false);
  });

  it("does not take little for a lull where there was little all the time", () => {
    expect(looks(new Lull(), [5, 5, 5, 4, 5, 3])).toBe(false);
  });

  it("says nothing after a pause of its own, nor of another connection", () => {
    const lull = new Lull();
    looks(lull, [80, 80, 80]);
    expect(lull.look(245, 11_500)).toBe(false);
    expect(lull.look(3, 12_000)).toBe(false);
  });
});
