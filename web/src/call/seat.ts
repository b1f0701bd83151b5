import type { Connection } from "../live/connection.ts";
import { Devices, type DevicesView } from "../media/devices.ts";
import { LinkTest } from "../media/linktest.ts";
import { Carried, FRESH_MS, recall, remember } from "../media/memory.ts";
import { OWN_AUDIO_MID, OWN_VIDEO_MID } from "../media/mids.ts";
import { networkType } from "../media/network.ts";
import { type LegState, Peer } from "../media/peer.ts";
import { bars } from "../media/quality.ts";
import type { Reading } from "../media/reading.ts";
import { Reporter } from "../media/report.ts";
import { Usage } from "../media/usage.ts";
import type {
  CallView,
  ChatLine,
  LegView,
  LimitsView,
  LinkMemory,
  LinkTestView,
  MediaState,
  Peer as PeerHint,
  RungView,
} from "../protocol.ts";
import { type Choices, readChoices, storeChoices } from "./choices.ts";

/** How far the call is, as `call-status` says it. */
export type CallStatus = "connecting" | "connected" | "reconnecting" | "ended";

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

type AnyConnection = Pick<Connection<never, never>, "request" | "deliver" | "ready" | "hurry">;

/** What a seat follows of its page's snapshot. */
export interface Seen {
  visit: string | null;
  leg: LegView | null;
  call: CallView | null;
  /** The patient's only. */
  link?: LinkTestView | null;
}

const TELL_EVERY_MS = 4_000;
/** A moving picture is sent from this rung on. */
const MOVING_RUNG = 3;

/**
 * This page's seat in a call: its devices, its leg, what it sends, and what it told the other side about that. The
 * patient's and the nurse's pages each have one; it follows their snapshots.
 */
export class Seat {
  readonly devices: Devices;
  readonly peer: Peer;
  private choices: Choices;
  private onAir = false;
  private seen: Seen = { visit: null, leg: null, call: null };
  private otherMedia: MediaState | null = null;
  private receives: RungView | null = null;
  private linkTest: LinkTestView | null = null;
  private unsent: ChatLine[] = [];
  private told = "";
  private readonly test: LinkTest;
  private readonly reporter = new Reporter();
  private readonly usage = new Usage(sessionStorage);
  private carried = new Carried();

  constructor(
    private readonly role: "patient" | "nurse",
    private readonly connection: () => AnyConnection | null,
    private readonly changed: () => void,
  ) {
    this.choices = readChoices(role);
    this.devices = new Devices(() => {
      this.settle();
      this.changed();
    });
    this.peer = new Peer({
      answer: (answer) => this.ask("leg.answer", answer),
      restart: (leg, epoch, timeoutMs) => this.ask("leg.restart", { leg, epoch }, timeoutMs),
      renew: (leg) => this.ask("leg.renew", { leg }),
      canAsk: () => this.connection()?.ready === true,
      memory: () => this.memory(),
      reading: (reading, nowMs) => this.note(reading, nowMs),
      closed: () => {
        this.usage.reset();
        this.reporter.reset();
      },
      // What media came through, the live connection will too: do not wait for its next try.
      recovered: () => this.connection()?.hurry(),
      changed,
    });
    this.test = new LinkTest(
      { send: (test) => this.peer.setTest(test), outBps: () => this.peer.outBps, changed },
      sessionStorage,
    );
    setInterval(() => {
      // A refusal or loss of the last word about our media is made good here at the latest.
      if (this.peer.state !== "none") this.settle();
      this.usage.keep();
    }, TELL_EVERY_MS);
    addEventListener("pagehide", () => this.usage.keep());
  }

  get view(): SeatView {
    const slot = this.seen.call?.slots.find((one) => one.participant !== this.role);
    return {
      devices: this.devices.view,
      ...this.choices,
      leg: this.peer.state,
      bars: bars(this.peer.sample),
      remote: this.peer.remote(slot?.audio_mid ?? OWN_AUDIO_MID, slot?.video_mid ?? OWN_VIDEO_MID),
      framesFlow: this.peer.framesFlow,
      sends: this.peer.limits.heard,
      receives: this.receives,
      usedBytes: this.usage.bytes,
      bytesPerMinute: this.usage.perMinute,
      linkTest: this.linkTest,
      testing: this.test.running,
      unsent: this.unsent,
    };
  }

  /** Follows a snapshot. `onAir`: the visit is on, so what the person agreed to send is sent. */
  follow(seen: Seen, onAir: boolean, first: boolean): void {
    const { call } = seen;
    if (this.seen.call && !call) this.closeCall();
    this.onAir = onAir;
    this.seen = seen;
    this.otherMedia = call?.peer_media ?? null;
    this.receives = call?.receives ?? null;
    if (seen.link !== undefined) this.hearLink(seen.link);
    if (seen.visit !== null) this.usage.follow(seen.visit);
    const known = new Set(call?.chat.map((line) => line.id));
    this.unsent = call ? this.unsent.filter((line) => !known.has(line.id)) : [];
    if (first) this.told = "";
    this.peer.limits.follow(call?.sends ?? null, first);
    this.followTest();
    this.peer.follow(seen.leg, first);
    this.settle();
  }

  /** The other side's choices or its direction's rung changed. */
  heard({ media, receives }: PeerHint): void {
    this.otherMedia = media;
    this.receives = receives;
    this.settle();
  }

  /** The server has said what to send. */
  hearLimits(limits: LimitsView): void {
    this.peer.hear(limits);
    this.changed();
  }

  /** The server has said what the link carries. */
  hearLink(link: LinkTestView | null): void {
    const before = this.linkTest?.verdict;
    this.linkTest = link;
    if (link && link.verdict !== "measuring" && link.verdict !== before) this.keepLink();
    this.followTest();
    this.changed();
  }

  /** *Saltar*: no test before this visit. */
  skipTest(): void {
    this.test.skip(this.seen.visit);
    this.changed();
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

  /** After a visit: the next one starts with microphone and camera as usual, or as the patient has it remembered. */
  forgetChoices(): void {
    const voiceOnly = this.role === "patient" && this.choices.voiceOnly;
    this.choose({ micOn: true, cameraOn: !voiceOnly, voiceOnly });
  }

  /** Gives everything up to another page of the same person. */
  yield(): void {
    this.onAir = false;
    this.seen = { visit: null, leg: null, call: null };
    this.followTest();
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
    storeChoices(this.role, this.choices);
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
    this.peer.setSending(this.onAir, this.onAir && video !== null && this.wantsVideo);
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

  /**
   * A picture is to be sent, by the choices of both and as far as there is a camera. One that is still being opened
   * counts: after a reload its absence is no choice, and a rung given up is slow to come back.
   */
  private get wantsVideo(): boolean {
    const { audio, video, opening, problem } = this.devices.view;
    const untried = opening || (!audio && !problem);
    if (this.choices.voiceOnly || this.otherMedia?.voice_only) return false;
    return video !== null || (this.choices.cameraOn && untried);
  }

  /** A moving picture of the other side should be there. */
  private get expectsVideo(): boolean {
    const other = this.otherMedia;
    if (!this.onAir || this.choices.voiceOnly || !other?.camera || other.voice_only) return false;
    return (this.receives?.rung ?? MOVING_RUNG) >= MOVING_RUNG;
  }

  /** A look at the connection: what it costs, what it carries, and what the server should know of it. */
  private note(reading: Reading, nowMs: number): void {
    this.usage.note(reading, nowMs);
    this.carried.note(reading, nowMs);
    this.reporter.note(reading, this.expectsVideo, nowMs);
    this.followTest();
    // Before it is up there is nothing to say of it; that it was lost is worth saying once it has been.
    if (this.peer.state === "connecting" || !this.reporter.due(nowMs)) return;
    const { sample } = this.peer;
    const { wantsVideo, expectsVideo } = this;
    const media = this.reporter.take({ wantsVideo, expectsVideo }, nowMs);
    void this.ask("link", { bars: bars(sample), rtt_ms: sample.rttMs, media });
  }

  private followTest(): void {
    const { visit, leg, call } = this.seen;
    const waits = this.role === "patient" && leg !== null && call === null && !this.onAir;
    const unknown = (this.linkTest?.verdict ?? "measuring") === "measuring";
    const fresh = () => recall(localStorage, networkType(), Date.now(), FRESH_MS) !== null;
    const begins = () => this.peer.state === "connected" && !this.choices.voiceOnly && !fresh();
    this.test.follow(visit, waits && unknown && (this.test.running || begins()));
  }

  private memory(): LinkMemory | null {
    const kept = recall(localStorage, networkType(), Date.now());
    return kept && { up_bps: kept.up_bps, down_bps: kept.down_bps };
  }

  private closeCall(): void {
    this.keepLink();
    this.carried = new Carried();
    this.peer.limits.forget();
  }

  /** Remembers what the link has carried, as measured by the server or by this page. */
  private keepLink(): void {
    const seen = this.carried.rates;
    const up_bps = this.onAir ? seen?.up_bps : (this.linkTest?.up_bps ?? seen?.up_bps);
    const down_bps = this.onAir ? seen?.down_bps : (this.linkTest?.down_bps ?? seen?.down_bps);
    if (!up_bps || !down_bps) return;
    const { path } = this.carried;
    remember(localStorage, { up_bps, down_bps, at_ms: Date.now(), network: networkType(), path });
  }

  private ask: Connection<never, never>["request"] = (event, payload, timeoutMs) => {
    const connection = this.connection();
    const none = { ok: false, error: { code: "unavailable", message: "not connected", retry_ms: null } } as const;
    return connection ? connection.request(event, payload, timeoutMs) : Promise.resolve(none);
  };
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
