import { callStatus, Seat } from "../call/seat.ts";
import { Connection, type LinkState } from "../live/connection.ts";
import { Session, SessionError, type SessionErrorCode } from "../live/session.ts";
import { audioContext } from "../media/audio.ts";
import { withChat, withPeer } from "../patient/screen.ts";
import type { Ok, Outcome, QueueView, Refused, StaffSnapshot } from "../protocol.ts";
import { Stills } from "../still/stills.ts";
import { followServerClock } from "../ui/time.ts";
import { words } from "../words/index.ts";
import { holdsDevices, onAir, type StaffScreen, staffScreenOf } from "./screen.ts";

const RETRY_SESSION_MS = 3_000;

/** Something the nurse pressed that waits for the server. */
export type Pressed = "duty" | "accept" | "end" | "wrapup";

/** What the nurse's screens are drawn from. */
export interface StaffView {
  screen: StaffScreen;
  snapshot: StaffSnapshot | null;
  link: LinkState;
  sessionLost: SessionErrorCode | null;
  pressed: Pressed | null;
  failed: Pressed | null;
  lostSinceMs: number | null;
}

/** The nurse's page: what is known, what may be done, and what follows from it. */
export class StaffApp {
  readonly seat: Seat;
  readonly stills: Stills;
  private connection: Connection<StaffSnapshot, QueueView> | null = null;
  private snapshot: StaffSnapshot | null = null;
  private link: LinkState = "trying";
  private sessionLost: SessionErrorCode | null = null;
  private pressed: Pressed | null = null;
  private failed: Pressed | null = null;
  private lostSinceMs: number | null = null;
  private testing = false;

  constructor(private readonly draw: () => void) {
    this.seat = new Seat(
      "nurse",
      () => this.connection,
      () => this.changed(),
    );
    this.stills = new Stills(
      this.seat,
      () => this.connection,
      () => this.changed(),
    );
  }

  get view(): StaffView {
    const { snapshot, link, sessionLost, pressed, failed, lostSinceMs } = this;
    const screen = staffScreenOf(snapshot, link, sessionLost);
    return { screen, snapshot, link, sessionLost, pressed, failed, lostSinceMs };
  }

  get status() {
    const { snapshot } = this;
    return callStatus(snapshot?.call_state ?? null, snapshot?.call ?? null, this.seat.peer.state);
  }

  async start(): Promise<void> {
    try {
      const session = await Session.open("staff");
      this.connection = new Connection<StaffSnapshot, QueueView>(session, () => this.seat.peer.legInHand, {
        snapshot: (snapshot, first) => this.take(snapshot, first),
        queue: (queue) => this.update(this.snapshot && { ...this.snapshot, queue }),
        chat: (line) => {
          this.seat.confirm(line);
          this.update(this.snapshot && withChat(this.snapshot, line));
        },
        peer: (peer) => {
          this.seat.heard(peer);
          this.update(this.snapshot && withPeer(this.snapshot, peer));
        },
        limits: (limits) => this.seat.hearLimits(limits),
        still: (still) => this.stills.heard(still),
        stillAsked: (asked) => this.stills.asked(asked),
        stillRefused: () => this.stills.refused(),
        link: (link) => {
          this.link = link;
          if (link === "replaced") this.seat.yield();
          this.changed();
        },
        sessionLost: (code) => this.lose(code),
      });
      this.connection.start();
    } catch (error) {
      const code = error instanceof SessionError ? error.code : "other";
      if (code !== "offline") return this.lose(code);
      setTimeout(() => void this.start(), RETRY_SESSION_MS);
    }
  }

  /** Ready for offers. Camera and microphone open now, so that accepting is instant. */
  goAvailable(): Promise<void> {
    audioContext();
    if ("Notification" in window && Notification.permission === "default") void Notification.requestPermission();
    void this.seat.prepare();
    return this.press("duty", () => this.deliver("available", {}));
  }

  pause(reason: string): Promise<void> {
    return this.press("duty", () => this.deliver("break", { reason: reason.trim() }));
  }

  offShift(): Promise<void> {
    return this.press("duty", () => this.deliver("off_shift", {}));
  }

  accept(): Promise<void> {
    const generation = this.snapshot?.offer?.generation;
    if (generation === undefined) return Promise.resolve();
    return this.press("accept", () => this.deliver("offer.accept", { generation }));
  }

  async decline(): Promise<void> {
    const generation = this.snapshot?.offer?.generation;
    if (generation !== undefined) await this.deliver("offer.decline", { generation });
  }

  end(): Promise<void> {
    const generation = this.snapshot?.generation;
    if (generation === undefined) return Promise.resolve();
    return this.press("end", () => this.deliver("call.end", { generation }));
  }

  async moreTime(): Promise<void> {
    await this.deliver("wrapup.extend", {});
  }

  wrapUp(outcome: Outcome, note: string, available: boolean): Promise<void> {
    const visit = this.snapshot?.wrapup?.visit;
    if (visit === undefined) return Promise.resolve();
    if (available) void this.seat.prepare();
    return this.press("wrapup", () => this.deliver("wrapup.done", { visit, outcome, note: note.trim(), available }));
  }

  /** The station check opens the devices without going available, and lets go of them after. */
  test(on: boolean): void {
    this.testing = on;
    if (on) void this.seat.prepare();
    this.changed();
  }

  continueHere(): void {
    this.link = "trying";
    this.connection?.start();
    this.changed();
  }

  private deliver: Connection<StaffSnapshot, QueueView>["deliver"] = (event, payload) => {
    if (!this.connection) throw new Error("not started");
    return this.connection.deliver(event, payload);
  };

  private async press(what: Pressed, ask: () => Promise<Ok | Refused>): Promise<void> {
    if (this.pressed) return;
    this.pressed = what;
    this.failed = null;
    this.changed();
    const answer = await ask();
    this.pressed = null;
    // What came too late is told by the next snapshot.
    if (!answer.ok && answer.error.code !== "stale") this.failed = what;
    this.changed();
  }

  private take(snapshot: StaffSnapshot, first: boolean): void {
    followServerClock(snapshot.server_time_ms);
    if (this.snapshot?.state !== snapshot.state) this.failed = null;
    if (this.snapshot?.call && !snapshot.call) this.seat.forgetChoices();
    this.snapshot = snapshot;
    this.seat.follow(snapshot, onAir(snapshot), first);
    this.changed();
  }

  private update(snapshot: StaffSnapshot | null): void {
    this.snapshot = snapshot;
    this.changed();
  }

  private lose(code: SessionErrorCode): void {
    this.sessionLost = code;
    this.changed();
  }

  private changed(): void {
    this.hold();
    const onScreen = this.view.screen === "call";
    this.stills.follow(this.snapshot?.call ?? null, onScreen && this.status === "connected");
    const lost = this.view.screen === "call" && this.status === "reconnecting";
    if (!lost) this.lostSinceMs = null;
    else this.lostSinceMs ??= Date.now();
    this.draw();
  }

  /** Devices are open exactly while an offer may ring or a visit is on: off duty the camera's light is out. */
  private hold(): void {
    const { audio, video, opening, problem } = this.seat.devices.view;
    if (this.link === "replaced") return;
    const wanted = this.testing || this.pressed === "duty" || this.pressed === "wrapup" || holdsDevices(this.snapshot);
    if (wanted && !audio && !opening && !problem && holdsDevices(this.snapshot)) void this.seat.prepare();
    else if (!wanted && (audio || video)) this.seat.release();
  }
}

/** The tab's title: who is asked for is seen from another tab. */
export function titleOf(snapshot: StaffSnapshot | null): string {
  const title = `${words.staff.nursing} · Puente`;
  return snapshot?.state === "offered" ? words.staff.offer.tab(words.staff.offer.title) : title;
}
