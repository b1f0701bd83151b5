import type { AudioView } from "../protocol.ts";
import { OWN_AUDIO_MID, OWN_VIDEO_MID } from "./mids.ts";

/** How the own voice begins, before the server has said how: what the thinnest link bears. */
export const THIN_VOICE: AudioView = { frame_ms: 60, bitrate_bps: 16_000, red: false, dtx: true };

/**
 * Up to this bit rate the voice is encoded as wideband (8 kHz of sound, 16 kHz of samples). From 13.5 kbit/s on libopus
 * takes fullband, which speech cannot use: at 16 kbit/s in 60 ms packets wideband is PESQ 4.2, fullband 3.5.
 */
const WIDEBAND_TO_BPS = 24_000;

/** What this page changes in the server's offer before it answers it to itself. */
export interface OfferShape {
  voice: AudioView;
  /**
   * What the browser's own congestion control begins with, bit/s; null leaves it at its default (300 kbit/s in
   * Chromium, five times too much for a thin link and a third of a good one).
   */
  startBps: number | null;
}

/**
 * The server's offer as if it had asked for this voice. A browser encodes its voice as the *remote* description wants
 * it, so a changed copy of the offer, answered to nobody, changes the encoder in mid-call: measured in Chromium in
 * 10-20 ms, without a lost packet, and it is the only way there to change packet time, DTX and RED.
 *
 * `revision` rises with every copy. Unknown or strange lines pass through unchanged.
 */
export function shapeOffer(sdp: string, shape: OfferShape, revision: number): string {
  const [session = "", ...media] = sdp.split(/(?=^m=)/m);
  return [
    withRevision(session, revision),
    ...media.map((section) => {
      const mid = /^a=mid:(\S+)/m.exec(section)?.[1];
      if (mid === OWN_AUDIO_MID) return withVoice(section, shape.voice);
      if (mid === OWN_VIDEO_MID && shape.startBps !== null) return withStart(section, shape.startBps);
      return section;
    }),
  ].join("");
}

/** RFC 8866 §5.2: a description that differs has a higher version. The server counts its own in ones. */
function withRevision(session: string, revision: number): string {
  return session.replace(
    /^(o=\S+ \S+ )(\d{1,12}) /m,
    (_, head: string, version: string) => `${head}${Number(version) * 1000 + (revision % 1000)} `,
  );
}

function withVoice(section: string, voice: AudioView): string {
  const opus = /^a=rtpmap:(\d+) opus\//im.exec(section)?.[1];
  const red = /^a=rtpmap:(\d+) red\//im.exec(section)?.[1];
  if (!opus) return section;
  const format = [
    "minptime=10",
    // Twice: Chromium reads the attribute below, Firefox this parameter.
    `ptime=${voice.frame_ms}`,
    "useinbandfec=1",
    "stereo=0",
    `usedtx=${voice.dtx ? 1 : 0}`,
    `maxaveragebitrate=${voice.bitrate_bps}`,
    `maxplaybackrate=${voice.bitrate_bps <= WIDEBAND_TO_BPS ? 16_000 : 48_000}`,
  ].join(";");
  const order = red === undefined ? [opus] : voice.red ? [red, opus] : [opus, red];
  const [line = "", ...rest] = section.split("\r\n");
  const [kind = "", port = "", protocol = "", ...formats] = line.split(" ");
  const others = formats.filter((one) => !order.includes(one));
  const kept = rest.filter((one) => !/^a=(max)?ptime:/.test(one) && !one.startsWith(`a=fmtp:${opus} `));
  const at = kept.findIndex((one) => one.startsWith(`a=rtpmap:${opus} `));
  kept.splice(
    at + 1,
    0,
    `a=fmtp:${opus} ${format}`,
    `a=ptime:${voice.frame_ms}`,
    `a=maxptime:${Math.max(60, voice.frame_ms)}`,
  );
  return [[kind, port, protocol, ...order, ...others].join(" "), ...kept].join("\r\n");
}

/** `x-google-start-bitrate` (kbit/s) of every picture codec; other browsers than Chromium pass over it. */
function withStart(section: string, startBps: number): string {
  const start = `x-google-start-bitrate=${Math.max(1, Math.round(startBps / 1000))}`;
  const lines = section.split("\r\n");
  return lines
    .flatMap((line) => {
      const [, codec, name] = /^a=rtpmap:(\d+) ([^/]+)\//.exec(line) ?? [];
      if (codec === undefined || /^(rtx|red|ulpfec|flexfec.*)$/i.test(name ?? "")) return [line];
      return lines.some((one) => one.startsWith(`a=fmtp:${codec} `)) ? [line] : [line, `a=fmtp:${codec} ${start}`];
    })
    .map((line) => (/^a=fmtp:\d+ (?!apt=|x-google)/.test(line) ? `${line};${start}` : line))
    .join("\r\n");
}
