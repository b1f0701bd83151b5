import type { Seat, SeatView } from "../call/seat.ts";
import type { Connection } from "../live/connection.ts";
import type { CallView, StillAsked, StillView } from "../protocol.ts";
import { fetchBytes, ORIGINAL_BYTES, type Still, stillRateBps, VIEW_EVERY_MS } from "./budget.ts";
import { encode, frameOf, photoOf } from "./capture.ts";
import { originalId, type ReceivedStill, StillReceiver } from "./receiver.ts";
import { StillSender } from "./sender.ts";

/** A photograph the other side asked this page for. `own`: the camera was opened for it alone. */
export type Prompt = { step: "ask" } | { step: "count"; track: MediaStreamTrack; own: boolean };

/** What is worth a word, with when (this device's clock): each is shown once and goes away. */
export interface StillWord {
  key: "asked" | "refused" | "sending" | "sent" | "failed" | "arrived";
  atMs: number;
}

export interface StillsView {
  received: ReceivedStill[];
  /** This page asked for a photograph and it has not come yet. */
  waiting: boolean;
  prompt: Prompt | null;
  word: StillWord | null;
  /** How far the photograph on its way from here is, 0…1; null: none is. */
  sending: number | null;
}

type AnyConnection = Pick<Connection<never, never>, "request" | "state">;

const TICK_MS = 1_000;
/** After this long a photograph that was asked for may be asked for again. */
const ASKED_FOR_MS = 45_000;
/** Originals kept to be asked for; each is at most 4 MB. */
const KEPT_ORIGINALS = 3;
/** From this rung on an original goes by itself. */
const ORIGINAL_RUNG = 4;
const STILLS_RUNG = 2;

/** The link carries voice and stills, and both sides want to be seen: views are sent by themselves. */
export function wantsViews(seat: Pick<SeatView, "sends" | "voiceOnly" | "devices">, call: CallView | null): boolean {
  if (seat.sends?.rung !== STILLS_RUNG || seat.sends.stills_bps <= 0) return false;
  return seat.devices.video !== null && !seat.voiceOnly && !call?.peer_media?.voice_only;
}

/** The stills of a visit on this page: what is sent by itself, what was asked for, what came. All in memory only. */
export class Stills {
  private readonly sender: StillSender;
  private readonly receiver: StillReceiver;
  private readonly originals = new Map<string, Still>();
  private call: CallView | null = null;
  private active = false;
  private askedAtMs: number | null = null;
  private prompt: Prompt | null = null;
  private word: StillWord | null = null;
  private sending: number | null = null;
  private lastViewMs = Number.NEGATIVE_INFINITY;
  private capturing = false;
  private timer: ReturnType<typeof setInterval> | null = null;

  constructor(
    private readonly seat: Seat,
    private readonly connection: () => AnyConnection | null,
    private readonly changed: () => void,
  ) {
    const canAsk = () => this.active && this.connection()?.state === "up";
    const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
    this.sender = new StillSender({
      request: this.request,
      canAsk,
      sleep,
      rateBps: () => stillRateBps(this.seat.view.sends),
      progress: (still, share) => this.progress(still, share),
      now: () => performance.now(),
    });
    this.receiver = new StillReceiver({
      request: this.request,
      canAsk,
      sleep,
      pieceBytes: () => fetchBytes(this.seat.view.receives?.rung ?? null),
      show: (bytes, type) => URL.createObjectURL(new Blob([bytes], { type })),
      forget: (url) => URL.revokeObjectURL(url),
      whole: (still) => this.arrived(still),
      changed,
    });
  }

  get view(): StillsView {
    const { prompt, word, sending } = this;
    return { received: this.receiver.stills, waiting: this.waiting, prompt, word, sending };
  }

  /** Follows the snapshot. `active`: the visit is on. Without a call nothing of it stays here. */
  follow(call: CallView | null, active: boolean): void {
    this.active = active;
    const before = this.call;
    this.call = call;
    if (before && !call) this.close();
    // Whoever asked does not see it now, and a camera opened for it must not stay on.
    if (!active) this.endPrompt();
    // After a reload the snapshot names what there is; the events that told of it are gone.
    if (call && call.stills !== before?.stills) for (const still of call.stills) this.receiver.heard(still);
    if (active && this.timer === null) this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  heard(still: StillView): void {
    this.receiver.heard(still);
  }

  /** The other side asks: for a new photograph, which this person sees coming, or for the original of one sent. */
  asked({ id }: StillAsked): void {
    if (id !== null) {
      const original = this.originals.get(id);
      if (original) this.sender.send(original);
    } else if (this.active && !this.prompt && !this.sender.busy("document")) {
      const track = this.seat.view.devices.video;
      this.prompt = track ? { step: "count", track, own: false } : { step: "ask" };
      this.changed();
    }
  }

  /** The other side said no, or could not: it may be asked again. */
  refused(): void {
    if (!this.waiting) return;
    this.askedAtMs = null;
    this.say("refused");
  }

  /** Asks the other side for a sharp still. */
  async ask(): Promise<void> {
    if (this.waiting) return;
    this.askedAtMs = Date.now();
    const answer = await this.request("still.ask", { id: null });
    if (!answer.ok) this.askedAtMs = null;
    this.say(answer.ok ? "asked" : "failed");
  }

  async askOriginal(id: string): Promise<void> {
    const answer = await this.request("still.ask", { id });
    this.say(answer.ok ? "asked" : "failed");
  }

  /** The person agreed to open the camera for one photograph. */
  async openCamera(): Promise<void> {
    const id = this.seat.view.devices.camera;
    // Without a chosen camera the back one: what is asked for is a paper or a place on the skin.
    const video = id ? { deviceId: { ideal: id } } : { facingMode: { ideal: "environment" } };
    const stream = await navigator.mediaDevices?.getUserMedia({ video }).catch(() => null);
    const track = stream?.getVideoTracks()[0];
    if (this.prompt?.step !== "ask") return track?.stop();
    this.prompt = track ? { step: "count", track, own: true } : null;
    if (!track) this.fail();
    this.changed();
  }

  /** The person said no. */
  refuse(): void {
    this.endPrompt();
    this.tellRefused();
    this.changed();
  }

  /** The count is down: take it and send it. */
  async take(): Promise<void> {
    const prompt = this.prompt;
    if (prompt?.step !== "count" || this.capturing) return;
    this.capturing = true;
    try {
      const picture = await photoOf(prompt.track);
      this.endPrompt();
      this.say("sending");
      const id = newId();
      const still = await encode(picture, "document", id, stillRateBps(this.seat.view.sends));
      if (!still) throw new Error("not encoded");
      this.sending = 0;
      this.sender.send(still);
      const original = await encode(picture, "original", originalId(id), 0);
      if (original && original.bytes.length <= ORIGINAL_BYTES) this.keep(still, original);
    } catch {
      this.endPrompt();
      this.fail();
    } finally {
      this.capturing = false;
    }
  }

  private get waiting(): boolean {
    return this.askedAtMs !== null && Date.now() - this.askedAtMs < ASKED_FOR_MS;
  }

  private tick(): void {
    if (!this.active || !wantsViews(this.seat.view, this.call)) this.sender.drop("view");
    else if (!this.capturing && !this.sender.busy("view") && performance.now() - this.lastViewMs >= VIEW_EVERY_MS) {
      void this.takeView();
    }
  }

  private async takeView(): Promise<void> {
    const { devices, sends } = this.seat.view;
    if (!devices.video) return;
    this.capturing = true;
    this.lastViewMs = performance.now();
    try {
      const still = await encode(await frameOf(devices.video), "view", newId(), stillRateBps(sends));
      if (still && this.active && wantsViews(this.seat.view, this.call)) this.sender.send(still);
    } catch {
      // A camera that is just being changed: the next view comes in time.
    } finally {
      this.capturing = false;
    }
  }

  private arrived(still: StillView): void {
    if (still.kind === "view") return;
    this.askedAtMs = null;
    this.say("arrived");
  }

  /** Keeps it to be asked for. By itself it goes only where it shows more and the link has room: data costs money. */
  private keep(still: Still, original: Still): void {
    this.originals.set(still.id, original);
    for (const old of [...this.originals.keys()].slice(0, -KEPT_ORIGINALS)) this.originals.delete(old);
    const room = (this.seat.view.sends?.rung ?? 0) >= ORIGINAL_RUNG;
    if (room && original.width > still.width) this.sender.send(original);
  }

  private progress(still: Still, share: number): void {
    if (still.kind !== "document") return;
    this.sending = share < 1 ? share : null;
    if (share >= 1) this.say("sent");
    this.changed();
  }

  private fail(): void {
    this.tellRefused();
    this.say("failed");
  }

  private tellRefused(): void {
    void this.request("still.refuse", {});
  }

  private say(key: StillWord["key"]): void {
    this.word = { key, atMs: Date.now() };
    this.changed();
  }

  private endPrompt(): void {
    if (this.prompt?.step === "count" && this.prompt.own) this.prompt.track.stop();
    this.prompt = null;
  }

  private close(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
    this.sender.stop();
    this.receiver.close();
    this.originals.clear();
    this.endPrompt();
    this.askedAtMs = null;
    this.sending = null;
    this.word = null;
  }

  private readonly request: Connection<never, never>["request"] = (event, payload) => {
    const connection = this.connection();
    const none = { ok: false, error: { code: "unavailable", message: "not connected", retry_ms: null } } as const;
    return connection ? connection.request(event, payload) : Promise.resolve(none);
  };
}

function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
