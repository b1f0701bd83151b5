import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { HEDGE_TRIES, hedged, hedgeEveryMs } from "../src/live/hedge.ts";

const never = () => new Promise<string>(() => undefined);
const passing = () => false;
const EVERY_MS = 2000;

describe("hedged", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("asks once when the answer comes", async () => {
    const attempt = vi.fn(async () => "yes");
    await expect(hedged(attempt, passing, EVERY_MS)).resolves.toBe("yes");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(attempt).toHaveBeenCalledTimes(1);
  });

  it("takes the answer of a fresh try while the first hangs in a cut, and gives the first up", async () => {
    let first: AbortSignal | undefined;
    const attempt = vi.fn((signal: AbortSignal) => {
      first ??= signal;
      return attempt.mock.calls.length === 3 ? Promise.resolve("third") : never();
    });
    const answer = hedged(attempt, passing, EVERY_MS);
    await vi.advanceTimersByTimeAsync(2 * EVERY_MS);
    await expect(answer).resolves.toBe("third");
    expect(first?.aborted).toBe(true);
  });

  it("keeps to its number of tries", async () => {
    const attempt = vi.fn(never);
    void hedged(attempt, passing, EVERY_MS);
    await vi.advanceTimersByTimeAsync(20 * EVERY_MS);
    expect(attempt).toHaveBeenCalledTimes(HEDGE_TRIES);
  });

  it("begins a new try for each that was given up, while the cut lasts", async () => {
    const timesOut = () => new Promise<string>((_, reject) => setTimeout(() => reject(new Error("late")), 9000));
    const attempt = vi.fn(timesOut);
    hedged(attempt, passing, EVERY_MS).catch(() => undefined);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(attempt).toHaveBeenCalledTimes(31);
  });

  it("fails at once when nothing else is under way, and for good when the failure is final", async () => {
    await expect(hedged(() => Promise.reject(new Error("offline")), passing, EVERY_MS)).rejects.toThrow("offline");
    const attempt = vi.fn(() => (attempt.mock.calls.length === 1 ? never() : Promise.reject(new Error("expired"))));
    const answer = hedged(attempt, () => true, EVERY_MS);
    const refused = expect(answer).rejects.toThrow("expired");
    await vi.advanceTimersByTimeAsync(EVERY_MS);
    await refused;
  });

  it("leaves a slow link more time before it asks again", () => {
    expect([20, 1000, 6000, null].map(hedgeEveryMs)).toEqual([2000, 2000, 9000, 4050]);
  });
});
