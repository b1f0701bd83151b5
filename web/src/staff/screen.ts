import type { LinkState } from "../live/connection.ts";
import type { SessionErrorCode } from "../live/session.ts";
import type { CallView, StaffSnapshot } from "../protocol.ts";

/** Which screen the nurse sees. An offer lies over `home`. */
export type StaffScreen = "loading" | "lost" | "replaced" | "home" | "call" | "wrapup";

/** The screen follows from the newest snapshot and the state of the link; nothing else decides it. */
export function staffScreenOf(
  snapshot: StaffSnapshot | null,
  link: LinkState,
  sessionLost: SessionErrorCode | null,
): StaffScreen {
  if (sessionLost) return "lost";
  if (link === "replaced") return "replaced";
  if (!snapshot) return "loading";
  if (snapshot.state === "wrapup" && snapshot.wrapup) return "wrapup";
  if (snapshot.call && snapshot.call_state) return "call";
  return "home";
}

/** A visit is on: camera and microphone are sent. */
export function onAir(snapshot: StaffSnapshot): boolean {
  return snapshot.call !== null && snapshot.call_state !== null;
}

/** States in which a visit may start at once, so that camera and microphone are held ready. */
export function holdsDevices(snapshot: StaffSnapshot | null): boolean {
  return snapshot !== null && ["idle", "offered", "busy", "gone"].includes(snapshot.state);
}

/** The patient's link as it is now: what they last reported is of no worth once they are gone. Null: not known yet. */
export function patientBars(call: Pick<CallView, "interruption" | "peer_bars">): number | null {
  const gone = call.interruption !== null && call.interruption.who !== "nurse";
  return gone ? 0 : call.peer_bars;
}
