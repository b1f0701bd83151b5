import { describe, expect, it } from "vitest";
import {
  noticeOf as choose,
  linkBars,
  megabytes,
  Notices,
  pictureAt,
  type Way,
  type Ways,
} from "../src/call/notice.ts";
import { sentenceOf } from "../src/call/told.tsx";
import type { Whose, Why } from "../src/protocol.ts";

const way = (rung: number, why: Why = "clear", whose: Whose = "none", picture = true): Way => ({
  rung,
  why,
  whose,
  picture,
});
const ways = (sends: Way | null, receives: Way | null): Ways => ({ sends, receives });
const good = ways(way(5), way(5));
/** A call that has been good in both directions before. */
const best = { sends: 5, receives: 5 };
const noticeOf = (before: Ways, now: Ways) => choose(before, now, best);

const said = (before: Ways, now: Ways) => {
  const notice = noticeOf(before, now);
  return notice && sentenceOf(notice, "Ana");
};

describe("the sentence for a change", () => {
  it("says what and why, and whose link it is", () => {
    expect(said(good, ways(way(5), way(4, "rate", "other")))).toBe(
      "La conexión de Ana está lenta: la imagen se hizo más pequeña.",
    );
    expect(said(good, ways(way(2, "loss", "own"), way(5)))).toBe(
      "Su conexión pierde datos: se envían fotos suyas en lugar de video. La voz sigue.",
    );
    expect(said(good, ways(way(5), way(1, "delay", "none")))).toBe(
      "La conexión va con retraso: por ahora llega solo la voz.",
    );
    expect(said(good, ways(way(3, "cpu", "own"), way(5)))).toBe(
      "Su equipo va lento: su imagen se envía pequeña y lenta.",
    );
  });

  it("says it once for both directions when the cause is the same", () => {
    const now = ways(way(1, "rate", "own"), way(1, "rate", "own"));
    expect(said(good, now)).toBe("Su conexión está lenta: solo voz por ahora.");
  });

  it("says the worse of two different changes", () => {
    expect(said(good, ways(way(4, "rate", "own"), way(2, "rate", "own")))).toContain("llegan fotos");
    expect(said(ways(way(5), way(2)), ways(way(2, "rate", "own"), way(3)))).toContain("se envían fotos suyas");
  });

  it("tells what came back", () => {
    expect(said(ways(way(5), way(2)), good)).toBe("La imagen volvió.");
    expect(said(ways(way(5), way(3)), ways(way(5), way(4)))).toBe("La imagen mejoró.");
    expect(said(ways(way(5), way(1)), ways(way(5), way(2)))).toBe("Ahora llegan fotos.");
    expect(said(ways(way(0), way(0)), ways(way(1), way(1)))).toBe("Ya se puede hablar.");
  });

  it("says nothing about a choice, a start, the first rung, or no change", () => {
    expect(noticeOf(ways(null, null), ways(way(2, "rate"), way(2, "rate")))).toBeNull();
    expect(noticeOf(good, ways(way(1, "choice", "other"), way(1, "choice", "other")))).toBeNull();
    expect(noticeOf(ways(way(1, "choice"), way(1, "choice")), ways(way(3), way(3)))).toBeNull();
    expect(noticeOf(good, ways(way(3, "start"), way(3, "start")))).toBeNull();
    expect(noticeOf(good, ways(way(5, "rate"), way(5, "rate")))).toBeNull();
  });

  it("does not speak of a picture that nobody sends", () => {
    const dark = ways(way(5, "clear", "none", false), way(5));
    expect(noticeOf(dark, ways(way(1, "rate", "own", false), way(5)))).toBeNull();
    expect(noticeOf(dark, ways(way(0, "rate", "own", false), way(5)))?.rung).toBe(0);
    expect(noticeOf(dark, ways(way(2, "rate", "own"), way(5)))).toBeNull();
  });

  it("has words for every rung, direction and cause", () => {
    for (const rung of [0, 1, 2, 3, 4]) {
      for (const why of ["rate", "loss", "delay", "cpu", "clear"] as Why[]) {
        for (const whose of ["own", "other", "none"] as Whose[]) {
          const low = way(rung, why, whose);
          for (const now of [ways(low, way(5)), ways(way(5), low), ways(low, low)]) {
            expect(said(good, now)).toMatch(/^[A-ZÁÉÍÓÚ].+\.$/);
            expect(said(now, good)).toMatch(/^[A-ZÁÉÍÓÚ].+\.$/);
          }
        }
      }
    }
  });
});

describe("what is on the screen", () => {
  const low = ways(way(5), way(3, "rate", "other"));
  const lower = ways(way(5), way(1, "rate", "other"));

  it("shows a change for the worse at once and takes it away by itself", () => {
    const notices = new Notices();
    expect(notices.step(0, good)).toBeNull();
    expect(notices.step(1000, low)?.rung).toBe(3);
    expect(notices.step(8_900, low)?.rung).toBe(3);
    expect(notices.step(9_000, low)).toBeNull();
    expect(notices.step(60_000, low)).toBeNull();
  });

  it("tells a fall through several rungs as two sentences at most", () => {
    const notices = new Notices();
    notices.step(0, good);
    const seen = new Set<number>();
    const fall = [4, 3, 2, 1, 1, 1, 1, 1, 1, 1];
    fall.forEach((rung, i) => {
      const notice = notices.step(1000 + i * 500, ways(way(5), way(rung, "rate", "other")));
      if (notice) seen.add(notice.rung);
    });
    expect([...seen]).toEqual([4, 1]);
  });

  it("makes one sentence of one link's fall in both directions", () => {
    const notices = new Notices();
    notices.step(0, good);
    expect(notices.step(1000, ways(way(2, "delay", "own"), way(5)))?.direction).toBe("sends");
    const both = ways(way(2, "delay", "own"), way(2, "delay", "own"));
    expect(notices.step(5_000, both)?.direction).toBe("both");
    expect(notices.step(9_000, both)).toBeNull();
  });

  it("never mentions what went and came back between two looks", () => {
    const notices = new Notices();
    notices.step(0, good);
    notices.step(1000, low);
    for (let at = 1500; at < 4900; at += 500) notices.step(at, at % 1000 === 0 ? low : lower);
    notices.step(4900, low);
    expect(notices.step(9_500, low)).toBeNull();
  });

  it("tells good news only once it holds, and not close after another sentence", () => {
    const notices = new Notices();
    notices.step(0, good);
    notices.step(1000, lower);
    expect(notices.step(2000, good)?.change).toBe("worse");
    expect(notices.step(10_500, good)).toBeNull();
    expect(notices.step(11_000, good)?.change).toBe("back");
  });

  it("says one thing in ten seconds at most when a link wavers", () => {
    const notices = new Notices();
    notices.step(0, good);
    let before: unknown = null;
    let said = 0;
    for (let at = 500; at <= 60_000; at += 500) {
      const notice = notices.step(at, Math.floor(at / 1000) % 2 === 0 ? good : low);
      if (notice && notice !== before) said += 1;
      before = notice ?? before;
    }
    expect(said).toBe(1);
  });

  it("says nothing of a call that starts low and climbs, until it loses something", () => {
    const notices = new Notices();
    const climb: Ways[] = [1, 1, 3, 3, 4, 4].map((rung) => ways(way(rung), way(rung)));
    climb.forEach((at, i) => {
      expect(notices.step(i * 10_000, at)).toBeNull();
    });
    expect(notices.step(60_000, ways(way(2, "rate", "own"), way(4)))?.change).toBe("worse");
    notices.step(90_000, ways(way(3), way(4)));
    expect(notices.step(94_000, ways(way(3), way(4)))?.change).toBe("back");
    notices.step(130_000, ways(way(5), way(4)));
    expect(notices.step(134_000, ways(way(5), way(4)))).toBeNull();
  });

  it("holds its tongue while the call is not connected and about where it comes back", () => {
    const notices = new Notices();
    notices.step(0, good);
    expect(notices.step(1000, null)).toBeNull();
    expect(notices.step(2000, ways(way(3, "start"), way(3, "start")))).toBeNull();
    expect(notices.step(20_000, ways(way(3), way(3)))).toBeNull();
  });
});

describe("the picture in the window", () => {
  it("goes with its rung, and comes back only once it moves", () => {
    expect(pictureAt("video", 5, false, false)).toBe("video");
    expect(pictureAt("video", 2, true, true)).toBe("still");
    expect(pictureAt("video", 2, false, false)).toBe("none");
    expect(pictureAt("still", 3, false, true)).toBe("still");
    expect(pictureAt("still", 3, true, true)).toBe("video");
    expect(pictureAt("video", 3, false, true)).toBe("video");
    expect(pictureAt("still", 1, false, true)).toBe("none");
  });
});

describe("the bars of a link", () => {
  it("are no more than the link carries, and only of the link at fault", () => {
    const now = ways(way(2, "rate", "other"), way(3, "loss", "other"));
    expect(linkBars(4, now, "other")).toBe(2);
    expect(linkBars(1, now, "other")).toBe(1);
    expect(linkBars(4, now, "own")).toBe(4);
    expect(linkBars(4, ways(way(1, "choice", "own"), way(2, "cpu", "own")), "own")).toBe(4);
    expect(linkBars(3, ways(null, null), "own")).toBe(3);
  });
});

describe("data used", () => {
  it("is rounded to megabytes and not told below half of one", () => {
    expect(megabytes(400_000)).toBeNull();
    expect(megabytes(500_000)).toBe(1);
    expect(megabytes(12_340_000)).toBe(12);
  });
});
