import type { MediaReport } from "../protocol.ts";
import type { Reading } from "./reading.ts";

/** A report is due so often … */
export const REPORT_EVERY_MS = 4_000;
/** … at once when something is wrong, but never more often than this, which is all the server uses. */
export const REPORT_GAP_MS = 2_000;
/** More made-up sound than this is worth a report at once: words begin to go missing. */
const CONCEALED_ALARM = 0.05;
/** Fewer samples (half a second) say nothing about a share. */
const FEWEST_SAMPLES = 24_000;

/** What a reporter has to know besides what was counted. */
export interface Circumstances {
  wantsVideo: boolean;
  /** A moving picture is expected from the other side; without one a still picture is no fault. */
  expectsVideo: boolean;
}

interface Mark {
  atMs: number;
  reading: Reading;
}

/** Turns readings into reports of what happened between them. Holds numbers only. */
export class Reporter {
  private since: Mark | null = null;
  private newest: Mark | null = null;
  /** Since when a picture has been expected without a break; frozen time is counted from then on. */
  private expectedSinceMs: number | null = null;
  private sentAtMs = Number.NEGATIVE_INFINITY;
  private sentCpu = false;

  /** Takes in a reading, one each half second. */
  note(reading: Reading, expectsVideo: boolean, nowMs: number): void {
    const restarted = this.newest !== null && reading.bytesReceived < this.newest.reading.bytesReceived;
    this.newest = { atMs: nowMs, reading };
    if (!this.since || restarted) this.since = this.newest;
    if (!expectsVideo) this.expectedSinceMs = null;
    else this.expectedSinceMs ??= nowMs;
  }

  /** Starts over: another connection counts from zero. */
  reset(): void {
    this.since = null;
    this.newest = null;
    this.expectedSinceMs = null;
  }

  /** A report is to be sent now. */
  due(nowMs: number): boolean {
    const waitedMs = nowMs - this.sentAtMs;
    if (waitedMs >= REPORT_EVERY_MS) return true;
    if (waitedMs < REPORT_GAP_MS || !this.since || !this.newest) return false;
    const concealed = concealedBetween(this.since.reading, this.newest.reading);
    return (concealed ?? 0) > CONCEALED_ALARM || this.newest.reading.cpuLimited !== this.sentCpu;
  }

  /** The report of the time since the one before; the next one begins here. */
  take({ wantsVideo, expectsVideo }: Circumstances, nowMs: number): MediaReport {
    const { since, newest } = this;
    this.sentAtMs = nowMs;
    if (!since || !newest) return { wants_video: wantsVideo };
    this.since = newest;
    this.sentCpu = newest.reading.cpuLimited;
    // A pause of the picture is counted by browsers as one long freeze when it ends: the first two seconds do not count.
    const steady = expectsVideo && this.expectedSinceMs !== null && since.atMs - this.expectedSinceMs >= REPORT_GAP_MS;
    return {
      wants_video: wantsVideo,
      concealed: concealedBetween(since.reading, newest.reading),
      frozen_ms: steady ? frozenBetween(since, newest) : null,
      fps: expectsVideo ? framesBetween(since, newest) : null,
      cpu_limited: newest.reading.cpuLimited,
      encode_ms: encodeBetween(since.reading, newest.reading),
      codec: newest.reading.codec,
      out_bps: newest.reading.outBps === null ? null : Math.round(newest.reading.outBps),
    };
  }
}

function concealedBetween(before: Reading, now: Reading): number | null {
  const samples = now.samples - before.samples;
  if (samples < FEWEST_SAMPLES) return null;
  return rounded(Math.min(1, Math.max(0, now.concealed - before.concealed) / samples), 4);
}

function frozenBetween(before: Mark, now: Mark): number | null {
  const elapsedMs = now.atMs - before.atMs;
  const { frozenMs } = now.reading;
  if (frozenMs !== null) {
    // It is counted when the picture moves again, so it may reach back behind the last report.
    const frozen = frozenMs - (before.reading.frozenMs ?? 0);
    const standing = now.reading.framesDecoded === before.reading.framesDecoded;
    return Math.round(Math.min(standing ? elapsedMs : Math.max(0, frozen), elapsedMs));
  }
  return now.reading.framesDecoded === before.reading.framesDecoded ? Math.round(elapsedMs) : 0;
}

function framesBetween(before: Mark, now: Mark): number | null {
  const seconds = (now.atMs - before.atMs) / 1000;
  if (seconds <= 0) return null;
  return rounded(Math.min(240, Math.max(0, now.reading.framesDecoded - before.reading.framesDecoded) / seconds), 1);
}

function encodeBetween(before: Reading, now: Reading): number | null {
  const frames = now.framesEncoded - before.framesEncoded;
  return frames > 0 ? rounded(Math.min(10_000, Math.max(0, now.encodeMs - before.encodeMs) / frames), 1) : null;
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
