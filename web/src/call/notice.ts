import type { Whose, Why } from "../protocol.ts";

/** One direction as far as it is worth a word. `picture`: a camera is on there and nobody chose voice only. */
export interface Way {
  rung: number;
  why: Why;
  whose: Whose;
  picture: boolean;
}

/** Both directions, seen from this page. Null: the server has not said it yet. */
export interface Ways {
  sends: Way | null;
  receives: Way | null;
}

export type Direction = keyof Ways | "both";
export type Cause = "rate" | "loss" | "delay" | "cpu";

/** What happened, to which picture, and why. */
export interface Notice {
  direction: Direction;
  /** `worse`: by its new rung. `back`: a moving picture again. `better`: more of it. */
  change: "worse" | "back" | "better";
  rung: number;
  cause: Cause | null;
  whose: Whose;
}

const STILLS = 2;
const CAUSES: readonly string[] = ["rate", "loss", "delay", "cpu"] satisfies Cause[];

/** Without a camera only the voice counts: what a picture would have had is nobody's concern. */
const level = (way: Way) => (way.picture ? way.rung : Math.min(1, way.rung));

/** The best each direction has been in this call. */
export type Best = Record<keyof Ways, number>;

function changeOf(before: Way | null, now: Way | null, direction: keyof Ways, best: number): Notice | null {
  if (!before || !now || before.picture !== now.picture) return null;
  const [from, to] = [level(before), level(now)];
  // A call starts low and climbs: only what was lost before can come back.
  if (to > from && to > best) return null;
  // A choice is told beside the picture for as long as it holds; a start is no change.
  if (from === to || now.why === "choice" || now.why === "start" || before.why === "choice") return null;
  const change = to < from ? "worse" : from <= STILLS && to > STILLS ? "back" : "better";
  const cause = change === "worse" && CAUSES.includes(now.why) ? (now.why as Cause) : null;
  return { direction, change, rung: to, cause, whose: now.whose };
}

/** What to say when the ways have changed from what was told last; null: nothing. One thing at a time, the worse first. */
export function noticeOf(before: Ways, now: Ways, best: Best): Notice | null {
  const sends = changeOf(before.sends, now.sends, "sends", best.sends);
  const receives = changeOf(before.receives, now.receives, "receives", best.receives);
  if (!sends || !receives) return sends ?? receives;
  const alike = sends.change === receives.change && sends.rung === receives.rung;
  if (alike && sends.cause === receives.cause && sends.whose === receives.whose) {
    return { ...receives, direction: "both" };
  }
  if (sends.change === "worse" && (receives.change !== "worse" || sends.rung < receives.rung)) return sends;
  return receives;
}

/** The link that made one direction worse made the other worse a little later: one event, and one sentence for it. */
function sameEvent(shown: Notice, notice: Notice): boolean {
  const alike = shown.rung === notice.rung && shown.cause === notice.cause && shown.whose === notice.whose;
  return alike && shown.change === "worse" && notice.change === "worse" && shown.direction !== notice.direction;
}

/** Bars that a direction's rung leaves to the link at fault. */
const RUNG_BARS = [0, 1, 2, 2, 3, 4];

/** Bars of one's own link or of the other's: what delay and loss say, and no more than it carries. */
export function linkBars(bars: number, ways: Ways, whose: "own" | "other"): number {
  const held = [ways.sends, ways.receives].filter((way) => way?.whose === whose && CAUSES.includes(way.why));
  return Math.min(bars, ...held.map((way) => (way?.why === "cpu" ? 4 : (RUNG_BARS[way?.rung ?? 5] ?? 4))));
}

/** How long a sentence stays. */
const SHOWN_MS = 8_000;
/** A sentence can be read before the next takes its place; what happens meanwhile is told as one change. */
const READ_MS = 4_000;
/** Good news must hold, and does not follow another sentence closely: a link that wavers is not worth a word each time. */
const HOLD_MS = 3_000;
const CALM_MS = 10_000;

/**
 * Which sentence is on the screen. It compares what is with what was told last, not with the moment before: what went
 * and came back in between is never mentioned.
 */
export class Notices {
  private told: Ways | null = null;
  private readonly best: Best = { sends: 0, receives: 0 };
  private shown: Notice | null = null;
  private shownAtMs = Number.NEGATIVE_INFINITY;
  private betterSinceMs: number | null = null;

  /** `ways` null: the call is not connected, and what is told then is told elsewhere. */
  step(nowMs: number, ways: Ways | null): Notice | null {
    if (ways) this.consider(nowMs, ways);
    else this.betterSinceMs = null;
    return this.shown && nowMs - this.shownAtMs < SHOWN_MS ? this.shown : null;
  }

  private consider(nowMs: number, ways: Ways): void {
    const notice = this.told && noticeOf(this.told, ways, this.best);
    if (!notice) {
      this.settle(ways);
      return;
    }
    const sinceMs = nowMs - this.shownAtMs;
    if (this.shown && sinceMs < SHOWN_MS && sameEvent(this.shown, notice)) {
      this.settle(ways);
      this.shown = { ...notice, direction: "both" };
      return;
    }
    if (notice.change === "worse") {
      if (sinceMs < READ_MS) return;
    } else {
      this.betterSinceMs ??= nowMs;
      if (nowMs - this.betterSinceMs < HOLD_MS || sinceMs < CALM_MS) return;
    }
    this.settle(ways);
    this.shown = notice;
    this.shownAtMs = nowMs;
  }

  private settle(ways: Ways): void {
    this.told = ways;
    this.betterSinceMs = null;
    for (const direction of ["sends", "receives"] as const) {
      const way = ways[direction];
      if (way) this.best[direction] = Math.max(this.best[direction], level(way));
    }
  }
}

/** What is in place of the other side's moving picture. */
export type Picture = "video" | "still" | "none";

/**
 * Which picture is shown at a rung. When the moving picture comes back, what was there stays until it really moves: the
 * last frame of long ago is never shown as if it were now.
 */
export function pictureAt(before: Picture, rung: number, framesFlow: boolean, hasStill: boolean): Picture {
  if (rung < STILLS) return "none";
  if (rung === STILLS) return hasStill ? "still" : "none";
  return framesFlow ? "video" : before;
}

const MB = 1_000_000;

/** Megabytes used, rounded so that it hardly moves; null while it is not worth a word. */
export function megabytes(bytes: number): number | null {
  return bytes < MB / 2 ? null : Math.round(bytes / MB);
}
