import { describe, expect, it } from "vitest";
import { iceServers } from "../src/media/ice.ts";
import { FIRST_VIDEO, FIRST_WORD_MS, Limits } from "../src/media/limits.ts";
import { codecOf, scaleOf, shapeVideo, withoutCodec } from "../src/media/shape.ts";
import { startBps, voiceBps } from "../src/media/start.ts";
import { THIN_VOICE } from "../src/media/voice.ts";
import type { LimitsView, VideoView } from "../src/protocol.ts";

const SMALL: VideoView = { bitrate_bps: 90_000, fps: 12, lines: 240, codec: "AV1" };
const CODECS = [
  { mimeType: "video/VP8", payloadType: 96, clockRate: 90_000 },
  { mimeType: "video/rtx", payloadType: 97, clockRate: 90_000 },
  { mimeType: "video/VP9", payloadType: 100, clockRate: 90_000, sdpFmtpLine: "profile-id=2" },
  { mimeType: "video/VP9", payloadType: 98, clockRate: 90_000, sdpFmtpLine: "profile-id=0" },
  { mimeType: "video/H264", payloadType: 104, clockRate: 90_000, sdpFmtpLine: "packetization-mode=0" },
  { mimeType: "video/AV1", payloadType: 45, clockRate: 90_000 },
];
const now = (): RTCRtpSendParameters => ({
  transactionId: "t",
  codecs: CODECS,
  encodings: [{ active: false }],
  headerExtensions: [],
  rtcp: {},
});

function limits(since_ms: number, video: VideoView | null = SMALL): LimitsView {
  return { rung: 4, why: "clear", whose: "none", audio: THIN_VOICE, video, stills_bps: 0, since_ms };
}

describe("shapeVideo", () => {
  it("sets everything a rung says and keeps the rest of the parameters", () => {
    const shaped = shapeVideo(now(), SMALL, { width: 640, height: 480 });
    expect(shaped.transactionId).toBe("t");
    expect(shaped.encodings[0]).toEqual({
      active: true,
      maxBitrate: 90_000,
      maxFramerate: 12,
      scaleResolutionDownBy: 2,
      codec: CODECS[5],
    });
    expect(withoutCodec(shaped).encodings[0]).not.toHaveProperty("codec");
  });

  it("does not name a codec that was not negotiated", () => {
    expect(shapeVideo(now(), { ...SMALL, codec: "H264" }, {}).encodings[0]).not.toHaveProperty("codec");
  });

  it("gives up frames rather than lines when there are few lines", () => {
    expect(shapeVideo(now(), SMALL, {}).degradationPreference).toBe("maintain-framerate");
    expect(shapeVideo(now(), { ...SMALL, lines: 180 }, {}).degradationPreference).toBe("maintain-resolution");
  });

  it("takes the profile that every browser decodes", () => {
    expect(codecOf(CODECS, "VP9")?.payloadType).toBe(98);
    expect(codecOf(CODECS, "H264")).toBeUndefined();
  });

  it("scales by the shorter side, never up, and bears a camera that says nothing", () => {
    expect(scaleOf({ width: 640, height: 480 }, 180)).toBeCloseTo(2.667, 3);
    expect(scaleOf({ width: 480, height: 640 }, 240)).toBe(2);
    expect(scaleOf({ width: 320, height: 240 }, 480)).toBe(1);
    expect(scaleOf({}, 240)).toBe(1);
    expect(scaleOf({ width: 0, height: 0 }, 240)).toBe(1);
  });
});

describe("Limits", () => {
  it("begins with a thin voice and no picture, and with a small one when the server says nothing", () => {
    const own = new Limits();
    expect(own.voice).toBe(THIN_VOICE);
    expect(own.video(0)).toBeNull();
    own.setOnAir(true, 1000);
    own.setOnAir(true, 1400);
    expect(own.video(1000 + FIRST_WORD_MS - 1)).toBeNull();
    expect(own.video(1000 + FIRST_WORD_MS)).toBe(FIRST_VIDEO);
    own.setOnAir(false, 9000);
    expect(own.video(99_000)).toBeNull();
  });

  it("obeys the newest word, and no snapshot that is older", () => {
    const own = new Limits();
    own.hear(limits(200, null));
    expect(own.video(0)).toBeNull();
    own.follow(limits(100), false);
    own.follow(limits(200), false);
    expect(own.video(0)).toBeNull();
    own.follow(limits(300), false);
    expect(own.video(0)).toBe(SMALL);
  });

  it("believes the snapshot after a connect, whatever clock wrote it", () => {
    const own = new Limits();
    own.hear(limits(900));
    own.follow(limits(100, null), true);
    expect(own.video(0)).toBeNull();
    own.follow(null, true);
    expect(own.heard?.since_ms).toBe(100);
    own.forget();
    expect(own.heard).toBeNull();
  });
});

describe("startBps", () => {
  it("counts the voice with its headers", () => {
    expect(Math.round(voiceBps(THIN_VOICE))).toBe(24_533);
    expect(Math.round(voiceBps({ ...THIN_VOICE, red: true }))).toBe(40_533);
  });

  it("begins where the picture's ceiling is, and leaves a better estimate alone", () => {
    expect(startBps(SMALL, THIN_VOICE, null)).toBe(114_533);
    expect(startBps(SMALL, THIN_VOICE, null, 50_000)).toBe(114_533);
    expect(startBps(SMALL, THIN_VOICE, null, 300_000)).toBeNull();
    expect(startBps({ ...SMALL, bitrate_bps: 9_000_000 }, THIN_VOICE, null)).toBe(2_000_000);
  });

  it("without a picture begins where the link was last time, or low", () => {
    expect(startBps(null, THIN_VOICE, null)).toBe(100_000);
    expect(startBps(null, THIN_VOICE, { up_bps: 1_000_000, down_bps: 1 })).toBe(700_000);
    expect(startBps(null, THIN_VOICE, { up_bps: 1000, down_bps: 1 })).toBe(24_533);
  });
});

describe("iceServers", () => {
  const good = { urls: ["turn:turn.example:3478?transport=udp", "turns:turn.example:443?transport=tcp"] };
  it("hands on TURN servers and leaves out what a browser would throw at", () => {
    const named = { ...good, username: "1:leg", credential: "c" };
    expect(iceServers([named])).toEqual([named]);
    expect(
      iceServers([
        { ...named, username: "" },
        { ...named, credential: "" },
      ]),
    ).toEqual([]);
    expect(iceServers([{ ...named, urls: ["http://x", "turn:", "turn:a b", "stun:stun.example"] }])).toEqual([]);
    expect(iceServers(Array.from({ length: 9 }, () => named))).toHaveLength(4);
    expect(iceServers(undefined)).toEqual([]);
  });
});
