import { words as spanish, type Words } from "./es-MX.ts";

export type { Words } from "./es-MX.ts";

const STORE_KEY = "puente.lang";

/** The words of this page. Spanish until `loadWords` has found another choice. */
export let words: Words = spanish;

/** Reads the language from `?lang=`, else from the last choice; Spanish is the default. Sets `<html lang>`. */
export async function loadWords(): Promise<void> {
  const asked = new URLSearchParams(location.search).get("lang") ?? remembered();
  if (asked?.toLowerCase().startsWith("en")) words = (await import("./en.ts")).words;
  document.documentElement.lang = words.lang;
  try {
    localStorage.setItem(STORE_KEY, words.lang);
  } catch {
    // Without storage the address keeps the choice.
  }
}

function remembered(): string | null {
  try {
    return localStorage.getItem(STORE_KEY);
  } catch {
    return null;
  }
}

/** Name of a language in the words of this page, or its tag where it has none. */
export function languageName(tag: string): string {
  return words.languages[tag.split("-")[0] ?? ""] ?? tag;
}
