import { audioContext } from "./audio.ts";

/** Loudness of a block of samples (-1…1) as 0…1: silence (-55 dBFS and below) is 0, a close voice about 0.8. */
export function loudness(samples: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < samples.length; i++) sum += (samples[i] ?? 0) ** 2;
  if (sum === 0) return 0;
  const db = 10 * Math.log10(sum / samples.length);
  return Math.min(1, Math.max(0, (db + 55) / 45));
}

/** At this level a voice is clearly heard by the microphone. */
export const HEARD = 0.35;

/**
 * Measures a microphone ten times a second until the returned function is called.
 * Where the browser gives no audio context, the level stays unknown and `level` is never called.
 */
export function watchLevel(track: MediaStreamTrack, level: (value: number) => void): () => void {
  const context = audioContext();
  if (!context) return () => undefined;
  const source = context.createMediaStreamSource(new MediaStream([track]));
  const analyser = new AnalyserNode(context, { fftSize: 1024 });
  source.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const timer = setInterval(() => {
    if (context.state !== "running") return;
    analyser.getFloatTimeDomainData(samples);
    level(loudness(samples));
  }, 100);
  return () => {
    clearInterval(timer);
    source.disconnect();
  };
}
