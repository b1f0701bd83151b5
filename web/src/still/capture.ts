import type { StillKind, StillType } from "../protocol.ts";
import { budgetBytes, firstShape, longestSide, nextShape, type Shape, type Still, scaled, TRIES } from "./budget.ts";

interface PhotoTaker {
  getPhotoCapabilities(): Promise<{ imageWidth?: { max: number }; imageHeight?: { max: number } }>;
  takePhoto(settings: { imageWidth?: number; imageHeight?: number }): Promise<Blob>;
}
type PhotoTakerClass = new (track: MediaStreamTrack) => PhotoTaker;

/** A camera that takes its time for a photograph is not waited for longer: the next frame does as well. */
const PHOTO_MS = 5_000;
const FRAME_MS = 3_000;
/** A camera needs about this long for another size. */
const SETTLE_MS = 300;
/** What a camera in a call is asked for beyond its call size, while a document is photographed. */
const SHARP = { width: { ideal: 1920 }, height: { ideal: 1440 } };
/** Nothing larger is held: a phone's 50 megapixels would be 200 MB of memory. */
const LONGEST = 4096;

/** The picture the camera shows now. */
export async function frameOf(track: MediaStreamTrack): Promise<HTMLCanvasElement> {
  const video = document.createElement("video");
  video.muted = true;
  video.playsInline = true;
  video.srcObject = new MediaStream([track]);
  try {
    await within(FRAME_MS, shown(video));
    return drawn(video, video.videoWidth, video.videoHeight);
  } finally {
    video.srcObject = null;
  }
}

/**
 * The sharpest picture the camera can give: a photograph where the browser takes one, else a frame at more pixels than
 * the call needs. What the camera writes beside the picture (place, model) is not kept: only pixels are.
 */
export async function photoOf(track: MediaStreamTrack): Promise<HTMLCanvasElement> {
  const photo = await photographed(track).catch(() => null);
  const most = track.getCapabilities?.().width?.max ?? Number.POSITIVE_INFINITY;
  // Some cameras take photographs that are smaller than the frames they could give.
  if (photo && photo.width >= Math.min(most, SHARP.width.ideal)) return photo;
  const frame = await sharpFrame(track).catch(() => null);
  if (!photo && !frame) throw new Error("no picture");
  return frame && frame.width > (photo?.width ?? 0) ? frame : (photo as HTMLCanvasElement);
}

async function photographed(track: MediaStreamTrack): Promise<HTMLCanvasElement | null> {
  const Taker = (globalThis as { ImageCapture?: PhotoTakerClass }).ImageCapture;
  if (!Taker) return null;
  const taker = new Taker(track);
  const can = await within(PHOTO_MS, taker.getPhotoCapabilities());
  const size = {
    ...(can.imageWidth && { imageWidth: Math.min(LONGEST, can.imageWidth.max) }),
    ...(can.imageHeight && { imageHeight: Math.min(LONGEST, can.imageHeight.max) }),
  };
  const blob = await within(PHOTO_MS, taker.takePhoto(size));
  const bitmap = await createImageBitmap(blob, { imageOrientation: "from-image" });
  const canvas = drawn(bitmap, bitmap.width, bitmap.height);
  bitmap.close();
  return canvas;
}

/** A frame at more pixels than the call needs; the camera goes back to its call size after it. */
async function sharpFrame(track: MediaStreamTrack): Promise<HTMLCanvasElement> {
  const usual = track.getConstraints();
  await track.applyConstraints({ ...usual, ...SHARP }).catch(() => undefined);
  try {
    let frame = await frameOf(track);
    // The first frames may still have the size of before.
    for (let tries = 0; tries < 3 && frame.width < (track.getSettings().width ?? 0); tries++) {
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
      frame = await frameOf(track);
    }
    return frame;
  } finally {
    await track.applyConstraints(usual).catch(() => undefined);
  }
}

/** A picture as a still that fits the link. Null when the browser cannot encode it. */
export async function encode(
  source: HTMLCanvasElement,
  kind: StillKind,
  id: string,
  rateBps: number,
): Promise<Still | null> {
  const budget = budgetBytes(kind, rateBps);
  const longest = longestSide(kind, source.width, source.height);
  let shape: Shape | null = firstShape(kind, source.width, source.height, budget);
  let best: Encoded | null = null;
  for (let tries = 0; shape && tries < TRIES; tries++) {
    const size = scaled(source.width, source.height, shape.longSide);
    const blob = await toBlob(drawn(source, size.width, size.height), shape.quality);
    if (!blob) break;
    if (!best || better({ blob, ...size }, best, budget)) best = { blob, ...size };
    shape = nextShape(shape, blob.size, budget, longest);
  }
  if (!best) return null;
  const bytes = new Uint8Array(await best.blob.arrayBuffer());
  return { id, kind, type: best.blob.type as StillType, width: best.width, height: best.height, bytes };
}

interface Encoded {
  blob: Blob;
  width: number;
  height: number;
}

/** The one that fits and has more pixels; while none fits, the one of fewer bytes. */
function better(one: Encoded, than: Encoded, budget: number): boolean {
  if (one.blob.size <= budget) return than.blob.size > budget || one.width > than.width;
  return one.blob.size < than.blob.size;
}

/** WebP, or JPEG in browsers that only read WebP: they hand out PNG instead, and say so. */
async function toBlob(canvas: HTMLCanvasElement, quality: number): Promise<Blob | null> {
  for (const type of ["image/webp", "image/jpeg"]) {
    const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, type, quality));
    if (blob?.type === type) return blob;
  }
  return null;
}

function drawn(source: CanvasImageSource, width: number, height: number): HTMLCanvasElement {
  const size = scaled(width, height, LONGEST);
  const canvas = document.createElement("canvas");
  canvas.width = size.width;
  canvas.height = size.height;
  const pen = canvas.getContext("2d");
  if (!pen || width < 1 || height < 1) throw new Error("no picture");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(source, 0, 0, size.width, size.height);
  return canvas;
}

async function shown(video: HTMLVideoElement): Promise<void> {
  const ready = new Promise<void>((resolve) => video.addEventListener("loadeddata", () => resolve(), { once: true }));
  await video.play();
  if (video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) await ready;
}

function within<T>(ms: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("too slow")), ms);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
