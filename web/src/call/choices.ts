/** What the person chose to send. */
export interface Choices {
  micOn: boolean;
  cameraOn: boolean;
  voiceOnly: boolean;
}

export type Role = "patient" | "nurse";

/** Kept by the tab, so that a reload never turns a microphone on again. */
const TAB_KEY = "puente.choices";
/**
 * Kept by the device: who saves data today saves it tomorrow. Only the patient's; a nurse who turns the picture off for
 * one patient's link has not turned it off for the next.
 */
const DEVICE_KEY = "puente.voiceOnly";

export function readChoices(role: Role): Choices {
  const voiceOnly = role === "patient" && read(localStorage, DEVICE_KEY) === true;
  const defaults: Choices = { micOn: true, cameraOn: !voiceOnly, voiceOnly };
  return { ...defaults, ...(read(sessionStorage, TAB_KEY) as Partial<Choices> | null) };
}

export function storeChoices(role: Role, choices: Choices): void {
  write(sessionStorage, TAB_KEY, choices);
  if (role === "patient") write(localStorage, DEVICE_KEY, choices.voiceOnly);
}

function read(store: Storage, key: string): unknown {
  try {
    return JSON.parse(store.getItem(key) ?? "null");
  } catch {
    return null;
  }
}

function write(store: Storage, key: string, value: unknown): void {
  try {
    store.setItem(key, JSON.stringify(value));
  } catch {
    // A private window without storage: the choice holds until the page closes.
  }
}
