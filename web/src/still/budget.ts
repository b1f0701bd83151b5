import type { StillKind, StillType } from "../protocol.ts";

/** How a still is to be made: the longer side of the picture in pixels, and the encoder's quality, 0…1. */
export interface Shape {
  longSide: number;
  quality: number;
}

/** A still as it goes over the link. */
export interface Still {
  id: string;
  kind: StillKind;
  type: StillType;
  width: number;
  height: number;
  bytes: Uint8Array<ArrayBuffer>;
}

/** A view is taken this often at most: a face is told from a face, a picture from a stall. */
export const VIEW_EVERY_MS = 5_000;
/** A view is made to be sent in this time: what a thin link takes longer is still there before 10 s are over. */
const VIEW_S = 3;

/** Bytes a view may have. Below the first not even a face is seen; above the second nothing is gained in the window. */
const VIEW_BYTES = { least: 1_600, most: 40_000 };
/** Seconds a document may take. Longer than a view: it was asked for, and its letters must be legible. */
const DOCUMENT_S = 20;
const DOCUMENT_BYTES = { least: 24_000, most: 60_000 };
/** The protocol's bound is 4 MiB; an original is made to stay under it. */
export const ORIGINAL_BYTES = 4_000_000;

/** The longer side a document and an original never exceed: a letter page is legible at the first. */
const LONG_SIDE = { view: 640, document: 1600, original: 4096 };

/** Bytes a still may have on a link with so many bit/s for stills. */
export function budgetBytes(kind: StillKind, rateBps: number): number {
  if (kind === "original") return ORIGINAL_BYTES;
  const [seconds, { least, most }] = kind === "view" ? [VIEW_S, VIEW_BYTES] : [DOCUMENT_S, DOCUMENT_BYTES];
  return Math.round(Math.min(most, Math.max(least, (rateBps * seconds) / 8)));
}

/** About what WebP needs for a pixel of a room at the first quality; the tries after it put a wrong guess right. */
const BYTES_PER_PIXEL = 0.11;
const START_QUALITY = 0.7;
const LEAST_QUALITY = 0.35;
const SMALLEST_SIDE = 160;
/** A still that uses this share of its budget is not tried larger. */
const WELL_USED = 0.45;
/** A still is encoded at most this often: each try costs a cheap phone about 100 ms. */
export const TRIES = 4;

/** The longer side a still of this kind may have at most. */
export function longestSide(kind: StillKind, width: number, height: number): number {
  return Math.min(LONG_SIDE[kind], Math.max(width, height));
}

/** The first try: as large as the source and the budget seem to allow. */
export function firstShape(kind: StillKind, width: number, height: number, budget: number): Shape {
  const longest = longestSide(kind, width, height);
  if (kind === "original") return { longSide: longest, quality: 0.92 };
  const ratio = Math.min(width, height) / Math.max(width, height);
  const fitting = Math.sqrt(budget / BYTES_PER_PIXEL / ratio);
  // A document keeps its pixels as long as it can: small letters bear a rough encoding better than a small picture.
  const wanted = kind === "document" ? Math.max(fitting, longest * 0.8) : fitting;
  return { longSide: Math.round(Math.max(SMALLEST_SIDE, Math.min(longest, wanted))), quality: START_QUALITY };
}

/**
 * The next try after one of so many bytes: too many make it rougher first, then smaller; few let it be larger, up to
 * `longest`. Null: it is well as it is, or nothing more can be done.
 */
export function nextShape(shape: Shape, bytes: number, budget: number, longest: number): Shape | null {
  const { longSide, quality } = shape;
  const over = bytes / budget;
  if (over <= 1) {
    if (over > WELL_USED || longSide >= longest) return null;
    return { quality, longSide: Math.min(longest, Math.round(longSide * Math.sqrt(0.75 / Math.max(over, 0.05)))) };
  }
  if (quality > LEAST_QUALITY && (over < 3 || longSide <= SMALLEST_SIDE)) {
    // Bytes fall a little slower than quality does.
    return { longSide, quality: Math.max(LEAST_QUALITY, quality / Math.max(1.15, over)) };
  }
  if (longSide <= SMALLEST_SIDE) return null;
  const smaller = Math.round((longSide / Math.sqrt(over)) * 0.95);
  return { quality: Math.min(quality, 0.5), longSide: Math.max(SMALLEST_SIDE, smaller) };
}

/** The size of a picture whose longer side is to be so long; never larger than it is. */
export function scaled(width: number, height: number, longSide: number): { width: number; height: number } {
  const factor = Math.min(1, longSide / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * factor)), height: Math.max(1, Math.round(height * factor)) };
}

/** A piece holds the link for this long, so that signalling between two pieces never waits longer. */
const PIECE_S = 0.4;
const PIECE_BYTES = { least: 512, most: 16_384 };

/** How many bytes go in one piece on a link with so many bit/s for stills. */
export function pieceBytes(rateBps: number): number {
  return Math.round(Math.min(PIECE_BYTES.most, Math.max(PIECE_BYTES.least, (rateBps * PIECE_S) / 8)));
}

/** How much is fetched at once, by the rung of what comes: on a thin link the voice waits for no more than this. */
const FETCH_BYTES = [512, 512, 512, 4_096, 16_384, 16_384];

export function fetchBytes(rung: number | null): number {
  return FETCH_BYTES[rung ?? 5] ?? PIECE_BYTES.least;
}

/** How long after the start of a piece the next may start, ms, so that the rate is kept. */
export function pieceMs(bytes: number, rateBps: number): number {
  return (bytes * 8_000) / rateBps;
}

/** What a still that was asked for may take where no share is set aside for stills, by rung: little beside each. */
const SPARE_BPS = [4_000, 4_000, 6_000, 8_000, 24_000, 96_000];

/** Bit/s for stills now: what the relay set aside, or the little that never hurts the voice. */
export function stillRateBps(sends: { rung: number; stills_bps: number } | null): number {
  const spare = SPARE_BPS[sends?.rung ?? 5] ?? 4_000;
  return Math.max(sends?.stills_bps ?? 0, spare);
}
