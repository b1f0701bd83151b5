import { describe, expect, it } from "vitest";
import type { Direction, Measure } from "../src/linktest/api.ts";
import { NOTHING_READ, read } from "../src/linktest/reading.ts";
import { type Result, rowsOf, textOf, verdictOf } from "../src/linktest/result.ts";
import { onlyWay } from "../src/linktest/ways.ts";
import { words } from "../src/words/es-MX.ts";

const OFFER = [
  "v=0",
  "a=setup:actpass",
  "m=audio 40000 UDP/TLS/RTP/SAVPF 111",
  "a=candidate:1 1 udp 2113929471 192.0.2.1 40000 typ host",
  "a=candidate:2 1 tcp 1518280447 192.0.2.1 40000 typ host tcptype passive",
  "a=end-of-candidates",
  "",
].join("\r\n");

function direction(rung: number | null): Direction {
  return { rate_bps: rung === null ? null : 100_000, carried_bps: 0, loss: 0.012, queue_ms: 0, rung };
}

function result(up: number | null, down: number | null, over: Partial<Result> = {}): Result {
  const measure: Measure = {
    state: "connected",
    transport: "udp",
    rtt_ms: 80,
    up: direction(up),
    down: direction(down),
    final: true,
  };
  return {
    ways: { udp: "yes", tcp: "no", turn: "absent" },
    measure,
    reading: { ...NOTHING_READ, way: "udp" },
    ...over,
  };
}

describe("the ways", () => {
  it("are tried with the candidates of one transport, and the page waits for the relay's handshake", () => {
    expect(onlyWay(OFFER, "udp")).toContain(" udp ");
    expect(onlyWay(OFFER, "udp")).not.toContain(" tcp ");
    expect(onlyWay(OFFER, "tcp")).not.toContain(" udp ");
    expect(onlyWay(OFFER, "turn")).toBe(onlyWay(OFFER, "udp"));
    expect(onlyWay(OFFER, "tcp")).toContain("a=setup:active");
    expect(onlyWay(OFFER, "tcp")).not.toContain("actpass");
  });
});

describe("a reading", () => {
  const report = (local: object) =>
    new Map<string, object>([
      ["t", { type: "transport", selectedCandidatePairId: "p" }],
      [
        "p",
        { type: "candidate-pair", localCandidateId: "l", currentRoundTripTime: 0.0804, availableOutgoingBitrate: 9e5 },
      ],
      ["l", { type: "local-candidate", ...local }],
      ["r", { type: "remote-inbound-rtp", kind: "video", jitter: 0.004, fractionLost: 0.02 }],
    ]);

  it("tells the way, the round trip and what the relay reports", () => {
    expect(read(report({ protocol: "udp", candidateType: "prflx" }))).toEqual({
      way: "udp",
      rttMs: 80.4,
      jitterMs: 4,
      lossUp: 0.02,
      outBps: 900_000,
    });
    expect(read(report({ protocol: "tcp", candidateType: "host" })).way).toBe("tcp");
    expect(read(report({ protocol: "udp", candidateType: "relay" })).way).toBe("turn");
  });

  it("is of the nominated pair where a browser names no transport", () => {
    const entries = report({ protocol: "udp" });
    entries.delete("t");
    entries.set("p", { type: "candidate-pair", nominated: true, state: "succeeded", localCandidateId: "l" });
    expect(read(entries).way).toBe("udp");
    expect(read(new Map())).toEqual(NOTHING_READ);
  });
});

describe("a result", () => {
  it("is as good as the worse direction, and promises nothing that was not measured", () => {
    expect(verdictOf(result(5, 3))).toBe("video");
    expect(verdictOf(result(5, 2))).toBe("voice");
    expect(verdictOf(result(0, 5))).toBe("phone");
    expect(verdictOf(result(null, 5))).toBe("unknown");
    expect(verdictOf(result(5, 5, { reading: NOTHING_READ }))).toBe("no_way");
  });

  it("says every row in words, as a table and as text", () => {
    const rows = new Map(rowsOf(result(4, null), words.linktest));
    expect(rows.get("UDP")).toBe("sí");
    expect(rows.get("TURN")).toBe("no configurado");
    expect(rows.get("Nivel de subida")).toBe("4, video pequeño");
    expect(rows.get("Nivel de bajada")).toBe("sin medir");
    expect(rows.get("Pérdida de subida")).toBe("1.2 %");
    const text = textOf(result(4, 4), words.linktest, "clinica.example", new Date(0));
    expect(text.split("\n")[0]).toBe("Prueba del enlace · clinica.example · 1970-01-01T00:00:00.000Z");
    expect(text.split("\n").at(-1)).toBe("Alcanza para video y voz.");
  });
});
