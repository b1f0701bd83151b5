import { describe, expect, it } from "vitest";
import { type Reading, read } from "../src/media/reading.ts";
import { REPORT_EVERY_MS, REPORT_GAP_MS, Reporter } from "../src/media/report.ts";

const EMPTY = read([]);
const reading = (part: Partial<Reading>): Reading => ({ ...EMPTY, ...part });
const SEEN = { wantsVideo: true, expectsVideo: true };

function reporter(...readings: [number, Partial<Reading>][]): Reporter {
  const own = new Reporter();
  for (const [atMs, part] of readings) own.note(reading(part), true, atMs);
  return own;
}

describe("read", () => {
  it("finds in one report the path, the picture and the voice", () => {
    const found = read([
      { type: "transport", id: "T", selectedCandidatePairId: "P" },
      { type: "candidate-pair", id: "Q", nominated: true, state: "succeeded", bytesSent: 1 },
      {
        type: "candidate-pair",
        id: "P",
        localCandidateId: "L",
        bytesSent: 10,
        bytesReceived: 20,
        packetsSent: 1,
        packetsReceived: 2,
        currentRoundTripTime: 0.7,
        availableOutgoingBitrate: 123_456.7,
      },
      { type: "local-candidate", id: "L", candidateType: "relay", protocol: "udp" },
      { type: "codec", id: "C", mimeType: "video/AV1" },
      {
        type: "outbound-rtp",
        id: "O",
        kind: "video",
        codecId: "C",
        framesEncoded: 5,
        totalEncodeTime: 0.05,
        qualityLimitationReason: "cpu",
      },
      {
        type: "inbound-rtp",
        id: "A",
        kind: "audio",
        totalSamplesReceived: 1000,
        concealedSamples: 300,
        silentConcealedSamples: 200,
      },
      { type: "inbound-rtp", id: "V", kind: "video", framesDecoded: 7, totalFreezesDuration: 0.5 },
    ]);
    expect(found).toMatchObject({
      path: "relay",
      bytesSent: 10,
      rttMs: 700,
      outBps: 123_456.7,
      codec: "AV1",
      encodeMs: 50,
      cpuLimited: true,
      samples: 1000,
      concealed: 100,
      framesDecoded: 7,
      frozenMs: 500,
    });
  });

  it("bears strange values", () => {
    expect(
      read([
        { type: "codec", id: "x" },
        { type: "outbound-rtp", id: "y", kind: "video", codecId: "x" },
      ]).codec,
    ).toBe(null);
  });
});

describe("Reporter", () => {
  it("says what happened since the report before", () => {
    const own = reporter(
      [0, {}],
      [4000, { samples: 192_000, concealed: 1920, framesDecoded: 60, framesEncoded: 40, encodeMs: 400, frozenMs: 0 }],
    );
    expect(own.take(SEEN, 4000)).toMatchObject({ concealed: 0.01, fps: 15, encode_ms: 10, frozen_ms: null });
    own.note(
      reading({
        samples: 384_000,
        concealed: 1920,
        framesDecoded: 160,
        framesEncoded: 40,
        encodeMs: 400,
        frozenMs: 700,
      }),
      true,
      8000,
    );
    expect(own.take(SEEN, 8000)).toMatchObject({ concealed: 0, fps: 25, encode_ms: null, frozen_ms: 700 });
  });

  it("counts a picture that stands still although the browser has not counted it yet", () => {
    const own = reporter([0, { framesDecoded: 9, frozenMs: 0 }]);
    own.take(SEEN, 3000);
    own.note(reading({ framesDecoded: 9, frozenMs: 0 }), true, 3000);
    own.take(SEEN, 3000);
    own.note(reading({ framesDecoded: 9, frozenMs: 0 }), true, 6000);
    expect(own.take(SEEN, 6000).frozen_ms).toBe(3000);
  });

  it("does not call a paused picture frozen, nor the moment it comes back", () => {
    const own = new Reporter();
    own.note(reading({ framesDecoded: 9, frozenMs: 0 }), false, 0);
    own.note(reading({ framesDecoded: 9, frozenMs: 0 }), false, 60_000);
    expect(own.take({ ...SEEN, expectsVideo: false }, 60_000)).toMatchObject({ frozen_ms: null, fps: null });
    own.note(reading({ framesDecoded: 12, frozenMs: 60_000 }), true, 61_000);
    expect(own.take(SEEN, 64_000).frozen_ms).toBeNull();
  });

  it("is due every four seconds, and sooner but not at once when words go missing", () => {
    const own = reporter([0, {}]);
    expect(own.due(0)).toBe(true);
    own.take(SEEN, 0);
    own.note(reading({ samples: 48_000, concealed: 4800 }), true, 1000);
    expect(own.due(1000)).toBe(false);
    expect(own.due(REPORT_GAP_MS)).toBe(true);
    own.take(SEEN, REPORT_GAP_MS);
    expect(own.due(2 * REPORT_GAP_MS)).toBe(false);
    expect(own.due(REPORT_GAP_MS + REPORT_EVERY_MS)).toBe(true);
  });

  it("is due when the processor begins or ceases to be the limit", () => {
    const own = reporter([0, {}]);
    own.take(SEEN, 0);
    own.note(reading({ cpuLimited: true }), true, 2000);
    expect(own.due(2000)).toBe(true);
    expect(own.take(SEEN, 2000).cpu_limited).toBe(true);
    expect(own.due(4000)).toBe(false);
  });

  it("starts over with a connection that counts from zero", () => {
    const own = reporter([0, { bytesReceived: 100, samples: 999_999 }], [1000, { bytesReceived: 5, samples: 10 }]);
    expect(own.take(SEEN, 1000)).toMatchObject({ concealed: null, fps: null });
  });

  it("keeps to what the protocol allows", () => {
    const own = reporter([0, {}], [1000, { samples: 48_000, concealed: 99_999, framesDecoded: 9999, outBps: 1.6 }]);
    expect(own.take(SEEN, 1000)).toMatchObject({ concealed: 1, fps: 240, out_bps: 2 });
  });
});
