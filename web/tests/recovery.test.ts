import { describe, expect, it } from "vitest";
import { CONNECT_MS, PATIENCE_MS, RESTART_MS, Recovery } from "../src/media/recovery.ts";

function connected(): Recovery {
  const recovery = new Recovery(0);
  expect(recovery.step(1000, "connected", false, true)).toBeNull();
  return recovery;
}

describe("Recovery", () => {
  it("gives a short loss time to pass", () => {
    const recovery = connected();
    expect(recovery.step(2000, "disconnected", false, true)).toBeNull();
    expect(recovery.step(2000 + PATIENCE_MS - 1, "disconnected", false, true)).toBeNull();
    expect(recovery.step(2000 + PATIENCE_MS, "connected", false, true)).toBeNull();
  });

  it("restarts ICE after its patience, then asks for a new leg, and again until one connects", () => {
    const recovery = connected();
    recovery.step(2000, "disconnected", false, true);
    const restartAt = 2000 + PATIENCE_MS;
    expect(recovery.step(restartAt, "disconnected", false, true)).toBe("restart");
    expect(recovery.step(restartAt + RESTART_MS - 1, "failed", false, true)).toBeNull();
    const renewAt = restartAt + RESTART_MS;
    expect(recovery.step(renewAt, "failed", false, true)).toBe("renew");
    expect(recovery.step(renewAt + 1000, "disconnected", false, true)).toBeNull();
    expect(recovery.step(renewAt + CONNECT_MS, "disconnected", false, true)).toBe("renew");
  });

  it("restarts at once when the connection failed or nothing arrives any more", () => {
    expect(connected().step(2000, "failed", false, true)).toBe("restart");
    expect(connected().step(2000, "connected", true, true)).toBe("restart");
  });

  it("asks for nothing while the server cannot be asked, and at once when it can", () => {
    const recovery = connected();
    recovery.step(2000, "disconnected", false, false);
    expect(recovery.step(60_000, "disconnected", false, false)).toBeNull();
    expect(recovery.step(60_001, "disconnected", false, true)).toBe("restart");
  });

  it("replaces a leg that never connected, and does not spin when it fails at once", () => {
    expect(new Recovery(0).step(CONNECT_MS, "connecting", false, true)).toBe("renew");
    const recovery = new Recovery(0);
    expect(recovery.step(100, "failed", false, true)).toBeNull();
    expect(recovery.step(2000, "failed", false, true)).toBe("renew");
    expect(recovery.step(2100, "failed", false, true)).toBeNull();
  });

  it("restarts when the network changes, once", () => {
    const recovery = connected();
    expect(recovery.networkChanged(2000, true)).toBe("restart");
    recovery.step(2500, "connected", false, true);
    expect(recovery.networkChanged(3000, true)).toBeNull();
    expect(recovery.networkChanged(9000, true)).toBe("restart");
  });

  it("has nothing to restart before the first connection", () => {
    expect(new Recovery(0).networkChanged(2000, true)).toBeNull();
  });
});
