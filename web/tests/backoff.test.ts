import { describe, expect, it } from "vitest";
import { MAX_DELAY_MS, retryDelayMs } from "../src/live/backoff.ts";

describe("retryDelayMs", () => {
  it("tries again within a third of a second after the first loss", () => {
    expect(retryDelayMs(0, () => 0)).toBeGreaterThan(0);
    expect(retryDelayMs(0, () => 0.999)).toBeLessThanOrEqual(300);
  });

  it("waits at most two seconds while a call may be waiting, and later up to fifteen", () => {
    const longest = [1, 2, 3, 30, 31, 32, 33, 34, 99].map((attempt) => retryDelayMs(attempt, () => 1));
    expect(longest).toEqual([1000, 2000, 2000, 2000, 4000, 8000, MAX_DELAY_MS, MAX_DELAY_MS, MAX_DELAY_MS]);
  });

  it("spreads half of every wait at random", () => {
    expect(retryDelayMs(3, () => 0)).toBe(1000);
    expect(retryDelayMs(3, () => 1)).toBe(2000);
  });
});
