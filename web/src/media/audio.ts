/** The page's one AudioContext. Browsers keep it suspended until the person has touched the page. */
let shared: AudioContext | null = null;

export function audioContext(): AudioContext | null {
  if (typeof AudioContext === "undefined") return null;
  shared ??= new AudioContext();
  if (shared.state === "suspended") void shared.resume().catch(() => undefined);
  return shared;
}

/** True when a sound would be heard now. */
export function canSound(): boolean {
  return audioContext()?.state === "running";
}

interface Tone {
  hz: number;
  /** Seconds from now. */
  at: number;
  seconds: number;
  /** Pitch at the end, for a tone that glides. */
  toHz?: number;
}

function play(tones: Tone[], loudness: number): void {
  const context = audioContext();
  if (!context) return;
  for (const tone of tones) {
    const from = context.currentTime + tone.at;
    const until = from + tone.seconds;
    const source = new OscillatorNode(context, { type: "sine", frequency: tone.hz });
    if (tone.toHz) source.frequency.linearRampToValueAtTime(tone.toHz, until);
    // Soft edges: a tone that starts or stops in one step clicks.
    const volume = new GainNode(context, { gain: 0 });
    volume.gain.setValueAtTime(0, from);
    volume.gain.linearRampToValueAtTime(loudness, from + 0.03);
    volume.gain.setValueAtTime(loudness, Math.max(from + 0.03, until - 0.15));
    volume.gain.linearRampToValueAtTime(0, until);
    source.connect(volume).connect(context.destination);
    source.start(from);
    source.stop(until);
  }
}

/** Two soft tones: a visit is offered. */
export const chime = () =>
  play(
    [
      { hz: 660, at: 0, seconds: 0.35 },
      { hz: 880, at: 0.28, seconds: 0.6 },
    ],
    0.16,
  );

/** One rising tone: the visit starts. */
export const riseTone = () => play([{ hz: 440, toHz: 760, at: 0, seconds: 0.7 }], 0.16);

/** One short low tone: the connection was lost. */
export const lowTone = () => play([{ hz: 230, at: 0, seconds: 0.3 }], 0.12);

/** Three steps up: the test of the speaker. */
export const testTone = () =>
  play(
    [
      { hz: 523, at: 0, seconds: 0.4 },
      { hz: 659, at: 0.35, seconds: 0.4 },
      { hz: 784, at: 0.7, seconds: 0.7 },
    ],
    0.2,
  );
