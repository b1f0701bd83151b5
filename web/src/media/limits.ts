import type { AudioView, LimitsView, VideoView } from "../protocol.ts";
import { Brake } from "./brake.ts";
import { Lull } from "./lull.ts";
import type { Reading } from "./reading.ts";
import { THIN_VOICE } from "./voice.ts";

/** What a picture is before anybody has measured anything: small enough for most, large enough for a face. */
export const FIRST_VIDEO: VideoView = { bitrate_bps: 100_000, fps: 12, lines: 240, codec: "VP8" };

/** So long after the visit was accepted the picture starts without a word of the server about it. */
export const FIRST_WORD_MS = 1_500;

/** A picture of less does not fill a link that stands for a moment. */
const LARGE_BPS = 150_000;

type Seen = Pick<Reading, "outBps" | "packetsReceived">;

/** What this page was last told to send, and what it sends until it is told. Holds times and words, does nothing. */
export class Limits {
  /** The newest word, null before the first. */
  heard: LimitsView | null = null;
  /** The link has just fallen, and the server's word about it is on its way: the least voice, and no picture. */
  private braked = false;
  private readonly brake = new Brake();
  /** Nothing arrives, and a large picture would only stand before the link. */
  private waits = false;
  private readonly lull = new Lull();
  private onAirSinceMs: number | null = null;

  /** The event: in order on its socket, so always the newest. */
  hear(view: LimitsView): void {
    this.heard = view;
  }

  /**
   * The snapshot's copy, which may be older than the last event (a voice changes within a rung too). After a connect it
   * is the truth whatever its time says: the relay that wrote it may have another clock than the one before.
   */
  follow(view: LimitsView | null, first: boolean): void {
    if (view && (first || !this.heard || view.since_ms > this.heard.since_ms)) this.heard = view;
  }

  /** The visit is on, or not: what was said of one visit is not said of the next. */
  setOnAir(onAir: boolean, nowMs: number): void {
    if (onAir) this.onAirSinceMs ??= nowMs;
    else this.onAirSinceMs = null;
  }

  /** What the browser may send and what has arrived, as just read; true where that changes what is to be sent. */
  see({ outBps, packetsReceived }: Seen, nowMs: number): boolean {
    const { braked, waits } = this;
    this.braked = this.brake.look(outBps, this.heard, nowMs);
    this.waits = this.lull.look(packetsReceived, nowMs) && (this.heard?.video?.bitrate_bps ?? 0) >= LARGE_BPS;
    return this.braked !== braked || this.waits !== waits;
  }

  forget(): void {
    this.heard = null;
  }

  get voice(): AudioView {
    const { heard } = this;
    return heard && !(this.braked && heard.audio.bitrate_bps > THIN_VOICE.bitrate_bps) ? heard.audio : THIN_VOICE;
  }

  /** The picture to send; null: none. */
  video(nowMs: number): VideoView | null {
    if (this.braked || this.waits) return null;
    if (this.heard) return this.heard.video;
    return this.onAirSinceMs !== null && nowMs - this.onAirSinceMs >= FIRST_WORD_MS ? FIRST_VIDEO : null;
  }
}
