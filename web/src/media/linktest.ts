import type { VideoView } from "../protocol.ts";
import { TestPicture } from "./testpicture.ts";

/** The test is over by then whatever has been found out: nobody waits for it, and data costs money. */
export const TEST_MS = 8_000;
/** It begins where the thinnest link for a picture is … */
const FIRST_BPS = 100_000;
/** … and ends where more would change nothing: a full picture needs half of it. */
const LAST_BPS = 1_200_000;
/** How far above the browser's estimate it asks, so that the estimate has something to grow on. */
const REACH = 1.5;
const STEP_MS = 500;
/** A test in one visit, or on a network known since yesterday, is enough. */
const DONE_KEY = "puente.tested";

/** What a link test needs of its seat. */
export interface TestBench {
  /** Sends this picture with this ceiling, or none. */
  send(test: { track: MediaStreamTrack; shape: VideoView } | null): void;
  /** The browser's own estimate of the uplink. */
  outBps(): number | null;
  changed(): void;
}

/** The shape of the test's picture under a ceiling: large and fast enough to fill it, small enough not to flood it. */
export function testShape(ceilingBps: number): VideoView {
  const lines = ceilingBps < 200_000 ? 120 : 240;
  return { bitrate_bps: ceilingBps, fps: ceilingBps < 200_000 ? 10 : 20, lines, codec: "VP8" };
}

/** The next ceiling: as the estimate allows, never down, at most doubled in a step. */
export function nextCeiling(ceilingBps: number, estimateBps: number | null): number {
  const reach = Math.round((estimateBps ?? 0) * REACH);
  return Math.min(LAST_BPS, Math.max(ceilingBps, Math.min(reach, ceilingBps * 2)));
}

/**
 * The link test: for a few seconds of waiting a made-up moving picture, never the camera's, goes up the leg of the visit
 * to come, so that the relay can measure what the link carries. What it found comes from the server.
 */
export class LinkTest {
  private picture: TestPicture | null = null;
  private timer: ReturnType<typeof setInterval> | null = null;
  private untilMs = 0;
  private ceilingBps = FIRST_BPS;

  constructor(
    private readonly bench: TestBench,
    private readonly store: Pick<Storage, "getItem" | "setItem">,
  ) {}

  get running(): boolean {
    return this.timer !== null;
  }

  /**
   * Follows the visit. `wanted`: the leg is up, the visit not accepted, and nothing is known of this network. A hidden
   * page draws too seldom to test anything, so there it waits until it is seen.
   */
  follow(visit: string | null, wanted: boolean, nowMs = Date.now()): void {
    if (!wanted || visit === null) this.stop();
    else if (!this.running && !document.hidden && this.store.getItem(DONE_KEY) !== visit) this.start(visit, nowMs);
  }

  /** No test in this visit (any more). */
  skip(visit: string | null): void {
    if (visit !== null) this.store.setItem(DONE_KEY, visit);
    this.stop();
  }

  private start(visit: string, nowMs: number): void {
    this.picture = TestPicture.draw();
    if (!this.picture) return;
    this.store.setItem(DONE_KEY, visit);
    this.untilMs = nowMs + TEST_MS;
    this.ceilingBps = FIRST_BPS;
    this.timer = setInterval(() => this.step(Date.now()), STEP_MS);
    this.send();
    this.bench.changed();
  }

  private step(nowMs: number): void {
    const next = nextCeiling(this.ceilingBps, this.bench.outBps());
    if (nowMs >= this.untilMs || document.hidden) this.stop();
    else if (next !== this.ceilingBps) {
      this.ceilingBps = next;
      this.send();
    }
  }

  private send(): void {
    const { picture } = this;
    if (picture) this.bench.send({ track: picture.track, shape: testShape(this.ceilingBps) });
  }

  private stop(): void {
    if (this.timer === null) return;
    clearInterval(this.timer);
    this.timer = null;
    this.bench.send(null);
    this.picture?.stop();
    this.picture = null;
    this.bench.changed();
  }
}
