import { describe, expect, it } from "vitest";
import { bars, look } from "../src/media/quality.ts";

const PAIR = { type: "candidate-pair", id: "P", nominated: true, state: "succeeded", currentRoundTripTime: 0.12 };

describe("bars", () => {
  it("shows none without a connection and four on a good one", () => {
    expect(bars({ connected: false, rttMs: 20, loss: 0 })).toBe(0);
    expect(bars({ connected: true, rttMs: 20, loss: 0 })).toBe(4);
    expect(bars({ connected: true, rttMs: null, loss: null })).toBe(4);
  });

  it("takes the worse of delay and loss", () => {
    expect(bars({ connected: true, rttMs: 400, loss: 0 })).toBe(3);
    expect(bars({ connected: true, rttMs: 700, loss: 0 })).toBe(2);
    expect(bars({ connected: true, rttMs: 1500, loss: 0 })).toBe(1);
    expect(bars({ connected: true, rttMs: 20, loss: 0.05 })).toBe(3);
    expect(bars({ connected: true, rttMs: 700, loss: 0.3 })).toBe(1);
  });
});

describe("look", () => {
  it("reads the delay from the pair in use, by transport or by nomination", () => {
    const other = { type: "candidate-pair", id: "O", currentRoundTripTime: 9 };
    const transport = { type: "transport", id: "T", selectedCandidatePairId: "P" };
    expect(look([other, PAIR, transport], null, true).sample.rttMs).toBe(120);
    expect(look([other, PAIR], null, true).sample.rttMs).toBe(120);
    expect(look([{ ...PAIR, state: "failed", selected: true }], null, true).sample.rttMs).toBe(120);
  });

  it("counts loss between two looks, not since the start", () => {
    const first = look([{ type: "inbound-rtp", id: "a", packetsReceived: 100, packetsLost: 50 }], null, true);
    const second = look(
      [{ type: "inbound-rtp", id: "a", packetsReceived: 190, packetsLost: 60 }],
      first.counters,
      true,
    );
    expect(second.sample.loss).toBeCloseTo(0.1);
  });

  it("takes the far side's report when it is worse", () => {
    const stats = [
      { type: "inbound-rtp", id: "a", packetsReceived: 100, packetsLost: 0 },
      { type: "remote-inbound-rtp", id: "b", fractionLost: 0.2, roundTripTime: 0.3 },
    ];
    expect(look(stats, null, true).sample).toEqual({ connected: true, rttMs: 300, loss: 0.2 });
  });

  it("says nothing about loss when hardly anything flowed or the leg was replaced", () => {
    const few = look([{ type: "inbound-rtp", id: "a", packetsReceived: 5, packetsLost: 1 }], null, true);
    expect(few.sample.loss).toBeNull();
    const before = { ...look([], null, true).counters, received: 1000, lost: 4 };
    const replaced = look([{ type: "inbound-rtp", id: "a", packetsReceived: 50, packetsLost: 0 }], before, true);
    expect(replaced.sample.loss).toBeNull();
  });

  it("bears an empty report", () => {
    expect(look([], null, false).sample).toEqual({ connected: false, rttMs: null, loss: null });
  });
});
