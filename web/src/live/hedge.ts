/** So many tries at a time: a browser opens six connections to one place. */
export const HEDGE_TRIES = 6;
/** A new try comes at the soonest after so long (six of them last as long as one is given) … */
const SOONEST_MS = 2_000;
/** … and not before half as long again as the last answer took. Unknown links may be slow: 4 s. */
const PATIENCE = 1.5;
const UNKNOWN_TOOK_MS = 2_700;

/** How long to wait for an answer before asking again beside it, from how long the last one took. */
export function hedgeEveryMs(tookMs: number | null): number {
  return Math.max(SOONEST_MS, Math.round((tookMs ?? UNKNOWN_TOOK_MS) * PATIENCE));
}

/**
 * Runs `attempt` and, while it does not answer, again beside it, for as long as a cut lasts; the first answer counts and
 * the others are given up. It fails when no try is left, and at once with a failure that `isFinal`.
 *
 * For links that are cut: a request sent into a cut waits for TCP to send again, which it does ever more seldom, while a
 * fresh one passes at once. Measured after a cut of 60 s: a single request was answered 4.5 s after the link was back.
 */
export function hedged<T>(
  attempt: (signal: AbortSignal) => Promise<T>,
  isFinal: (error: unknown) => boolean,
  everyMs: number,
  tries = HEDGE_TRIES,
): Promise<T> {
  const over = new AbortController();
  return new Promise<T>((resolve, reject) => {
    let underWay = 0;
    let timer: ReturnType<typeof setInterval> | undefined;
    const end = (settle: () => void) => {
      clearInterval(timer);
      settle();
      over.abort();
    };
    const begin = () => {
      if (underWay >= tries) return;
      underWay += 1;
      attempt(over.signal).then(
        (value) => end(() => resolve(value)),
        (error) => {
          underWay -= 1;
          if (isFinal(error) || underWay === 0) end(() => reject(error));
        },
      );
    };
    timer = setInterval(begin, everyMs);
    begin();
  });
}
