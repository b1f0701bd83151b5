import type { LegAnswer, LegOfferAck, LegView, LimitsView, LinkMemory, Ok, Refused, VideoView } from "../protocol.ts";
import { iceServers } from "./ice.ts";
import { Lateness } from "./lateness.ts";
import { Limits } from "./limits.ts";
import { Negotiation, ownKind } from "./negotiation.ts";
import { onNetworkChange } from "./network.ts";
import { type LinkSample, look } from "./quality.ts";
import type { Reading } from "./reading.ts";
import { Recovery, type Remedy } from "./recovery.ts";
import { put, type Wish } from "./sender.ts";
import { startBps } from "./start.ts";

/** What a leg asks of the server, and what it tells its page. */
export interface PeerAsks {
  answer(answer: LegAnswer): Promise<Ok | Refused>;
  restart(leg: string, epoch: number, timeoutMs: number): Promise<LegOfferAck | Refused>;
  renew(leg: string | null): Promise<Ok | Refused>;
  /** The server can be asked now. */
  canAsk(): boolean;
  /** What this link carried in its last visit. */
  memory(): LinkMemory | null;
  /** A look at the connection, every half second. */
  reading(reading: Reading, nowMs: number): void;
  /** The connection of those readings is gone. */
  closed(): void;
  /** Media flows again after it did not. */
  recovered(): void;
  changed(): void;
}

export type LegState = "none" | "connecting" | "connected" | "lost";

const WATCH_MS = 500;
/** While media flows the relay reports at least once a second; so many looks without a byte are a dead link. */
const STALL_LOOKS = 4;
/** Whoever does not answer for so long, and four round trips, is not there. */
const ASK_MS = 4_000;
/** A round trip of seconds is a queue that passes, and must not put repairs off for minutes. */
const LONGEST_RTT_MS = 3_000;

type Offer = Pick<LegOfferAck, "leg" | "epoch" | "restart" | "sdp">;
type Carried = Pick<LegView, "leg" | "epoch" | "restart">;
type Tracks = { audio: MediaStreamTrack | null; video: MediaStreamTrack | null };
/** A picture of the link test, sent in place of the camera's while nobody is there to see it. */
export type TestVideo = { track: MediaStreamTrack; shape: VideoView };

/**
 * The page's end of its leg: answers the server's offers, holds the tracks, obeys the limits, repairs the connection.
 *
 * The server offers with all m-lines and its candidates in it (it is ICE-lite), so nothing is trickled and one answer is
 * all there is. Own tracks are attached before the answer but send nothing until `setSending`: when the visit is
 * accepted there is nothing left to negotiate.
 */
export class Peer {
  readonly limits = new Limits();
  private connection: RTCPeerConnection | null = null;
  private negotiation: Negotiation | null = null;
  private carried: Carried | null = null;
  private servers: LegView["ice_servers"] = [];
  /** Answer to the newest offer, until the server has it. */
  private unsent: LegAnswer | null = null;
  private sendingAnswer = false;
  private work: Promise<void> = Promise.resolve();
  private applied: Promise<void> = Promise.resolve();
  private recovery = new Recovery(0);
  private watch: ReturnType<typeof setInterval> | null = null;
  private tracks: Tracks = { audio: null, video: null };
  private sending = { audio: false, video: false };
  private test: TestVideo | null = null;
  /** The picture's shape as applied; null: none is sent. */
  private shown: VideoView | null = null;
  private startBps: number | null = null;
  private counters: Reading | null = null;
  private lateness = new Lateness();
  /** Looks in a row in which nothing had arrived. Counted in looks, so that a throttled timer is no silence. */
  private silentLooks = 0;
  private wasLost = false;
  private askMs = 0;
  private streams = new Map<string, MediaStream>();
  sample: LinkSample = { connected: false, rttMs: null, loss: null };
  /** Frames of the other side were decoded since the look before. */
  framesFlow = false;

  constructor(private readonly asks: PeerAsks) {
    // Later, so that the live connection has heard of it too and is not taken for alive.
    onNetworkChange(() => setTimeout(() => this.networkChanged(), 0));
  }

  /** Id of the leg this page still holds, for the connect: null after a load or when the connection is beyond use. */
  get legInHand(): string | null {
    const state = this.connection?.connectionState;
    return this.carried && state && state !== "closed" && state !== "failed" ? this.carried.leg : null;
  }

  get state(): LegState {
    if (!this.connection) return "none";
    const state = this.connection.connectionState;
    if (state === "connected") return this.stalled ? "lost" : "connected";
    return state === "new" || state === "connecting" ? "connecting" : "lost";
  }

  /** The browser's own estimate of the uplink, bit/s. */
  get outBps(): number | null {
    return this.counters?.outBps ?? null;
  }

  /** Follows the snapshot: a new leg, an ICE restart, an answer that did not arrive, or no leg at all. */
  follow(view: LegView | null, first: boolean): void {
    if (!view) {
      this.close();
      return;
    }
    if (view.ice_servers?.length) this.servers = view.ice_servers;
    const same = this.carried?.leg === view.leg && this.carried.epoch === view.epoch;
    if (view.sdp === null) {
      // The server believes that this page holds the leg. If it does not, it needs a new one.
      if (!same && first && !this.connection) void this.asks.renew(view.leg);
    } else if (same && this.carried?.restart === view.restart) void this.sendAnswer();
    else this.take(view as Offer);
    // The server is back: what waited for it is asked now, not at the next look.
    if (first) this.step();
  }

  /** The server has said what to send. */
  hear(limits: LimitsView): void {
    this.limits.hear(limits);
    this.settle();
  }

  setTracks(audio: MediaStreamTrack | null, video: MediaStreamTrack | null): void {
    if (this.tracks.audio === audio && this.tracks.video === video) return;
    this.tracks = { audio, video };
    this.settle();
    void this.apply();
  }

  setSending(audio: boolean, video: boolean): void {
    this.limits.setOnAir(audio, Date.now());
    if (this.sending.audio !== audio || this.sending.video !== video) {
      this.sending = { audio, video };
      this.silentLooks = 0;
      void this.apply();
    }
    this.settle();
  }

  /** Sends the test's picture, until it is null or the visit is on. */
  setTest(test: TestVideo | null): void {
    if (this.test === test) return;
    this.test = test;
    this.settle();
    void this.apply();
  }

  /** What arrives in two slots, as one stream for an element. Null until there is a connection. */
  remote(audioMid: string, videoMid: string): MediaStream | null {
    if (!this.connection) return null;
    const key = `${audioMid}/${videoMid}`;
    const known = this.streams.get(key);
    if (known) return known;
    const tracks = this.connection
      .getTransceivers()
      .filter((transceiver) => transceiver.mid === audioMid || transceiver.mid === videoMid)
      .map((transceiver) => transceiver.receiver.track);
    if (tracks.length === 0) return null;
    const stream = new MediaStream(tracks);
    this.streams.set(key, stream);
    return stream;
  }

  /** Gives the leg up and asks for a new one: the person pressed *Volver a la consulta*. */
  renew(): void {
    void this.asks.renew(this.carried?.leg ?? null);
  }

  close(): void {
    if (this.watch) clearInterval(this.watch);
    this.watch = null;
    const open = this.connection;
    this.connection = null;
    this.negotiation = null;
    this.carried = null;
    this.unsent = null;
    this.counters = null;
    this.lateness = new Lateness();
    this.shown = null;
    this.startBps = null;
    this.streams.clear();
    this.sample = { connected: false, rttMs: null, loss: null };
    this.framesFlow = false;
    if (!open) return;
    open.onconnectionstatechange = null;
    open.close();
    this.asks.closed();
    this.asks.changed();
  }

  private take(offer: Offer): void {
    const same = this.carried?.leg === offer.leg && this.carried.epoch === offer.epoch;
    if (!same) {
      this.close();
      this.open();
    }
    const { connection, negotiation } = this;
    if (!connection || !negotiation) return;
    // Noted at once, so that further snapshots with this offer do not start over.
    this.carried = { leg: offer.leg, epoch: offer.epoch, restart: offer.restart };
    this.unsent = null;
    this.work = this.work
      .then(() => this.negotiate(connection, negotiation, offer))
      .catch(() => this.broken(connection));
    this.asks.changed();
  }

  private open(): void {
    const connection = new RTCPeerConnection({ bundlePolicy: "max-bundle", iceServers: iceServers(this.servers) });
    this.connection = connection;
    this.negotiation = new Negotiation(connection);
    this.recovery = new Recovery(Date.now());
    this.startBps = startBps(this.wantedVideo(), this.limits.voice, this.asks.memory());
    connection.onconnectionstatechange = () => {
      this.silentLooks = 0;
      this.step();
      this.asks.changed();
    };
    this.watch = setInterval(() => this.step(), WATCH_MS);
  }

  private async negotiate(connection: RTCPeerConnection, negotiation: Negotiation, offer: Offer): Promise<void> {
    if (connection !== this.connection || connection.signalingState === "closed") return;
    // Held back before the description says that they are sent.
    void this.apply();
    const sdp = await negotiation.answer(offer.sdp, { voice: this.limits.voice, startBps: this.startBps });
    if (connection !== this.connection || !sdp) return;
    this.unsent = { leg: offer.leg, epoch: offer.epoch, restart: offer.restart, sdp, memory: this.asks.memory() };
    // Not waited for: tracks need no negotiation, and opening a camera may keep the browser busy for a while.
    this.settle();
    void this.apply();
    this.asks.changed();
    void this.sendAnswer();
  }

  /** Sends the newest answer unless the server has it or it is on its way. Repeating it changes nothing there. */
  private async sendAnswer(): Promise<void> {
    const answer = this.unsent;
    if (!answer || this.sendingAnswer) return;
    this.sendingAnswer = true;
    const fromMs = Date.now();
    const result = await this.asks.answer(answer);
    this.sendingAnswer = false;
    if (answer !== this.unsent) return void this.sendAnswer();
    if (result.ok) {
      this.askMs = Date.now() - fromMs;
      this.recovery.answered(Date.now());
    }
    // Unanswered: kept for the snapshot after the reconnect. Refused: the recovery asks for a new leg in time.
    if (result.ok || result.error.code !== "unavailable") this.unsent = null;
  }

  private broken(connection: RTCPeerConnection): void {
    if (connection === this.connection) this.renew();
  }

  private wantedVideo(): VideoView | null {
    if (this.sending.video) return this.limits.video(Date.now());
    return this.sending.audio ? null : (this.test?.shape ?? null);
  }

  /** Brings voice and picture in line with the limits. */
  private settle(): void {
    const wanted = this.wantedVideo();
    // A picture that begins waits for its description; one that goes on or ends does not.
    if (this.shown && JSON.stringify(wanted) !== JSON.stringify(this.shown)) {
      this.shown = wanted;
      void this.apply();
    }
    this.work = this.work.then(() => this.reshape()).catch(() => undefined);
  }

  private async reshape(): Promise<void> {
    const { negotiation } = this;
    if (!negotiation?.described) return;
    const wanted = this.wantedVideo();
    const begins = wanted !== null && this.shown === null;
    if (begins) {
      // Said once and taken back, or each change of the codec would set the estimate to it again: measured, 2.4 Mbit/s
      // fell to the 100 kbit/s of the beginning. And before the codec is chosen, since a description that changes its
      // parameters takes the choice back.
      const start = startBps(wanted, this.limits.voice, null, this.outBps);
      if (start !== null) await negotiation.reshape({ voice: this.limits.voice, startBps: start });
      this.startBps = null;
    }
    await negotiation.reshape({ voice: this.limits.voice, startBps: this.startBps });
    if (!begins || negotiation !== this.negotiation) return;
    this.shown = this.wantedVideo();
    void this.apply();
  }

  /** Puts tracks, shapes and "sends or not" onto the two own senders, of whatever connection there is now. */
  private apply(): Promise<void> {
    // One after the other: setParameters refuses parameters that are older than another call's.
    this.applied = this.applied.then(async () => {
      for (const transceiver of this.connection?.getTransceivers() ?? []) {
        const kind = ownKind(transceiver);
        // It fails when the connection is closed meanwhile; the next one gets the same tracks.
        if (kind) await put(transceiver.sender, this.wish(kind)).catch(() => undefined);
      }
    });
    return this.applied;
  }

  private wish(kind: "audio" | "video"): Wish {
    if (kind === "audio") return { track: this.tracks.audio, sends: this.sending.audio, video: null };
    const track = this.sending.audio ? this.tracks.video : (this.test?.track ?? this.tracks.video);
    const may = this.sending.audio ? this.sending.video : this.test !== null;
    return { track, sends: may && this.shown !== null, video: this.shown };
  }

  private networkChanged(): void {
    if (!this.connection) return;
    this.recovery.networkChanged(Date.now());
    this.step();
  }

  private step(): void {
    const connection = this.connection;
    if (!connection) return;
    void this.lookAgain(connection);
    const { state } = this;
    if (state === "connected" && this.wasLost) this.asks.recovered();
    this.wasLost = state === "lost";
    this.settleDefault();
    this.remedy(
      this.recovery.step(Date.now(), {
        state: connection.connectionState,
        stalled: this.stalled,
        canAsk: this.asks.canAsk(),
        rttMs: this.rttMs,
      }),
    );
  }

  /** Without a word of the server the picture starts by the clock. */
  private settleDefault(): void {
    if (this.sending.video && !this.shown && this.wantedVideo()) this.settle();
  }

  private get rttMs(): number {
    return Math.min(LONGEST_RTT_MS, Math.max(this.sample.rttMs ?? 0, this.askMs));
  }

  private get stalled(): boolean {
    return this.sending.audio && this.silentLooks >= STALL_LOOKS;
  }

  private remedy(remedy: Remedy): void {
    const carried = this.carried;
    if (!remedy || !carried) return;
    if (remedy === "renew") {
      this.renew();
      return;
    }
    void this.asks.restart(carried.leg, carried.epoch, ASK_MS + 4 * this.rttMs).then((answer) => {
      const current = this.carried?.leg === carried.leg && this.carried.epoch === carried.epoch;
      if (!current) return;
      if (!answer.ok) {
        if (answer.error.code !== "unavailable") this.recovery.restartRefused();
      } else if (answer.restart > (this.carried?.restart ?? 0)) this.take(answer);
    });
  }

  private async lookAgain(connection: RTCPeerConnection): Promise<void> {
    const report = await connection.getStats().catch(() => null);
    if (!report || connection !== this.connection) return;
    const before = this.counters;
    const { sample, counters } = look(report.values(), before, connection.connectionState === "connected");
    const heard = !before || counters.bytesReceived !== before.bytesReceived;
    this.silentLooks = heard ? 0 : this.silentLooks + 1;
    this.framesFlow = before !== null && counters.framesDecoded > before.framesDecoded;
    this.counters = counters;
    if (this.limits.see(counters, Date.now())) this.settle();
    waitForVoice(connection, this.lateness.look(counters, Date.now()));
    this.sample = { ...sample, connected: sample.connected && !this.stalled };
    this.asks.reading(counters, Date.now());
    this.asks.changed();
  }
}

/** Has all received voices buffered for at least so long, where the browser can be told. */
function waitForVoice(connection: RTCPeerConnection, leastMs: number | null): void {
  for (const receiver of connection.getReceivers())
    if (receiver.track.kind === "audio" && "jitterBufferTarget" in receiver && receiver.jitterBufferTarget !== leastMs)
      receiver.jitterBufferTarget = leastMs;
}
