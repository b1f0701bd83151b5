/** What to do about a leg now. */
export type Remedy = "restart" | "renew" | null;

/** A lost connection is given this long to come back by itself: a cut heals with its first packet if left alone. */
export const PATIENCE_MS = 3_000;
/** An ICE restart that the server has answered is given this long … */
export const RESTART_MS = 6_000;
/** … and after it each new leg this long to connect, twice as long after each that did not. */
export const CONNECT_MS = 10_000;
const LONGEST_CONNECT_MS = 40_000;
/** A leg that fails at once is not asked for anew more often than this. */
const FAILED_MS = 2_000;
const NETWORK_CHANGE_GAP_MS = 3_000;
/** Round trips that an ICE restart takes, and that a new leg takes (answer, checks, DTLS), with one to lose each. */
const RESTART_TRIPS = 4;
const CONNECT_TRIPS = 8;

type Phase = "connecting" | "up" | "lost" | "restarting" | "renewing";

/** How a leg does, as a step of its recovery sees it. */
export interface Condition {
  /** Of the RTCPeerConnection. */
  state: RTCPeerConnectionState;
  /** Nothing arrives although it claims to be connected. */
  stalled: boolean;
  /** The server can be asked now. */
  canAsk: boolean;
  /** The longest round trip lately measured; every deadline allows for some of them. */
  rttMs: number;
}

/**
 * Decides when a leg is repaired: first by ICE restart (same DTLS, no new keys), then by a new leg. Holds only times, so
 * it is tested with a clock of its own.
 *
 * While the server cannot be asked nothing is asked, and no deadline runs: during a cut there is nothing to repair,
 * and a leg must not be given up for a link that was away. When the server is back and the leg is not, it restarts at
 * once.
 */
export class Recovery {
  private phase: Phase = "connecting";
  private sinceMs: number;
  /** Since when the server can be asked; null: it cannot. */
  private askableSinceMs: number | null = null;
  /** It was away while the leg was lost. */
  private cameBack = false;
  private changedAtMs = Number.NEGATIVE_INFINITY;
  private networkIsNew = false;
  private renewals = 0;
  private refused = false;

  constructor(nowMs: number) {
    this.sinceMs = nowMs;
  }

  step(nowMs: number, { state, stalled, canAsk, rttMs }: Condition): Remedy {
    this.noteAskable(nowMs, canAsk);
    if (this.networkIsNew && canAsk) {
      this.networkIsNew = false;
      return this.begin("restarting", nowMs);
    }
    if (state === "connected" && !stalled) {
      this.renewals = 0;
      this.enter("up", nowMs);
      return null;
    }
    if (this.phase === "up") this.enter("lost", nowMs);
    if (!canAsk) return null;
    const waitedMs = nowMs - Math.max(this.sinceMs, this.askableSinceMs ?? nowMs);
    const back = this.cameBack;
    this.cameBack = false;
    switch (this.phase) {
      case "lost":
        return back || state === "failed" || nowMs - this.sinceMs >= PATIENCE_MS + rttMs
          ? this.begin("restarting", nowMs)
          : null;
      case "restarting":
        if (this.refused) return this.begin("renewing", nowMs);
        if (back) return this.begin("restarting", nowMs);
        return waitedMs >= RESTART_MS + RESTART_TRIPS * rttMs ? this.begin("renewing", nowMs) : null;
      default:
        // Never connected, or a renewal that came to nothing.
        return (state === "failed" && waitedMs >= FAILED_MS) || waitedMs >= this.connectMs(rttMs)
          ? this.begin("renewing", nowMs)
          : null;
    }
  }

  /** The network under the page changed: restart as soon as can be, unless that was just done. */
  networkChanged(nowMs: number): void {
    const tooSoon = nowMs - this.changedAtMs < NETWORK_CHANGE_GAP_MS;
    if (tooSoon || (this.phase !== "up" && this.phase !== "lost")) return;
    this.changedAtMs = nowMs;
    this.networkIsNew = true;
  }

  /** The server does not restart this leg: only a new one helps. */
  restartRefused(): void {
    this.refused = this.phase === "restarting";
  }

  /** The answer to an offer has reached the server: from now on the connection can come up, and not before. */
  answered(nowMs: number): void {
    if (this.phase === "connecting" || this.phase === "restarting") this.sinceMs = nowMs;
  }

  private noteAskable(nowMs: number, canAsk: boolean): void {
    if (!canAsk) {
      this.askableSinceMs = null;
    } else if (this.askableSinceMs === null) {
      this.askableSinceMs = nowMs;
      this.cameBack = this.phase === "lost" || this.phase === "restarting";
    }
  }

  private connectMs(rttMs: number): number {
    const base = Math.min(LONGEST_CONNECT_MS, CONNECT_MS * 2 ** Math.max(0, this.renewals - 1));
    return base + CONNECT_TRIPS * rttMs;
  }

  private begin(phase: "restarting" | "renewing", nowMs: number): Remedy {
    if (phase === "renewing") this.renewals += 1;
    this.enter(phase, nowMs);
    this.sinceMs = nowMs;
    return phase === "restarting" ? "restart" : "renew";
  }

  private enter(phase: Phase, nowMs: number): void {
    this.refused = false;
    if (this.phase === phase) return;
    this.phase = phase;
    this.sinceMs = nowMs;
    if (phase === "up") this.cameBack = false;
  }
}
