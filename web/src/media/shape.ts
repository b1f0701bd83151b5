import type { VideoCodec, VideoView } from "../protocol.ts";

/** The picture as the camera takes it. */
export interface Picture {
  width?: number | undefined;
  height?: number | undefined;
}

/** Below so many lines a face is not a face any more: there frames go rather than lines. */
const FEWEST_LINES = 180;

/**
 * Encoder parameters that obey `video`, from the ones the sender has now; the rest of them is kept, because browsers
 * refuse parameters that miss anything.
 *
 * Measured in Chromium 156: all of it holds within a second and without renegotiation, the codec too (VP8, VP9, AV1,
 * H264 in turn, 20 frames a second throughout).
 */
export function shapeVideo(now: RTCRtpSendParameters, video: VideoView, picture: Picture): RTCRtpSendParameters {
  const codec = codecOf(now.codecs ?? [], video.codec);
  const encodings = now.encodings.map((encoding, index) =>
    index > 0
      ? encoding
      : {
          ...encoding,
          active: true,
          maxBitrate: video.bitrate_bps,
          maxFramerate: video.fps,
          scaleResolutionDownBy: scaleOf(picture, video.lines),
          ...(codec && { codec }),
        },
  );
  return {
    ...now,
    encodings,
    // `balanced` gave 10 pictures a second at 1 Mbit/s of VP8, where keeping the rate gives 25 of the same size.
    degradationPreference: video.lines <= FEWEST_LINES ? "maintain-resolution" : "maintain-framerate",
  };
}

/** Without the codec, for a browser that refuses to be told one. */
export function withoutCodec(parameters: RTCRtpSendParameters): RTCRtpSendParameters {
  return {
    ...parameters,
    encodings: parameters.encodings.map((encoding) => {
      const { codec: _, ...rest } = encoding as RTCRtpEncodingParameters & { codec?: RTCRtpCodec };
      return rest;
    }),
  };
}

/** How much smaller than the camera's picture, so that its shorter side (a phone is held upright) has so many lines. */
export function scaleOf({ width, height }: Picture, lines: number): number {
  const shorter = Math.min(width ?? Number.POSITIVE_INFINITY, height ?? Number.POSITIVE_INFINITY);
  if (!Number.isFinite(shorter) || shorter <= 0) return 1;
  return Math.max(1, shorter / lines);
}

/** The negotiated codec of that name, in the profile that everybody decodes; undefined when it was not negotiated. */
export function codecOf(codecs: RTCRtpCodecParameters[], name: VideoCodec): RTCRtpCodecParameters | undefined {
  const plain = (line = "") =>
    name === "VP9" ? !/profile-id=[1-9]/.test(line) : name !== "H264" || /packetization-mode=1/.test(line);
  return codecs.find((codec) => codec.mimeType.toUpperCase() === `VIDEO/${name}` && plain(codec.sdpFmtpLine));
}
