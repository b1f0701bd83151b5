import { describe, expect, it } from "vitest";
import { Brake } from "../src/media/brake.ts";
import type { LimitsView } from "../src/protocol.ts";

function told(bitrateBps: number | null): LimitsView {
  return {
    rung: 5,
    why: "clear",
    whose: "none",
    audio: { frame_ms: 20, bitrate_bps: 32_000, red: false, dtx: false },
    video: bitrateBps === null ? null : { bitrate_bps: bitrateBps, fps: 30, lines: 480, codec: "VP8" },
    stills_bps: 0,
    since_ms: 1,
  };
}

describe("Brake", () => {
  it("holds when the ceiling falls far below the picture, until the server's next word", () => {
    const brake = new Brake();
    const before = told(750_000);
    expect(brake.look(900_000, before, 0)).toBe(false);
    expect(brake.look(84_000, before, 500)).toBe(true);
    expect(brake.look(84_000, before, 3_000)).toBe(true);
    expect(brake.look(84_000, told(null), 3_500)).toBe(false);
  });

  it("gives way after some seconds without a word, and holds again only at another fall", () => {
    const brake = new Brake();
    const before = told(750_000);
    brake.look(900_000, before, 0);
    expect(brake.look(84_000, before, 500)).toBe(true);
    expect(brake.look(84_000, before, 6_000)).toBe(false);
    expect(brake.look(84_000, before, 6_500)).toBe(false);
  });

  it("does not mind a ceiling that was low all the time, nor one that still carries the picture", () => {
    const low = new Brake();
    const enough = new Brake();
    for (let ms = 0; ms < 20_000; ms += 500) {
      expect(low.look(50_000, told(100_000), ms)).toBe(false);
      expect(enough.look(ms < 10_000 ? 3_000_000 : 900_000, told(750_000), ms)).toBe(false);
    }
  });

  it("says nothing without a picture, a ceiling or a word", () => {
    const brake = new Brake();
    expect(brake.look(null, told(750_000), 0)).toBe(false);
    expect(brake.look(900_000, told(null), 500)).toBe(false);
    expect(brake.look(30_000, null, 1_000)).toBe(false);
  });
});
