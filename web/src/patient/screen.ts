import type { LinkState } from "../live/connection.ts";
import type { SessionErrorCode } from "../live/session.ts";
import type { PatientSnapshot, Peer, QueuePlace } from "../protocol.ts";

/** Which screen the patient sees. */
export type Screen =
  | "loading"
  | "lost"
  | "replaced"
  | "consent"
  | "declined"
  | "check"
  | "wait"
  | "call"
  | "left"
  | "after";

/** What the page knows besides the newest snapshot. */
export interface Local {
  link: LinkState;
  sessionLost: SessionErrorCode | null;
  consented: boolean;
  declined: boolean;
  /** *Salir* or *Volver* was pressed and the server has not said so yet. */
  presence: "leaving" | "returning" | null;
}

/** The screen follows from the newest snapshot and a little local state; nothing else decides it. */
export function screenOf(snapshot: PatientSnapshot | null, local: Local): Screen {
  if (local.sessionLost) return "lost";
  if (local.link === "replaced") return "replaced";
  if (!snapshot) return "loading";
  switch (snapshot.state) {
    case "new":
      if (local.declined) return "declined";
      return local.consented ? "check" : "consent";
    case "waiting":
    case "offered":
    case "suspended":
      return "wait";
    case "connecting":
    case "in_call":
    case "interrupted":
      return isAway(snapshot, local) ? "left" : "call";
    case "ended":
      return "after";
  }
}

/** The patient has left the call for now, as pressed here or as the server remembers it. */
function isAway(snapshot: PatientSnapshot, local: Local): boolean {
  if (local.presence === "leaving") return true;
  return leftByChoice(snapshot) && local.presence !== "returning";
}

function leftByChoice(snapshot: PatientSnapshot): boolean {
  const interruption = snapshot.call?.interruption;
  return interruption?.by_choice === true && interruption.who !== "nurse";
}

/** Local state after a new snapshot: what was pressed is forgotten once the server agrees. */
export function settlePresence(local: Local, snapshot: PatientSnapshot): Local {
  const away = leftByChoice(snapshot);
  const agreed = local.presence === "leaving" ? away : local.presence === "returning" ? !away : true;
  const over = snapshot.state === "ended";
  return local.presence && (agreed || over) ? { ...local, presence: null } : local;
}

/** The visit is on and the patient is in it: camera and microphone are sent. */
export function isOnAir(screen: Screen): boolean {
  return screen === "call";
}

/** Camera and microphone are open on these screens, and nowhere else. */
export function needsDevices(screen: Screen): boolean {
  return screen === "check" || screen === "wait" || screen === "call";
}

/** Hints change the snapshot in place of a whole new one. */
export function withQueue(snapshot: PatientSnapshot, queue: QueuePlace): PatientSnapshot {
  return { ...snapshot, queue };
}

export function withPeer<S extends Pick<PatientSnapshot, "call">>(snapshot: S, peer: Peer): S {
  if (!snapshot.call) return snapshot;
  return {
    ...snapshot,
    call: { ...snapshot.call, peer_media: peer.media, peer_bars: peer.bars, receives: peer.receives },
  };
}

export function withChat<S extends Pick<PatientSnapshot, "call">>(
  snapshot: S,
  line: NonNullable<S["call"]>["chat"][number],
): S {
  const call = snapshot.call;
  if (!call || call.chat.some((one) => one.id === line.id)) return snapshot;
  return { ...snapshot, call: { ...call, chat: [...call.chat, line] } };
}
