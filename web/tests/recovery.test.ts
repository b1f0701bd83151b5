import { describe, expect, it } from "vitest";
import { CONNECT_MS, type Condition, PATIENCE_MS, RESTART_MS, Recovery } from "../src/media/recovery.ts";

const UP: Condition = { state: "connected", stalled: false, canAsk: true, rttMs: 0 };
const LOST: Condition = { ...UP, state: "disconnected" };
const FAILED: Condition = { ...UP, state: "failed" };
const CUT: Condition = { ...UP, stalled: true, canAsk: false };

function connected(): Recovery {
  const recovery = new Recovery(0);
  expect(recovery.step(1000, UP)).toBeNull();
  return recovery;
}

describe("Recovery", () => {
  it("gives a short loss time to pass", () => {
    const recovery = connected();
    expect(recovery.step(2000, LOST)).toBeNull();
    expect(recovery.step(2000 + PATIENCE_MS - 1, LOST)).toBeNull();
    expect(recovery.step(2000 + PATIENCE_MS, UP)).toBeNull();
  });

  it("restarts ICE after its patience, then asks for a new leg, each time with more of it", () => {
    const recovery = connected();
    recovery.step(2000, LOST);
    const restartAt = 2000 + PATIENCE_MS;
    expect(recovery.step(restartAt, LOST)).toBe("restart");
    expect(recovery.step(restartAt + RESTART_MS - 1, FAILED)).toBeNull();
    const renewAt = restartAt + RESTART_MS;
    expect(recovery.step(renewAt, FAILED)).toBe("renew");
    expect(recovery.step(renewAt + 1000, LOST)).toBeNull();
    expect(recovery.step(renewAt + CONNECT_MS, LOST)).toBe("renew");
    expect(recovery.step(renewAt + 2 * CONNECT_MS, LOST)).toBeNull();
    expect(recovery.step(renewAt + 3 * CONNECT_MS, LOST)).toBe("renew");
  });

  it("restarts at once when the connection failed", () => {
    expect(connected().step(2000, FAILED)).toBe("restart");
  });

  it("does nothing in a cut, however long, and restarts at once when the server is back and the leg is not", () => {
    const recovery = connected();
    for (let at = 2000; at <= 62_000; at += 500) expect(recovery.step(at, CUT)).toBeNull();
    expect(recovery.step(62_500, { ...CUT, canAsk: true })).toBe("restart");
    expect(recovery.step(63_000, { ...CUT, canAsk: true })).toBeNull();
  });

  it("does nothing after a cut that the leg came out of by itself", () => {
    const recovery = connected();
    for (let at = 2000; at <= 12_000; at += 500) recovery.step(at, CUT);
    expect(recovery.step(12_500, { ...UP, canAsk: false })).toBeNull();
    for (let at = 13_000; at < 30_000; at += 500) expect(recovery.step(at, UP)).toBeNull();
  });

  it("counts a cut in no deadline: a restart asked before it is asked again, not given up", () => {
    const recovery = connected();
    recovery.step(2000, { ...LOST, stalled: true });
    expect(recovery.step(5000, LOST)).toBe("restart");
    for (let at = 6000; at <= 40_000; at += 500) expect(recovery.step(at, CUT)).toBeNull();
    expect(recovery.step(40_500, LOST)).toBe("restart");
    expect(recovery.step(41_000, LOST)).toBeNull();
    expect(recovery.step(40_500 + RESTART_MS, LOST)).toBe("renew");
  });

  it("asks for a new leg at once when the server will not restart this one", () => {
    const recovery = connected();
    expect(recovery.step(2000, FAILED)).toBe("restart");
    recovery.restartRefused();
    expect(recovery.step(2500, FAILED)).toBe("renew");
  });

  it("replaces a leg that never connected, and does not spin when it fails at once", () => {
    const late = new Recovery(0);
    late.step(0, { ...UP, state: "connecting" });
    expect(late.step(CONNECT_MS, { ...UP, state: "connecting" })).toBe("renew");
    const recovery = new Recovery(0);
    expect(recovery.step(0, FAILED)).toBeNull();
    expect(recovery.step(2000, FAILED)).toBe("renew");
    expect(recovery.step(2100, FAILED)).toBeNull();
  });

  it("gives a connection its time from when its answer has arrived", () => {
    const recovery = new Recovery(0);
    recovery.step(0, { ...UP, state: "connecting" });
    recovery.answered(7_000);
    expect(recovery.step(CONNECT_MS + 6_999, { ...UP, state: "connecting" })).toBeNull();
    expect(recovery.step(CONNECT_MS + 7_000, { ...UP, state: "connecting" })).toBe("renew");
  });

  it("waits for round trips of a second and a half", () => {
    const far = { rttMs: 1500 };
    const recovery = connected();
    recovery.step(2000, { ...LOST, ...far });
    expect(recovery.step(2000 + PATIENCE_MS + 1499, { ...LOST, ...far })).toBeNull();
    const restartAt = 2000 + PATIENCE_MS + 1500;
    expect(recovery.step(restartAt, { ...LOST, ...far })).toBe("restart");
    expect(recovery.step(restartAt + RESTART_MS + 5_999, { ...LOST, ...far })).toBeNull();
    expect(recovery.step(restartAt + RESTART_MS + 6_000, { ...LOST, ...far })).toBe("renew");
    const joining = new Recovery(0);
    joining.step(0, { ...UP, ...far, state: "connecting" });
    expect(joining.step(CONNECT_MS + 11_000, { ...UP, ...far, state: "connecting" })).toBeNull();
  });

  it("restarts when the network changes, once, and as soon as the server can be asked", () => {
    const recovery = connected();
    recovery.networkChanged(2000);
    expect(recovery.step(2001, { ...UP, canAsk: false })).toBeNull();
    expect(recovery.step(2400, UP)).toBe("restart");
    expect(recovery.step(2500, UP)).toBeNull();
    recovery.networkChanged(3000);
    expect(recovery.step(3001, UP)).toBeNull();
    recovery.networkChanged(9000);
    expect(recovery.step(9001, UP)).toBe("restart");
  });

  it("has nothing to restart before the first connection", () => {
    const recovery = new Recovery(0);
    recovery.networkChanged(2000);
    expect(recovery.step(2001, { ...UP, state: "connecting" })).toBeNull();
  });
});
