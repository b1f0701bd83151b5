type Network = EventTarget & { type?: string };

const connection = (): Network | undefined =>
  typeof navigator === "undefined" ? undefined : (navigator as { connection?: Network }).connection;

/** The kind of network this device is on (`wifi`, `cellular`, …), empty where the browser does not say. */
export function networkType(): string {
  return connection()?.type ?? "";
}

/** Calls back whenever the device has come onto another network. */
export function onNetworkChange(changed: () => void): void {
  addEventListener("online", changed);
  // `type` changes when a phone moves between wifi and mobile; the other fields change all the time.
  let type = networkType();
  connection()?.addEventListener?.("change", () => {
    if (type === networkType()) return;
    type = networkType();
    if (type !== "none") changed();
  });
}
