/** So many tries at a time: a browser opens six connections to one place. */
export const HEDGE_TRIES = 6;
/** A new try comes at the soonest after so long … */
const SOONEST_MS = 1_500;
/** … and not before the last answer took half as long again. Unknown links may be slow: 4 s. */
const PATIENCE = 1.5;
const UNKNOWN_TOOK_MS = 2_700;

/** How long to wait for an answer before asking again beside it, from how long the last one took. */
export function hedgeEveryMs(tookMs: number | null): number {
  return Math.max(SOONEST_MS, Math.round((tookMs ?? UNKNOWN_TOOK_MS) * PATIENCE));
}

/**
 * Runs `attempt` and, while it does not answer, again beside it; the first answer counts and the others are given up.
 *
 * For links that are cut: a request sent into a cut waits for TCP to send again, which it does ever more seldom (after
 * 10 s of cut up to another 6 s later), while a fresh one passes at once. A slow link only pays for a few requests.
 * An attempt that fails at once counts as an answer only when none is left: `isFinal` says which failures end it all.
 */
export function hedged<T>(
  attempt: (signal: AbortSignal) => Promise<T>,
  isFinal: (error: unknown) => boolean,
  everyMs: number,
  tries = HEDGE_TRIES,
): Promise<T> {
  const over = new AbortController();
  return new Promise<T>((resolve, reject) => {
    let begun = 0;
    let failed = 0;
    let timer: ReturnType<typeof setInterval> | undefined;
    const end = (settle: () => void) => {
      clearInterval(timer);
      settle();
      over.abort();
    };
    const begin = () => {
      begun += 1;
      if (begun >= tries) clearInterval(timer);
      attempt(over.signal).then(
        (value) => end(() => resolve(value)),
        (error) => {
          failed += 1;
          if (isFinal(error) || failed === begun) end(() => reject(error));
        },
      );
    };
    timer = setInterval(begin, everyMs);
    begin();
  });
}
