/** Longest wait between two tries to connect … */
export const MAX_DELAY_MS = 15_000;
/** … and within the first minute or so after a loss: a call is waiting on the other side. */
export const SOON_DELAY_MS = 2_000;
const SOON_ATTEMPTS = 30;

/**
 * How long to wait before try number `attempt` (0 is the first after a loss).
 *
 * The first try is quick, because most losses are a page that moved from one network to another; then a try every two
 * seconds, because a call is to be back within five seconds of its link; and after a minute or more of that the wait
 * doubles up to 15 s. Half of every wait is random so that a thousand pages do not come back in the same moment.
 */
export function retryDelayMs(attempt: number, random: () => number = Math.random): number {
  const ceiling =
    attempt <= 0
      ? 300
      : attempt <= SOON_ATTEMPTS
        ? Math.min(SOON_DELAY_MS, 1000 * 2 ** (attempt - 1))
        : Math.min(MAX_DELAY_MS, SOON_DELAY_MS * 2 ** (attempt - SOON_ATTEMPTS));
  return Math.round(ceiling / 2 + (ceiling / 2) * random());
}
