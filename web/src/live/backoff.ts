/** Longest wait between two tries to connect. */
export const MAX_DELAY_MS = 15_000;

/**
 * How long to wait before try number `attempt` (0 is the first after a loss).
 *
 * The first try is quick, because most losses are a page that moved from one network to another; from then on the wait
 * doubles from 1 s to 15 s. Half of every wait is random so that a thousand pages do not come back in the same moment.
 */
export function retryDelayMs(attempt: number, random: () => number = Math.random): number {
  const ceiling = attempt <= 0 ? 300 : Math.min(MAX_DELAY_MS, 1000 * 2 ** (attempt - 1));
  return Math.round(ceiling / 2 + (ceiling / 2) * random());
}
