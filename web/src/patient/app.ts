import { callStatus, Seat } from "../call/seat.ts";
import { Connection } from "../live/connection.ts";
import { Session, SessionError } from "../live/session.ts";
import { lowTone, riseTone } from "../media/audio.ts";
import type { Consent, PatientSnapshot, QueuePlace, StaffCard } from "../protocol.ts";
import { Stills } from "../still/stills.ts";
import { followServerClock } from "../ui/time.ts";
import { WakeLock } from "../ui/wake.ts";
import { words } from "../words/index.ts";
import {
  isOnAir,
  type Local,
  needsDevices,
  type Screen,
  screenOf,
  settlePresence,
  withChat,
  withPeer,
  withQueue,
} from "./screen.ts";

/** Version of the notice in the catalogues; changes whenever its text does. */
const CONSENT_VERSION = "2026-11";
const CONSENT_KEY = "puente.consent";
const NURSE_KEY = "puente.attended";
const RETRY_SESSION_MS = 3_000;

/** What the patient's screens are drawn from. */
export interface PatientView {
  screen: Screen;
  snapshot: PatientSnapshot | null;
  local: Local;
  /** Who attended this visit: the snapshot names the nurse only while the call is on. */
  attended: StaffCard | null;
  /** Since when the call is shown as reconnecting; this device's clock. */
  lostSinceMs: number | null;
  busy: "join" | null;
  failed: "join" | null;
}

/** The patient's page: what is known, what may be done, and what follows from it. */
export class PatientApp {
  readonly seat: Seat;
  readonly stills: Stills;
  private connection: Connection<PatientSnapshot, QueuePlace> | null = null;
  private snapshot: PatientSnapshot | null = null;
  private local: Local = {
    link: "trying",
    sessionLost: null,
    consented: storedConsent() !== null,
    declined: false,
    presence: null,
  };
  private lostSinceMs: number | null = null;
  private busy: "join" | null = null;
  private failed: "join" | null = null;
  private readonly wake = new WakeLock();
  private drawn: Screen = "loading";

  constructor(private readonly draw: () => void) {
    this.seat = new Seat(
      "patient",
      () => this.connection,
      () => this.changed(),
    );
    this.stills = new Stills(
      this.seat,
      () => this.connection,
      () => this.changed(),
    );
  }

  get view(): PatientView {
    const { snapshot, local, lostSinceMs, busy, failed } = this;
    const attended = snapshot?.nurse ?? attendedBy(snapshot?.visit ?? null);
    return { screen: screenOf(snapshot, local), snapshot, local, attended, lostSinceMs, busy, failed };
  }

  async start(): Promise<void> {
    try {
      const session = await Session.open("patient");
      this.connection = new Connection<PatientSnapshot, QueuePlace>(session, () => this.seat.peer.legInHand, {
        snapshot: (snapshot, first) => this.take(snapshot, first),
        queue: (queue) => this.update(this.snapshot && withQueue(this.snapshot, queue)),
        chat: (line) => {
          this.seat.confirm(line);
          this.update(this.snapshot && withChat(this.snapshot, line));
        },
        peer: (peer) => {
          this.seat.heard(peer);
          this.update(this.snapshot && withPeer(this.snapshot, peer));
        },
        limits: (limits) => this.seat.hearLimits(limits),
        linkTest: (link) => this.seat.hearLink(link),
        still: (still) => this.stills.heard(still),
        stillAsked: (asked) => this.stills.asked(asked),
        stillRefused: () => this.stills.refused(),
        link: (link) => {
          if (link === "replaced") this.seat.yield();
          this.set({ link });
        },
        sessionLost: (code) => this.set({ sessionLost: code }),
      });
      this.connection.start();
    } catch (error) {
      const code = error instanceof SessionError ? error.code : "other";
      if (code !== "offline") return this.set({ sessionLost: code });
      setTimeout(() => void this.start(), RETRY_SESSION_MS);
    }
  }

  accept(): void {
    const consent: Consent = { version: CONSENT_VERSION, language: words.lang, accepted_at_ms: Date.now() };
    sessionStorage.setItem(CONSENT_KEY, JSON.stringify(consent));
    this.set({ consented: true, declined: false });
  }

  decline(): void {
    sessionStorage.removeItem(CONSENT_KEY);
    this.set({ consented: false, declined: true });
  }

  readAgain(): void {
    this.set({ declined: false });
  }

  async enter(reason: string): Promise<void> {
    const consent = storedConsent();
    if (!consent || this.busy) return;
    this.busy = "join";
    this.failed = null;
    this.changed();
    const answer = await this.connection?.deliver("join", { reason: reason.trim(), consent });
    this.busy = null;
    if (!answer?.ok) this.failed = "join";
    this.changed();
  }

  /** *Salir*: out of the call for now. The visit stays open. */
  async away(): Promise<void> {
    const generation = this.snapshot?.generation;
    if (generation === undefined) return;
    this.set({ presence: "leaving" });
    const answer = await this.connection?.deliver("away", { generation });
    if (!answer?.ok) this.set({ presence: null });
  }

  /** *Volver a la consulta*: after leaving, or when reconnecting takes too long. */
  async rejoin(): Promise<void> {
    const consent = storedConsent();
    if (this.view.screen !== "left" || !consent) return this.seat.peer.renew();
    this.set({ presence: "returning" });
    const answer = await this.connection?.deliver("join", { consent });
    if (!answer?.ok) this.set({ presence: null });
  }

  /** Out of the line, or not coming back to the visit. */
  async leave(): Promise<void> {
    await this.connection?.deliver("leave", {});
  }

  /** Takes the visit back to this page from another one. */
  continueHere(): void {
    this.set({ link: "trying" });
    this.connection?.start();
  }

  private take(snapshot: PatientSnapshot, first: boolean): void {
    followServerClock(snapshot.server_time_ms);
    this.snapshot = snapshot;
    if (snapshot.nurse) sessionStorage.setItem(NURSE_KEY, JSON.stringify([snapshot.visit, snapshot.nurse]));
    this.local = settlePresence(this.local, snapshot);
    const onAir = isOnAir(this.view.screen);
    this.seat.follow(snapshot, onAir, first);
    this.changed();
  }

  private update(snapshot: PatientSnapshot | null): void {
    this.snapshot = snapshot;
    this.changed();
  }

  private set(part: Partial<Local>): void {
    this.local = { ...this.local, ...part };
    this.changed();
  }

  private changed(): void {
    const { screen } = this.view;
    const from = this.drawn;
    this.drawn = screen;
    if (screen !== from) this.entered(screen, from);
    this.stills.follow(this.snapshot?.call ?? null, screen === "call" && this.status === "connected");
    this.noteLoss(screen);
    this.draw();
  }

  /** What a new screen brings with it besides its picture. */
  private entered(screen: Screen, from: Screen): void {
    this.wake.want(screen === "wait" || screen === "call");
    const snapshot = this.snapshot;
    if (snapshot && screen !== "replaced") this.seat.follow(snapshot, isOnAir(screen), false);
    if (needsDevices(screen)) {
      const { audio, opening } = this.seat.devices.view;
      if (!audio && !opening) void this.seat.prepare();
    } else if (screen !== "loading") {
      this.seat.release();
    }
    if (screen === "after") this.seat.forgetChoices();
    if (screen === "call" && from === "wait") {
      riseTone();
      navigator.vibrate?.([200, 100, 200]);
    }
    scrollTo(0, 0);
    document.title = titleOf(screen);
  }

  private noteLoss(screen: Screen): void {
    const lost = screen === "call" && this.status === "reconnecting";
    if (lost && this.lostSinceMs === null) {
      this.lostSinceMs = Date.now();
      lowTone();
    } else if (!lost) {
      this.lostSinceMs = null;
    }
  }

  get status() {
    const { snapshot } = this;
    return callStatus(snapshot?.state ?? null, snapshot?.call ?? null, this.seat.peer.state);
  }
}

function storedConsent(): Consent | null {
  try {
    const consent = JSON.parse(sessionStorage.getItem(CONSENT_KEY) ?? "null") as Consent | null;
    return consent?.version === CONSENT_VERSION ? consent : null;
  } catch {
    return null;
  }
}

function attendedBy(visit: string | null): StaffCard | null {
  try {
    const [of, nurse] = JSON.parse(sessionStorage.getItem(NURSE_KEY) ?? "[]") as [string?, StaffCard?];
    return visit !== null && of === visit ? (nurse ?? null) : null;
  } catch {
    return null;
  }
}

function titleOf(screen: Screen): string {
  const titles: Partial<Record<Screen, string>> = {
    consent: words.consent.title,
    check: words.check.title,
    wait: words.wait.title,
    call: words.call.status.connected,
    left: words.left.title,
    after: words.after.doneTitle,
  };
  const title = titles[screen];
  return title ? `${title} · ${words.app}` : words.app;
}
