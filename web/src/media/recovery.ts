/** What to do about a leg now. */
export type Remedy = "restart" | "renew" | null;

/** A lost connection is given this long to come back by itself. */
export const PATIENCE_MS = 3_000;
/** Then an ICE restart is given this long … */
export const RESTART_MS = 6_000;
/** … and after it each new leg this long to connect. */
export const CONNECT_MS = 10_000;
/** A leg that fails at once is not asked for anew more often than this. */
const FAILED_MS = 2_000;
const NETWORK_CHANGE_GAP_MS = 3_000;

type Phase = "connecting" | "up" | "lost" | "restarting" | "renewing";

/**
 * Decides when a leg is repaired: first by ICE restart (same DTLS, no new keys), then by a new leg. Holds only times, so
 * it is tested with a clock of its own. Nothing is asked while the server cannot be asked (`canAsk` false).
 */
export class Recovery {
  private phase: Phase = "connecting";
  private sinceMs: number;
  private changedAtMs = Number.NEGATIVE_INFINITY;

  constructor(nowMs: number) {
    this.sinceMs = nowMs;
  }

  /** `state` is the RTCPeerConnection's; `stalled` says that nothing arrives although it claims to be connected. */
  step(nowMs: number, state: RTCPeerConnectionState, stalled: boolean, canAsk: boolean): Remedy {
    if (state === "connected" && !stalled) {
      this.enter("up", nowMs);
      return null;
    }
    if (this.phase === "up") this.enter("lost", nowMs);
    const waitedMs = nowMs - this.sinceMs;
    if (!canAsk) return null;
    switch (this.phase) {
      case "lost":
        return state === "failed" || stalled || waitedMs >= PATIENCE_MS ? this.begin("restarting", nowMs) : null;
      case "restarting":
        return waitedMs >= RESTART_MS ? this.begin("renewing", nowMs) : null;
      default:
        // Never connected, or a renewal that came to nothing.
        return (state === "failed" && waitedMs >= FAILED_MS) || waitedMs >= CONNECT_MS
          ? this.begin("renewing", nowMs)
          : null;
    }
  }

  /** The network under the page changed: restart at once, unless that was just done or there is nothing to restart. */
  networkChanged(nowMs: number, canAsk: boolean): Remedy {
    const tooSoon = nowMs - this.changedAtMs < NETWORK_CHANGE_GAP_MS;
    if (!canAsk || tooSoon || (this.phase !== "up" && this.phase !== "lost")) return null;
    this.changedAtMs = nowMs;
    return this.begin("restarting", nowMs);
  }

  private begin(phase: "restarting" | "renewing", nowMs: number): Remedy {
    this.phase = phase;
    this.sinceMs = nowMs;
    return phase === "restarting" ? "restart" : "renew";
  }

  private enter(phase: Phase, nowMs: number): void {
    if (this.phase === phase) return;
    this.phase = phase;
    this.sinceMs = nowMs;
  }
}
