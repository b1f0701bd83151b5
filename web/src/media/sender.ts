import type { VideoView } from "../protocol.ts";
import { type Picture, shapeVideo, withoutCodec } from "./shape.ts";

/** What one of the two own senders is to do. */
export interface Wish {
  track: MediaStreamTrack | null;
  sends: boolean;
  /** The shape of a picture; null for a voice, whose shape is in the description. */
  video: VideoView | null;
}

/**
 * Makes a sender do what is wished. Nothing may be sent before the visit is on, so sending ends before a track changes
 * and begins after it. One call at a time: browsers refuse parameters older than another call's.
 */
export async function put(sender: RTCRtpSender, { track, sends, video }: Wish): Promise<void> {
  const mayHold = sends || (await hold(sender));
  // A browser that cannot hold back a track that it has is not given it yet.
  const held = mayHold ? track : null;
  if (sender.track !== held) await sender.replaceTrack(held);
  if (!sends) return;
  if (video) await obey(sender, video);
  else await release(sender);
}

/** Stops what the sender has; false where the browser does not offer that. */
function hold(sender: RTCRtpSender): Promise<boolean> {
  return activate(sender, false);
}

function release(sender: RTCRtpSender): Promise<boolean> {
  return activate(sender, true);
}

async function activate(sender: RTCRtpSender, active: boolean): Promise<boolean> {
  const parameters = sender.getParameters();
  const encoding = parameters.encodings?.[0];
  if (!encoding) return false;
  if (encoding.active === active) return true;
  encoding.active = active;
  return accepted(sender, parameters);
}

async function obey(sender: RTCRtpSender, video: VideoView): Promise<void> {
  const now = sender.getParameters();
  if (!now.encodings?.[0]) return;
  const picture: Picture = sender.track?.getSettings() ?? {};
  if (await accepted(sender, shapeVideo(now, video, picture))) return;
  // Parameters can be set once for each time they are read.
  await accepted(sender, withoutCodec(shapeVideo(sender.getParameters(), video, picture)));
}

function accepted(sender: RTCRtpSender, parameters: RTCRtpSendParameters): Promise<boolean> {
  return sender.setParameters(parameters).then(
    () => true,
    () => false,
  );
}
