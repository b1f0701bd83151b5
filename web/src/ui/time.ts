import { useEffect, useState } from "preact/hooks";

/** How far the server's clock is ahead of this device's. Phones are often minutes off. */
let offsetMs = 0;

export function followServerClock(serverTimeMs: number): void {
  offsetMs = serverTimeMs - Date.now();
}

export const serverNow = () => Date.now() + offsetMs;

/** The server's time, renewed every `everyMs` while the component is shown. */
export function useServerNow(everyMs = 1000): number {
  const [now, setNow] = useState(serverNow);
  useEffect(() => {
    setNow(serverNow());
    const timer = setInterval(() => setNow(serverNow()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

/** True once `delayMs` have passed since `sinceMs` (this device's clock); false while `sinceMs` is null. */
export function useElapsed(sinceMs: number | null, delayMs: number): boolean {
  const [, again] = useState(0);
  const leftMs = sinceMs === null ? null : sinceMs + delayMs - Date.now();
  const due = leftMs !== null && leftMs <= 0;
  useEffect(() => {
    if (sinceMs === null || due) return;
    const timer = setTimeout(() => again((n) => n + 1), Math.max(0, sinceMs + delayMs - Date.now()) + 5);
    return () => clearTimeout(timer);
  }, [sinceMs, delayMs, due]);
  return due;
}

/** `04:12`, or `1:04:12` from an hour on. */
export function clockText(ms: number): string {
  const total = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number) => String(n).padStart(2, "0");
  const minutes = Math.floor(total / 60) % 60;
  const hours = Math.floor(total / 3600);
  return `${hours > 0 ? `${hours}:` : ""}${two(minutes)}:${two(total % 60)}`;
}

/** Hour of the day of a server time, in this device's zone, 24 h. */
export function hourText(serverMs: number, lang: string): string {
  return new Date(serverMs - offsetMs).toLocaleTimeString(lang, { hour: "2-digit", minute: "2-digit", hour12: false });
}

/** Date in full: `martes 24 de noviembre de 2026`. */
export function dateText(serverMs: number, lang: string): string {
  const date = new Date(serverMs - offsetMs);
  return date
    .toLocaleDateString(lang, { weekday: "long", day: "numeric", month: "long", year: "numeric" })
    .replace(",", "");
}
