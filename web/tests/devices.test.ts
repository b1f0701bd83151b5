import { describe, expect, it } from "vitest";
import { initials } from "../src/call/media.tsx";
import { isInAppBrowser, problemOf } from "../src/media/devices.ts";
import { HEARD, loudness } from "../src/media/level.ts";
import { clockText } from "../src/ui/time.ts";

const CHROME =
  "Mozilla/5.0 (Linux; Android 13) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Mobile Safari/537.36";

describe("isInAppBrowser", () => {
  it("knows the browsers inside other apps from real ones", () => {
    expect(isInAppBrowser(CHROME)).toBe(false);
    expect(isInAppBrowser(`${CHROME} [FBAN/EMA;FBAV/400.0]`)).toBe(true);
    expect(isInAppBrowser(`${CHROME} Instagram 300.0`)).toBe(true);
    expect(isInAppBrowser(`${CHROME} Line/13.0`)).toBe(true);
    expect(isInAppBrowser("Mozilla/5.0 (Linux; Android 13; K; wv) AppleWebKit/537.36 Chrome/130 Mobile")).toBe(true);
  });
});

describe("problemOf", () => {
  it("puts every failure into a reason that has words", () => {
    expect(problemOf({ name: "NotAllowedError", message: "Permission denied" }, false)).toBe("blocked");
    expect(problemOf({ name: "NotAllowedError", message: "Permission denied" }, true)).toBe("in_app");
    expect(problemOf({ name: "NotAllowedError", message: "Disallowed by permissions policy" }, false)).toBe("policy");
    expect(problemOf({ name: "NotReadableError" }, false)).toBe("in_use");
    expect(problemOf({ name: "NotFoundError" }, false)).toBe("none");
    expect(problemOf(null, false)).toBe("unknown");
  });
});

describe("loudness", () => {
  it("is nothing in silence and heard at the level of a voice", () => {
    expect(loudness(new Float32Array(256))).toBe(0);
    expect(loudness([])).toBe(0);
    const voice = Float32Array.from({ length: 256 }, (_, i) => 0.1 * Math.sin(i / 3));
    expect(loudness(voice)).toBeGreaterThan(HEARD);
    expect(loudness(Float32Array.from({ length: 256 }, () => 1))).toBe(1);
  });
});

describe("clockText", () => {
  it("counts minutes and seconds, and hours when there are some", () => {
    expect(clockText(252_000)).toBe("04:12");
    expect(clockText(3_852_000)).toBe("1:04:12");
    expect(clockText(-5)).toBe("00:00");
  });
});

describe("initials", () => {
  it("takes two letters of a name", () => {
    expect(initials("Ana Ruiz Torres")).toBe("AR");
    expect(initials("")).toBe("");
  });
});
