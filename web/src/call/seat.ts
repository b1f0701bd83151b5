import type { Connection } from "../live/connection.ts";
import { Devices, type DevicesView } from "../media/devices.ts";
import { type LegState, OWN_AUDIO_MID, OWN_VIDEO_MID, Peer } from "../media/peer.ts";
import { bars } from "../media/quality.ts";
import type { CallView, ChatLine, LegView, LimitsView, LinkTestView, MediaState, RungView } from "../protocol.ts";

/** How far the call is, as `call-status` says it. */
export type CallStatus = "connecting" | "connected" | "reconnecting" | "ended";

/** What the person chose to send. Kept by the tab, so that a reload never turns a microphone on again. */
interface Choices {
  micOn: boolean;
  cameraOn: boolean;
  voiceOnly: boolean;
}

/** Everything of this page's own side of a call that its screens show. */
export interface SeatView extends Choices {
  devices: DevicesView;
  leg: LegState;
  bars: number;
  remote: MediaStream | null;
  framesFlow: boolean;
  /** What this page was told to send, and why; null before the first word. */
  sends: LimitsView | null;
  /** What the other side sends, and why. */
  receives: RungView | null;
  /** Bytes of this visit on this device, both ways, headers estimated. */
  usedBytes: number;
  /** What a minute of it costs now; null before there is something to tell. */
  bytesPerMinute: number | null;
  /** What the link will carry, as measured while waiting; null before there is a word. */
  linkTest: LinkTestView | null;
  /** The test sends its picture now and can be skipped. */
  testing: boolean;
  /** Own lines that the server has not confirmed yet. */
  unsent: ChatLine[];
}

type AnyConnection = Pick<Connection<never, never>, "request" | "deliver" | "state">;

const REPORT_EVERY_MS = 4_000;
const CHOICES_KEY = "puente.choices";

/**
 * This page's seat in a call: its devices, its leg, what it sends, and what it told the other side about that. The
 * patient's and the nurse's pages each have one; it follows their snapshots.
 */
export class Seat {
  readonly devices: Devices;
  readonly peer: Peer;
  private choices: Choices = readChoices();
  private onAir = false;
  private otherVoiceOnly = false;
  private slots: CallView["slots"] = [];
  private unsent: ChatLine[] = [];
  private told = "";

  constructor(
    private readonly role: "patient" | "nurse",
    private readonly connection: () => AnyConnection | null,
    private readonly changed: () => void,
  ) {
    this.devices = new Devices(() => {
      this.settle();
      this.changed();
    });
    this.peer = new Peer(
      {
        answer: (answer) => this.ask("leg.answer", answer),
        restart: (leg, epoch) => this.ask("leg.restart", { leg, epoch }),
        renew: (leg) => this.ask("leg.renew", { leg }),
        canAsk: () => this.connection()?.state === "up",
      },
      changed,
    );
    setInterval(() => this.report(), REPORT_EVERY_MS);
  }

  get view(): SeatView {
    const slot = this.slots.find((one) => one.participant !== this.role);
    return {
      devices: this.devices.view,
      ...this.choices,
      leg: this.peer.state,
      bars: bars(this.peer.sample),
      remote: this.peer.remote(slot?.audio_mid ?? OWN_AUDIO_MID, slot?.video_mid ?? OWN_VIDEO_MID),
      framesFlow: this.peer.framesFlow,
      sends: null,
      receives: null,
      usedBytes: 0,
      bytesPerMinute: null,
      linkTest: null,
      testing: false,
      unsent: this.unsent,
    };
  }

  /** Follows a snapshot. `onAir`: the visit is on, so what the person agreed to send is sent. */
  follow(leg: LegView | null, call: CallView | null, onAir: boolean, first: boolean): void {
    this.onAir = onAir;
    this.slots = call?.slots ?? [];
    this.otherVoiceOnly = call?.peer_media?.voice_only ?? false;
    const known = new Set(call?.chat.map((line) => line.id));
    this.unsent = call ? this.unsent.filter((line) => !known.has(line.id)) : [];
    if (first) this.told = "";
    this.peer.follow(leg, first);
    this.settle();
  }

  /** The other side's choices changed. */
  heard(media: MediaState | null): void {
    this.otherVoiceOnly = media?.voice_only ?? false;
    this.settle();
  }

  async prepare(): Promise<void> {
    await this.devices.open(this.choices.cameraOn && !this.choices.voiceOnly);
  }

  toggleMic(): void {
    this.choose({ micOn: !this.choices.micOn });
    this.settle();
    this.changed();
  }

  async toggleCamera(): Promise<void> {
    const on = this.devices.view.video === null;
    this.choose({ cameraOn: on, voiceOnly: on ? false : this.choices.voiceOnly });
    await this.useCamera(on);
  }

  async toggleVoiceOnly(): Promise<void> {
    const on = !this.choices.voiceOnly;
    this.choose({ cameraOn: !on, voiceOnly: on });
    await this.useCamera(!on);
  }

  /** Uses a chosen camera, which also turns the camera on. */
  async useCameraOf(id: string): Promise<void> {
    this.choose({ cameraOn: true, voiceOnly: false });
    await this.devices.chooseCamera(id);
  }

  /** Chooses voice only before a call (or takes that back), without opening anything. */
  chooseVoiceOnly(on: boolean): void {
    this.choose({ cameraOn: !on, voiceOnly: on });
    if (on) this.devices.closeCamera();
  }

  /** After a visit: the next one starts with microphone and camera as usual. */
  forgetChoices(): void {
    this.choose({ micOn: true, cameraOn: true, voiceOnly: false });
  }

  /** Gives everything up to another page of the same person. */
  yield(): void {
    this.onAir = false;
    this.peer.close();
    this.devices.close();
  }

  /** Lets go of camera and microphone; their lights go out. */
  release(): void {
    this.devices.close();
  }

  /** Sends a chat line; it is shown at once and marked until the server has it. */
  async say(text: string): Promise<void> {
    const line: ChatLine = { id: newId(), sender: this.role, text, at_ms: Date.now() };
    this.unsent = [...this.unsent, line];
    this.changed();
    const connection = this.connection();
    const answer = await connection?.deliver("chat.send", { id: line.id, text });
    if (answer?.ok) return; // The `chat` event or the next snapshot takes it out of `unsent`.
    this.unsent = this.unsent.filter((one) => one.id !== line.id);
    this.changed();
  }

  confirm(line: ChatLine): void {
    this.unsent = this.unsent.filter((one) => one.id !== line.id);
  }

  private choose(part: Partial<Choices>): void {
    this.choices = { ...this.choices, ...part };
    sessionStorage.setItem(CHOICES_KEY, JSON.stringify(this.choices));
  }

  private async useCamera(on: boolean): Promise<void> {
    if (on) {
      this.settle();
      this.changed();
      await this.devices.open(true);
    } else {
      this.devices.closeCamera();
    }
  }

  /** Makes what is sent, and what the other side is told, follow from the choices and the devices. */
  private settle(): void {
    const { audio, video, problem } = this.devices.view;
    const { micOn, voiceOnly } = this.choices;
    if (audio) audio.enabled = micOn;
    this.peer.setTracks(audio, video);
    this.peer.setSending(this.onAir, this.onAir && !voiceOnly && !this.otherVoiceOnly && video !== null);
    // Before the devices were tried there is nothing to tell.
    if (audio || problem)
      this.tell({ microphone: micOn && audio !== null, camera: video !== null, voice_only: voiceOnly });
  }

  private tell(media: MediaState): void {
    const words = JSON.stringify(media);
    // While devices open nothing is settled. From the waiting room on it is told, so that the call starts with it known.
    if (this.peer.state === "none" || this.devices.view.opening || words === this.told) return;
    this.told = words;
    void this.ask("media", media).then((answer) => {
      if (!answer.ok && this.told === words) this.told = "";
    });
  }

  private report(): void {
    if (this.peer.state === "none") return;
    const { sample } = this.peer;
    // Before it is up there is nothing to say of it; that it was lost is worth saying once it has been.
    if (this.peer.state !== "connecting") void this.ask("link", { bars: bars(sample), rtt_ms: sample.rttMs });
    // A refusal or loss of the last word about our media is made good here at the latest.
    this.settle();
  }

  private ask: Connection<never, never>["request"] = (event, payload) => {
    const connection = this.connection();
    const none = { ok: false, error: { code: "unavailable", message: "not connected", retry_ms: null } } as const;
    return connection ? connection.request(event, payload) : Promise.resolve(none);
  };
}

function readChoices(): Choices {
  const defaults: Choices = { micOn: true, cameraOn: true, voiceOnly: false };
  try {
    return { ...defaults, ...JSON.parse(sessionStorage.getItem(CHOICES_KEY) ?? "{}") };
  } catch {
    return defaults;
  }
}

function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The status of a call from what the server says and what this page sees itself. */
export function callStatus(state: string | null, call: CallView | null, leg: LegState): CallStatus {
  if (call?.interruption || state === "interrupted") return "reconnecting";
  if (leg === "lost") return "reconnecting";
  const started = call?.started_at_ms != null;
  if (leg !== "connected") return started ? "reconnecting" : "connecting";
  return started || state === "in_call" ? "connected" : "connecting";
}

/** How much of a visit a direction carries: 5 full, 4 small, 3 minimal, 2 stills, 1 voice, 0 deferred. */
export type Rung = 0 | 1 | 2 | 3 | 4 | 5;

/** The rung as shown: the lower of the two pictures, as far as there are cameras; 5 until the server has said one. */
export function rung(
  seat: Pick<SeatView, "voiceOnly" | "devices" | "sends" | "receives">,
  call: CallView | null,
): Rung {
  const other = call?.peer_media;
  if (seat.voiceOnly || other?.voice_only) return 1;
  const rungs = [
    ...(seat.devices.video ? [seat.sends?.rung ?? 5] : []),
    ...((other?.camera ?? true) ? [seat.receives?.rung ?? 5] : []),
  ];
  return rungs.length > 0 ? (Math.min(...rungs) as Rung) : 1;
}
