import { describe, expect, it } from "vitest";
import { words as english } from "../src/words/en.ts";
import { words as spanish } from "../src/words/es-MX.ts";

function leaves(value: unknown, path = ""): [string, unknown][] {
  if (value === null || typeof value !== "object") return [[path, value]];
  return Object.entries(value).flatMap(([key, inner]) => leaves(inner, `${path}.${key}`));
}

describe("the catalogues", () => {
  it("have the same keys and no empty word", () => {
    expect(leaves(english).map(([path]) => path)).toEqual(leaves(spanish).map(([path]) => path));
    for (const [path, word] of [...leaves(english), ...leaves(spanish)]) {
      expect(word, path).toBeTruthy();
    }
  });

  it("write short sentences without exclamation marks in Spanish", () => {
    for (const [path, word] of leaves(spanish)) {
      if (typeof word !== "string") continue;
      expect(word, path).not.toMatch(/[¡!]/);
      for (const sentence of word.split(/[.?:]\s/)) expect(sentence.split(/\s+/).length, path).toBeLessThanOrEqual(16);
    }
  });
});
