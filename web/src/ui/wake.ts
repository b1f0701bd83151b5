/** Keeps the screen on while somebody waits or talks: a phone that sleeps loses its place in the call. */
export class WakeLock {
  private lock: { release(): Promise<void> } | null = null;
  private wanted = false;

  constructor() {
    document.addEventListener("visibilitychange", () => void this.renew());
  }

  want(on: boolean): void {
    if (on === this.wanted) return;
    this.wanted = on;
    if (on) void this.renew();
    else {
      void this.lock?.release().catch(() => undefined);
      this.lock = null;
    }
  }

  private async renew(): Promise<void> {
    // The browser takes the lock back whenever the page is hidden.
    if (!this.wanted || document.visibilityState !== "visible") return;
    const api = (navigator as { wakeLock?: { request(kind: "screen"): Promise<{ release(): Promise<void> }> } })
      .wakeLock;
    this.lock = (await api?.request("screen").catch(() => null)) ?? null;
  }
}
