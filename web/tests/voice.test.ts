import { describe, expect, it } from "vitest";
import { shapeOffer, THIN_VOICE } from "../src/media/voice.ts";

const OFFER = `${[
  "v=0",
  "o=- 17 3 IN IP4 127.0.0.1",
  "s=-",
  "t=0 0",
  "a=group:BUNDLE 0 1 2",
  "a=ice-ufrag:abcd",
  "m=audio 9 UDP/TLS/RTP/SAVPF 111 63",
  "c=IN IP4 127.0.0.1",
  "a=sendrecv",
  "a=mid:0",
  "a=rtpmap:111 opus/48000/2",
  "a=fmtp:111 minptime=10;useinbandfec=1;usedtx=0",
  "a=rtpmap:63 red/48000/2",
  "a=fmtp:63 111/111",
  "m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99",
  "a=mid:1",
  "a=rtpmap:96 VP8/90000",
  "a=rtpmap:97 rtx/90000",
  "a=fmtp:97 apt=96",
  "a=rtpmap:98 VP9/90000",
  "a=fmtp:98 profile-id=0",
  "a=rtpmap:99 rtx/90000",
  "a=fmtp:99 apt=98",
  "m=audio 9 UDP/TLS/RTP/SAVPF 111 63",
  "a=sendonly",
  "a=mid:2",
  "a=rtpmap:111 opus/48000/2",
  "a=fmtp:111 minptime=10;useinbandfec=1;usedtx=0",
].join("\r\n")}\r\n`;

const sections = (sdp: string) => sdp.split(/(?=^m=)/m);
const shaped = (shape: Partial<Parameters<typeof shapeOffer>[1]>, revision = 0) =>
  shapeOffer(OFFER, { voice: THIN_VOICE, startBps: null, ...shape }, revision);

describe("shapeOffer", () => {
  it("asks for the voice's packet time, rate and pauses, for both kinds of browser", () => {
    const own = sections(shaped({}))[1] ?? "";
    expect(own.match(/^a=fmtp:111 /gm)).toHaveLength(1);
    expect(own).toContain(
      "a=fmtp:111 minptime=10;ptime=60;useinbandfec=1;stereo=0;usedtx=1;maxaveragebitrate=16000;maxplaybackrate=16000\r\na=ptime:60\r\na=maxptime:60\r\n",
    );
    const long = shaped({ voice: { frame_ms: 120, bitrate_bps: 12_000, red: false, dtx: false } });
    expect(long).toContain("a=ptime:120\r\na=maxptime:120\r\n");
    expect(long).toContain("usedtx=0;maxaveragebitrate=12000;maxplaybackrate=16000");
  });

  it("puts RED before Opus only when each packet is to carry the one before", () => {
    expect(shaped({})).toContain("m=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\n");
    expect(shaped({ voice: { ...THIN_VOICE, red: true } })).toContain("m=audio 9 UDP/TLS/RTP/SAVPF 63 111\r\n");
  });

  it("leaves the voices of others as they are", () => {
    expect(sections(shaped({ voice: { ...THIN_VOICE, red: true }, startBps: 9_000_000 }))[3]).toBe(sections(OFFER)[3]);
  });

  it("tells the browser's congestion control where to begin, in every picture codec and in no retransmission", () => {
    const video = sections(shaped({ startBps: 123_400 }))[2] ?? "";
    expect(video).toContain("a=rtpmap:96 VP8/90000\r\na=fmtp:96 x-google-start-bitrate=123\r\n");
    expect(video).toContain("a=fmtp:98 profile-id=0;x-google-start-bitrate=123\r\n");
    expect(video).toContain("a=fmtp:97 apt=96\r\n");
    expect(sections(shaped({}))[2]).toBe(sections(OFFER)[2]);
  });

  it("raises the version with each copy, and above any copy with the server's next offer", () => {
    expect(shaped({}, 0)).toContain("o=- 17 3000 IN");
    expect(shaped({}, 7)).toContain("o=- 17 3007 IN");
    const next = shapeOffer(OFFER.replace("o=- 17 3 ", "o=- 17 4 "), { voice: THIN_VOICE, startBps: null }, 0);
    expect(next).toContain("o=- 17 4000 IN");
  });

  it("passes on what it does not know", () => {
    expect(shapeOffer("", { voice: THIN_VOICE, startBps: 1 }, 1)).toBe("");
    const strange = "v=0\r\nm=audio 9 X 0\r\na=mid:0\r\n";
    expect(shapeOffer(strange, { voice: THIN_VOICE, startBps: 1 }, 1)).toBe(strange);
  });
});
