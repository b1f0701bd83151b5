import { describe, expect, it } from "vitest";
import { Lateness } from "../src/media/lateness.ts";
import { read } from "../src/media/reading.ts";

const SECOND = 1_000;

interface Listened {
  fromMs?: number;
  seconds: number;
  /** Of the packets that were asked for again, at a time. */
  asked: (atMs: number) => number;
  /** Of the sound that was made up. */
  concealed?: (atMs: number) => number;
  rttMs?: number;
}

/** Looks each half second at 50 packets a second; returns the targets. */
function listen(
  own: Lateness,
  { fromMs = 0, seconds, asked, concealed = asked, rttMs = 100 }: Listened,
): (number | null)[] {
  const targets: (number | null)[] = [];
  const voice = { packetsReceived: fromMs / 20, nackCount: 0, totalSamplesReceived: fromMs * 48, concealedSamples: 0 };
  const pair = {
    type: "candidate-pair",
    id: "p",
    nominated: true,
    state: "succeeded",
    currentRoundTripTime: rttMs / 1000,
  };
  for (let ms = fromMs; ms <= fromMs + seconds * SECOND; ms += 500) {
    voice.packetsReceived += 25;
    voice.nackCount += 25 * asked(ms);
    voice.totalSamplesReceived += 24_000;
    voice.concealedSamples += 24_000 * concealed(ms);
    targets.push(own.look(read([{ type: "inbound-rtp", kind: "audio", id: "a", ...voice }, pair]), ms));
  }
  return targets;
}

describe("Lateness", () => {
  it("waits longer, within bounds, while voice comes too late", () => {
    const targets = listen(new Lateness(), { seconds: 30, asked: () => 0.1 });
    expect(targets[0]).toBeNull();
    expect(targets.at(-1)).toBe(120);
  });

  it("leaves a link that loses nothing to the browser", () => {
    expect(new Set(listen(new Lateness(), { seconds: 60, asked: () => 0.001 }))).toEqual(new Set([null]));
  });

  it("does not wait for what comes in time when it is sent again, nor for what is never asked for", () => {
    const repaired = listen(new Lateness(), { seconds: 30, asked: () => 0.3, concealed: () => 0.001 });
    const uneven = listen(new Lateness(), { seconds: 30, asked: () => 0, concealed: () => 0.1 });
    expect(new Set([...repaired, ...uneven])).toEqual(new Set([null]));
  });

  it("does not wait over a long round trip, where no patience would do", () => {
    expect(listen(new Lateness(), { seconds: 30, asked: () => 0.1, rttMs: 350 }).at(-1)).toBeNull();
  });

  it("takes it back when nothing has been late for a minute", () => {
    const targets = listen(new Lateness(), { seconds: 200, asked: (ms) => (ms < 10 * SECOND ? 0.1 : 0) });
    expect(targets.at(2 * 60)).toBe(120);
    expect(targets.at(-1)).toBeNull();
  });

  it("begins anew where another connection counts from zero", () => {
    const own = new Lateness();
    listen(own, { seconds: 3, asked: () => 0 });
    expect(own.look(read([]), 9 * SECOND)).toBeNull();
  });
});
