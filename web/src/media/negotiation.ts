import { OWN_AUDIO_MID, OWN_VIDEO_MID } from "./mids.ts";
import { type OfferShape, shapeOffer } from "./voice.ts";

/**
 * The descriptions of one connection. The server offers; this page answers that offer as if it had asked for the voice
 * it is to send, and later, when only the voice changes, answers a changed copy to itself and tells nobody: what the
 * server reads in an answer (SSRCs, payload types, fingerprint, ICE) is the same in all of them.
 */
export class Negotiation {
  private offer: string | null = null;
  private applied = "";
  private revision = 0;

  constructor(private readonly connection: RTCPeerConnection) {}

  /** There is an offer whose copies can be answered. */
  get described(): boolean {
    return this.offer !== null && this.connection.signalingState === "stable";
  }

  /** Answers an offer of the server's; returns what is to be sent to it. */
  async answer(offer: string, shape: OfferShape): Promise<string> {
    this.offer = offer;
    this.revision = 0;
    try {
      await this.describe(shapeOffer(offer, shape, this.revision));
      this.applied = JSON.stringify(shape);
    } catch {
      // A browser that does not take the changed copy gets the offer as it is, and a voice of its own making.
      await this.undo();
      await this.describe(offer);
      this.applied = "";
    }
    return this.connection.localDescription?.sdp ?? "";
  }

  /** Makes the browser encode as `shape` says. False: nothing changed. */
  async reshape(shape: OfferShape): Promise<boolean> {
    const wanted = JSON.stringify(shape);
    if (!this.offer || wanted === this.applied || this.connection.signalingState !== "stable") return false;
    // Noted first: a browser that cannot do it is not asked again and again.
    this.applied = wanted;
    this.revision += 1;
    try {
      await this.describe(shapeOffer(this.offer, shape, this.revision));
      return true;
    } catch {
      await this.undo();
      return false;
    }
  }

  private async describe(offer: string): Promise<void> {
    const { connection } = this;
    await connection.setRemoteDescription({ type: "offer", sdp: offer });
    for (const transceiver of connection.getTransceivers()) {
      if (ownKind(transceiver)) transceiver.direction = "sendrecv";
    }
    await connection.setLocalDescription(await connection.createAnswer());
  }

  private async undo(): Promise<void> {
    if (this.connection.signalingState !== "have-remote-offer") return;
    await this.connection.setRemoteDescription({ type: "rollback" }).catch(() => undefined);
  }
}

/** Which of the own two a transceiver is, null for those that only receive. */
export function ownKind({ mid }: RTCRtpTransceiver): "audio" | "video" | null {
  return mid === OWN_AUDIO_MID ? "audio" : mid === OWN_VIDEO_MID ? "video" : null;
}
