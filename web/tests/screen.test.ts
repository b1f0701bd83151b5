import { describe, expect, it } from "vitest";
import { callStatus, rung } from "../src/call/seat.ts";
import { type Local, needsDevices, screenOf, settlePresence, withChat, withPeer } from "../src/patient/screen.ts";
import type {
  CallView,
  Interruption,
  PatientSnapshot,
  PatientState,
  RungView,
  StaffSnapshot,
} from "../src/protocol.ts";
import { holdsDevices, onAir, patientBars, staffScreenOf } from "../src/staff/screen.ts";

const LOCAL: Local = { link: "up", sessionLost: null, consented: false, declined: false, presence: null };

const CALL: CallView = {
  accepted_at_ms: 1,
  started_at_ms: 2,
  slots: [],
  peer_media: null,
  peer_bars: null,
  sends: null,
  receives: null,
  stills: [],
  interruption: null,
  chat: [],
};

const LOSSY: RungView = { rung: 3, why: "loss", whose: "other" };

function patient(state: PatientState, interruption: Interruption | null = null): PatientSnapshot {
  const inCall = state === "connecting" || state === "in_call" || state === "interrupted";
  return {
    seq: 1,
    server_time_ms: 0,
    state,
    name: "",
    visit: null,
    generation: 1,
    joined_at_ms: null,
    queue: null,
    nurse: null,
    leg: null,
    link: null,
    call: inCall ? { ...CALL, interruption } : null,
    ended: null,
  };
}

const BY_CHOICE: Interruption = { who: "patient", by_choice: true, since_ms: 1, until_ms: 2 };
const LINK_LOST: Interruption = { who: "patient", by_choice: false, since_ms: 1, until_ms: 2 };

describe("the patient's screen", () => {
  it("goes from notice to device check, and back to the notice's refusal", () => {
    expect(screenOf(null, LOCAL)).toBe("loading");
    expect(screenOf(patient("new"), LOCAL)).toBe("consent");
    expect(screenOf(patient("new"), { ...LOCAL, consented: true })).toBe("check");
    expect(screenOf(patient("new"), { ...LOCAL, declined: true })).toBe("declined");
  });

  it("follows the visit whatever was pressed before", () => {
    for (const state of ["waiting", "offered", "suspended"] as const)
      expect(screenOf(patient(state), LOCAL)).toBe("wait");
    for (const state of ["connecting", "in_call"] as const) expect(screenOf(patient(state), LOCAL)).toBe("call");
    expect(screenOf(patient("ended"), { ...LOCAL, presence: "leaving" })).toBe("after");
  });

  it("stays in the call when the link is lost, and leaves it only by choice", () => {
    expect(screenOf(patient("interrupted", LINK_LOST), LOCAL)).toBe("call");
    expect(screenOf(patient("interrupted", BY_CHOICE), LOCAL)).toBe("left");
  });

  it("leaves and returns at once when pressed, before the server has said so", () => {
    expect(screenOf(patient("in_call"), { ...LOCAL, presence: "leaving" })).toBe("left");
    expect(screenOf(patient("interrupted", BY_CHOICE), { ...LOCAL, presence: "returning" })).toBe("call");
  });

  it("forgets what was pressed once the server agrees, not before", () => {
    const leaving: Local = { ...LOCAL, presence: "leaving" };
    expect(settlePresence(leaving, patient("in_call")).presence).toBe("leaving");
    expect(settlePresence(leaving, patient("interrupted", BY_CHOICE)).presence).toBeNull();
    const returning: Local = { ...LOCAL, presence: "returning" };
    expect(settlePresence(returning, patient("interrupted", BY_CHOICE)).presence).toBe("returning");
    expect(settlePresence(returning, patient("interrupted", LINK_LOST)).presence).toBeNull();
    expect(settlePresence(leaving, patient("ended")).presence).toBeNull();
  });

  it("gives way to a lost session and to another page of the same person", () => {
    expect(screenOf(patient("in_call"), { ...LOCAL, link: "replaced" })).toBe("replaced");
    expect(screenOf(patient("in_call"), { ...LOCAL, sessionLost: "session_expired" })).toBe("lost");
  });

  it("opens camera and microphone only where they are used", () => {
    const open = (["consent", "declined", "check", "wait", "call", "left", "after"] as const).filter(needsDevices);
    expect(open).toEqual(["check", "wait", "call"]);
  });
});

describe("hints", () => {
  it("adds a chat line once", () => {
    const line = { id: "a", sender: "nurse", text: "hola", at_ms: 1 } as const;
    const once = withChat(patient("in_call"), line);
    expect(once.call?.chat).toEqual([line]);
    expect(withChat(once, line)).toBe(once);
    expect(withChat(patient("waiting"), line).call).toBeNull();
  });

  it("changes what the other side sends", () => {
    const media = { microphone: false, camera: true, voice_only: false };
    expect(withPeer(patient("in_call"), { media, bars: 2, receives: LOSSY }).call).toMatchObject({
      peer_media: media,
      peer_bars: 2,
      receives: LOSSY,
    });
  });
});

describe("callStatus", () => {
  it("connects, stays connected, and says when the link is lost on either side", () => {
    expect(callStatus("connecting", { ...CALL, started_at_ms: null }, "connecting")).toBe("connecting");
    expect(callStatus("connecting", { ...CALL, started_at_ms: null }, "connected")).toBe("connecting");
    expect(callStatus("in_call", CALL, "connected")).toBe("connected");
    expect(callStatus("in_call", CALL, "lost")).toBe("reconnecting");
    expect(callStatus("in_call", CALL, "connecting")).toBe("reconnecting");
    expect(callStatus("interrupted", { ...CALL, interruption: LINK_LOST }, "connected")).toBe("reconnecting");
  });
});

describe("rung", () => {
  const track = {} as MediaStreamTrack;
  const seat = (video: MediaStreamTrack | null, voiceOnly = false) =>
    ({ voiceOnly, devices: { video }, sends: null, receives: null }) as unknown as Parameters<typeof rung>[0];
  const other = (camera: boolean, voice_only = false) => ({
    ...CALL,
    peer_media: { microphone: true, camera, voice_only },
  });

  it("is five while a picture flows either way and one when either side chose voice only", () => {
    expect(rung(seat(track), other(true))).toBe(5);
    expect(rung(seat(null), other(true))).toBe(5);
    expect(rung(seat(null), other(false))).toBe(1);
    expect(rung(seat(track), other(false, true))).toBe(1);
    expect(rung(seat(track, true), other(true))).toBe(1);
  });

  it("is the lower of the two pictures, and not that of a picture nobody sends", () => {
    const low = { rung: 3, why: "rate", whose: "own" } as const;
    const sends = { ...seat(track), sends: low as never };
    expect(rung(sends, other(true))).toBe(3);
    expect(rung({ ...sends, devices: { video: null } as never }, other(true))).toBe(5);
    expect(rung({ ...seat(track), receives: { ...low, rung: 2 } }, other(true))).toBe(2);
  });
});

describe("the nurse's screen", () => {
  const staff = (part: Partial<StaffSnapshot>) =>
    ({ state: "idle", call: null, call_state: null, ...part }) as StaffSnapshot;

  it("shows the call whenever there is one, also while the link is gone", () => {
    expect(staffScreenOf(staff({}), "up", null)).toBe("home");
    expect(staffScreenOf(staff({ state: "offered" }), "up", null)).toBe("home");
    expect(staffScreenOf(staff({ state: "busy", call: CALL, call_state: "in_call" }), "trying", null)).toBe("call");
    expect(staffScreenOf(staff({ state: "busy", call: CALL, call_state: "interrupted" }), "up", null)).toBe("call");
    expect(staffScreenOf(null, "trying", null)).toBe("loading");
    expect(staffScreenOf(staff({}), "replaced", null)).toBe("replaced");
  });

  it("sends only in a visit, and holds the camera only on duty", () => {
    expect(onAir(staff({ state: "offered" }))).toBe(false);
    expect(onAir(staff({ state: "busy", call: CALL, call_state: "connecting" }))).toBe(true);
    expect(holdsDevices(staff({ state: "away" }))).toBe(false);
    expect(holdsDevices(staff({ state: "wrapup" }))).toBe(false);
    expect(holdsDevices(staff({ state: "idle" }))).toBe(true);
    expect(holdsDevices(null)).toBe(false);
  });
});

describe("the patient's link at the nurse", () => {
  const lost = (who: Interruption["who"]): Interruption => ({ who, by_choice: false, since_ms: 0, until_ms: 1 });

  it("is none while the patient is gone, whatever was reported before", () => {
    for (const who of ["patient", "both"] as const) {
      expect(patientBars({ ...CALL, peer_bars: 4, interruption: lost(who) })).toBe(0);
    }
  });

  it("is what the patient reports while only the nurse is gone", () => {
    expect(patientBars({ ...CALL, peer_bars: 3, interruption: lost("nurse") })).toBe(3);
    expect(patientBars(CALL)).toBeNull();
  });
});
