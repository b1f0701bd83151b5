import type { Words } from "../words/index.ts";
import type { Measure } from "./api.ts";
import type { Reading } from "./reading.ts";
import type { Outcome, Way } from "./ways.ts";

/** The whole result of a test. */
export interface Result {
  ways: Record<Way, Outcome>;
  measure: Measure;
  reading: Reading;
}

export type Verdict = "video" | "voice" | "phone" | "unknown" | "no_way";

/** From this rung on a picture moves. */
const GOOD_RUNG = 3;

export function verdictOf({ measure, reading }: Result): Verdict {
  if (reading.way === null) return "no_way";
  const rungs = [measure.up?.rung ?? null, measure.down?.rung ?? null];
  if (rungs.includes(null)) return "unknown";
  const worst = Math.min(...(rungs as number[]));
  return worst >= GOOD_RUNG ? "video" : worst >= 1 ? "voice" : "phone";
}

/** The rows of the table, in words. */
export function rowsOf({ ways, measure, reading }: Result, words: Words["linktest"]): [string, string][] {
  const way = (one: Way): [string, string] => [words.rows[one], words.outcome[ways[one]]];
  const rate = (bps: number | null | undefined) => (bps == null ? words.unknown : words.rate(bps));
  const ms = (value: number | null | undefined) => (value == null ? words.unknown : `${Math.round(value)} ms`);
  const share = (loss: number | null | undefined) => (loss == null ? words.unknown : `${(100 * loss).toFixed(1)} %`);
  const rung = (value: number | null | undefined) => (value == null ? words.unknown : (words.rung[value] ?? ""));
  return [
    way("udp"),
    way("tcp"),
    way("turn"),
    [words.rows.used, reading.way ? words.rows[reading.way] : words.unknown],
    [words.rows.rtt, ms(reading.rttMs ?? measure.rtt_ms)],
    [words.rows.jitter, ms(reading.jitterMs)],
    [words.rows.lossUp, share(measure.up?.loss ?? reading.lossUp)],
    [words.rows.lossDown, share(measure.down?.loss)],
    [words.rows.rateUp, rate(measure.up?.rate_bps)],
    [words.rows.rateDown, rate(measure.down?.rate_bps)],
    [words.rows.rungUp, rung(measure.up?.rung)],
    [words.rows.rungDown, rung(measure.down?.rung)],
  ];
}

/** The same as plain text, to be sent to whoever asked for it. */
export function textOf(result: Result, words: Words["linktest"], host: string, at: Date): string {
  const rows = rowsOf(result, words).map(([name, value]) => `${name}: ${value}`);
  return [`${words.title} · ${host} · ${at.toISOString()}`, ...rows, words.verdict[verdictOf(result)]].join("\n");
}
