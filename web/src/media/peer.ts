import type { LegAnswer, LegOfferAck, LegView, Ok, Refused } from "../protocol.ts";
import { type Counters, type LinkSample, look } from "./quality.ts";
import { Recovery, type Remedy } from "./recovery.ts";

/** What a leg asks of the server. */
export interface PeerAsks {
  answer(answer: LegAnswer): Promise<Ok | Refused>;
  restart(leg: string, epoch: number): Promise<LegOfferAck | Refused>;
  renew(leg: string | null): Promise<Ok | Refused>;
  /** The server can be asked now. */
  canAsk(): boolean;
}

export type LegState = "none" | "connecting" | "connected" | "lost";

/** Own audio and video go up, and the first other participant comes down, in the first two m-lines. */
export const OWN_AUDIO_MID = "0";
export const OWN_VIDEO_MID = "1";

const WATCH_MS = 500;
/** While media flows the relay reports at least once a second; so many looks without a byte are a dead link. */
const STALL_LOOKS = 5;

type Offer = Pick<LegOfferAck, "leg" | "epoch" | "restart" | "sdp">;
type Carried = Pick<LegView, "leg" | "epoch" | "restart">;

/**
 * The page's end of its leg: answers the server's offers, holds the tracks, and repairs the connection.
 *
 * The server offers with all m-lines and its candidates in it (it is ICE-lite), so there are no ICE servers, nothing is
 * trickled, and one answer is all there is. Own tracks are attached before the answer but send nothing until
 * `setSending`: when the visit is accepted there is nothing left to negotiate.
 */
export class Peer {
  private connection: RTCPeerConnection | null = null;
  private carried: Carried | null = null;
  /** Answer to the newest offer, until the server has it. */
  private unsent: LegAnswer | null = null;
  private sendingAnswer = false;
  private work: Promise<void> = Promise.resolve();
  private applied: Promise<void> = Promise.resolve();
  private recovery = new Recovery(0);
  private watch: ReturnType<typeof setInterval> | null = null;
  private tracks: { audio: MediaStreamTrack | null; video: MediaStreamTrack | null } = { audio: null, video: null };
  private sending = { audio: false, video: false };
  private counters: Counters | null = null;
  /** Looks in a row in which nothing had arrived. Counted in looks, so that a throttled timer is no silence. */
  private silentLooks = 0;
  private streams = new Map<string, MediaStream>();
  sample: LinkSample = { connected: false, rttMs: null, loss: null };
  /** Frames of the other side were decoded since the look before. */
  framesFlow = false;

  constructor(
    private readonly asks: PeerAsks,
    private readonly changed: () => void,
  ) {
    addEventListener("online", this.networkChanged);
    // `type` changes when a phone moves between wifi and mobile; the other fields change all the time.
    const network = (navigator as { connection?: EventTarget & { type?: string } }).connection;
    let type = network?.type;
    network?.addEventListener?.("change", () => {
      if (type === network.type) return;
      type = network.type;
      this.networkChanged();
    });
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

  /** Follows the snapshot: a new leg, an ICE restart, an answer that did not arrive, or no leg at all. */
  follow(view: LegView | null, first: boolean): void {
    if (!view) {
      this.close();
      return;
    }
    const same = this.carried?.leg === view.leg && this.carried.epoch === view.epoch;
    if (view.sdp === null) {
      // The server believes that this page holds the leg. If it does not, it needs a new one.
      if (!same && first && !this.connection) void this.asks.renew(view.leg);
      return;
    }
    if (same && this.carried?.restart === view.restart) void this.sendAnswer();
    else this.take(view as Offer);
  }

  setTracks(audio: MediaStreamTrack | null, video: MediaStreamTrack | null): void {
    if (this.tracks.audio === audio && this.tracks.video === video) return;
    this.tracks = { audio, video };
    void this.apply();
  }

  setSending(audio: boolean, video: boolean): void {
    if (this.sending.audio === audio && this.sending.video === video) return;
    this.sending = { audio, video };
    this.silentLooks = 0;
    void this.apply();
  }

  /** What arrives in two slots, as one stream whose tracks stay in step. Null until there is a connection. */
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
    this.carried = null;
    this.unsent = null;
    this.streams.clear();
    this.sample = { connected: false, rttMs: null, loss: null };
    this.framesFlow = false;
    if (!open) return;
    open.onconnectionstatechange = null;
    open.close();
    this.changed();
  }

  private take(offer: Offer): void {
    const same = this.carried?.leg === offer.leg && this.carried.epoch === offer.epoch;
    if (!same) {
      this.close();
      this.open();
    }
    const connection = this.connection;
    if (!connection) return;
    // Noted at once, so that further snapshots with this offer do not start over.
    this.carried = { leg: offer.leg, epoch: offer.epoch, restart: offer.restart };
    this.unsent = null;
    this.work = this.work.then(() => this.negotiate(connection, offer)).catch(() => this.broken(connection));
    this.changed();
  }

  private open(): void {
    const connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    this.connection = connection;
    this.counters = null;
    this.recovery = new Recovery(Date.now());
    connection.onconnectionstatechange = () => {
      this.silentLooks = 0;
      this.step();
      this.changed();
    };
    this.watch = setInterval(() => this.step(), WATCH_MS);
  }

  private async negotiate(connection: RTCPeerConnection, offer: Offer): Promise<void> {
    if (connection !== this.connection || connection.signalingState === "closed") return;
    await connection.setRemoteDescription({ type: "offer", sdp: offer.sdp });
    for (const transceiver of connection.getTransceivers()) {
      if (ownKind(transceiver)) transceiver.direction = "sendrecv";
    }
    // Not waited for: tracks need no negotiation, and opening a camera may keep the browser busy for a while.
    void this.apply();
    await connection.setLocalDescription(await connection.createAnswer());
    const sdp = connection.localDescription?.sdp;
    if (connection !== this.connection || !sdp) return;
    this.unsent = { leg: offer.leg, epoch: offer.epoch, restart: offer.restart, sdp };
    this.changed();
    await this.sendAnswer();
  }

  /** Sends the newest answer unless the server has it or it is on its way. Repeating it changes nothing there. */
  private async sendAnswer(): Promise<void> {
    const answer = this.unsent;
    if (!answer || this.sendingAnswer) return;
    this.sendingAnswer = true;
    const result = await this.asks.answer(answer);
    this.sendingAnswer = false;
    if (answer !== this.unsent) return void this.sendAnswer();
    // Unanswered: kept for the snapshot after the reconnect. Refused: the recovery asks for a new leg in time.
    if (result.ok || result.error.code !== "unavailable") this.unsent = null;
  }

  private broken(connection: RTCPeerConnection): void {
    if (connection === this.connection) this.renew();
  }

  /** Puts tracks and "sends or not" onto the two own transceivers, of whatever connection there is now. */
  private apply(): Promise<void> {
    // One after the other: setParameters refuses parameters that are older than another call's.
    this.applied = this.applied.then(async () => {
      for (const transceiver of this.connection?.getTransceivers() ?? []) {
        const kind = ownKind(transceiver);
        if (!kind) continue;
        // It fails when the connection is closed meanwhile; the next one gets the same tracks.
        await put(transceiver, this.tracks[kind], this.sending[kind]).catch(() => undefined);
      }
    });
    return this.applied;
  }

  private readonly networkChanged = (): void => {
    this.remedy(this.connection && this.recovery.networkChanged(Date.now(), this.asks.canAsk()));
  };

  private step(): void {
    const connection = this.connection;
    if (!connection) return;
    const nowMs = Date.now();
    void this.lookAgain(connection);
    this.remedy(this.recovery.step(nowMs, connection.connectionState, this.stalled, this.asks.canAsk()));
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
    void this.asks.restart(carried.leg, carried.epoch).then((answer) => {
      const current = this.carried?.leg === carried.leg && this.carried.epoch === carried.epoch;
      if (answer.ok && current && answer.restart > (this.carried?.restart ?? 0)) this.take(answer);
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
    this.sample = { ...sample, connected: sample.connected && !this.stalled };
    this.changed();
  }
}

function ownKind({ mid }: RTCRtpTransceiver): "audio" | "video" | null {
  return mid === OWN_AUDIO_MID ? "audio" : mid === OWN_VIDEO_MID ? "video" : null;
}

/** Nothing may be sent before the visit is on, so sending ends before a track changes and begins after it. */
async function put({ sender }: RTCRtpTransceiver, track: MediaStreamTrack | null, sends: boolean): Promise<void> {
  const mayHold = sends || (await activate(sender, false));
  // A browser that cannot hold back a track that it has is not given it yet.
  const held = mayHold ? track : null;
  if (sender.track !== held) await sender.replaceTrack(held);
  if (sends) await activate(sender, true);
}

/** Says whether the sender sends what it has; false where the browser does not offer that. */
async function activate(sender: RTCRtpSender, active: boolean): Promise<boolean> {
  const parameters = sender.getParameters();
  const encoding = parameters.encodings?.[0];
  if (!encoding) return false;
  if (encoding.active === active) return true;
  encoding.active = active;
  return sender.setParameters(parameters).then(
    () => true,
    () => false,
  );
}
