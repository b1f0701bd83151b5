/** Why there is no camera or microphone, as a page can explain it. */
export type MediaProblem = "blocked" | "in_use" | "none" | "insecure" | "in_app" | "policy" | "unknown";

export interface Choice {
  id: string;
  label: string;
}

/** What a page knows about its own camera and microphone. */
export interface DevicesView {
  opening: boolean;
  /** Why neither could be had; null while it works or has not been tried. */
  problem: MediaProblem | null;
  /** Why there is a microphone and no camera. */
  cameraProblem: MediaProblem | null;
  audio: MediaStreamTrack | null;
  video: MediaStreamTrack | null;
  cameras: Choice[];
  microphones: Choice[];
  camera: string | null;
  microphone: string | null;
}

const STORE_KEY = "puente.devices";
const NONE: DevicesView = {
  opening: false,
  problem: null,
  cameraProblem: null,
  audio: null,
  video: null,
  cameras: [],
  microphones: [],
  camera: null,
  microphone: null,
};

/** Browsers inside other apps (Facebook, Instagram, WhatsApp, Line, TikTok), which often hand out no camera. */
export function isInAppBrowser(userAgent: string): boolean {
  return /\bFBA[NV]\b|FB_IAB|Instagram|WhatsApp|\bLine\/|musical_ly|BytedanceWebview|; wv\)/.test(userAgent);
}

/** Puts a `getUserMedia` failure into one of the reasons that have words and a way out. */
export function problemOf(error: unknown, inApp: boolean): MediaProblem {
  const name = (error as { name?: string } | null)?.name ?? "";
  if (name === "NotAllowedError" || name === "PermissionDeniedError") {
    if (inApp) return "in_app";
    return /policy/i.test(String((error as Error).message)) ? "policy" : "blocked";
  }
  if (name === "SecurityError") return "policy";
  if (name === "NotReadableError" || name === "TrackStartError" || name === "AbortError") return "in_use";
  if (name === "NotFoundError" || name === "DevicesNotFoundError" || name === "OverconstrainedError") return "none";
  return inApp ? "in_app" : "unknown";
}

/**
 * The camera and microphone of this page: opens them, says in words what is wrong, lets the person choose, remembers
 * the choice, and takes the next device when one is pulled out.
 */
export class Devices {
  view: DevicesView = NONE;
  private wanted: { camera?: string; microphone?: string } = read();
  private wantVideo = false;
  private turn = 0;

  constructor(private readonly changed: () => void) {
    navigator.mediaDevices?.addEventListener?.("devicechange", () => void this.relist());
  }

  /** Opens microphone and, if wanted, camera. What is open already stays. */
  async open(video: boolean): Promise<void> {
    this.wantVideo = video;
    const turn = ++this.turn;
    const inApp = isInAppBrowser(navigator.userAgent);
    if (!navigator.mediaDevices?.getUserMedia) {
      return this.set({ problem: window.isSecureContext ? (inApp ? "in_app" : "unknown") : "insecure" });
    }
    this.set({ opening: true, problem: null, cameraProblem: null });
    const needAudio = !live(this.view.audio);
    const needVideo = video && !live(this.view.video);
    const got = await this.acquire(needAudio, needVideo, inApp);
    if (turn !== this.turn) return stop(got.audio, got.video);
    this.set({
      opening: false,
      problem: got.problem,
      cameraProblem: got.cameraProblem,
      audio: needAudio ? this.watch(got.audio) : this.view.audio,
      video: needVideo ? this.watch(got.video) : this.view.video,
    });
    await this.relist();
  }

  /** Lets go of the camera: its light goes out. */
  closeCamera(): void {
    this.turn += 1;
    this.wantVideo = false;
    stop(this.view.video);
    this.set({ opening: false, video: null, cameraProblem: null });
  }

  /** Lets go of everything. */
  close(): void {
    this.turn += 1;
    this.wantVideo = false;
    stop(this.view.audio, this.view.video);
    this.view = { ...NONE, cameras: this.view.cameras, microphones: this.view.microphones };
    this.changed();
  }

  async chooseCamera(id: string): Promise<void> {
    this.remember({ camera: id });
    stop(this.view.video);
    this.set({ video: null });
    await this.open(true);
  }

  async chooseMicrophone(id: string): Promise<void> {
    this.remember({ microphone: id });
    stop(this.view.audio);
    this.set({ audio: null });
    await this.open(this.wantVideo);
  }

  /** The next camera of the list: from front to back on a phone. */
  async flip(): Promise<void> {
    const { cameras, camera } = this.view;
    const next = cameras[(cameras.findIndex((one) => one.id === camera) + 1) % cameras.length];
    if (next) await this.chooseCamera(next.id);
  }

  private async acquire(audio: boolean, video: boolean, inApp: boolean): Promise<Acquired> {
    const got: Acquired = { audio: null, video: null, problem: null, cameraProblem: null };
    if (!audio && !video) return got;
    try {
      return { ...got, ...(await this.ask(audio, video)) };
    } catch (error) {
      // One of the two may be missing or taken: ask for each alone, so that the voice is not lost with the camera.
      if (!audio || !video) return { ...got, [audio ? "problem" : "cameraProblem"]: problemOf(error, inApp) };
    }
    try {
      Object.assign(got, await this.ask(true, false));
    } catch (error) {
      return { ...got, problem: problemOf(error, inApp) };
    }
    try {
      got.video = (await this.ask(false, true)).video;
    } catch (error) {
      got.cameraProblem = problemOf(error, inApp);
    }
    return got;
  }

  private async ask(audio: boolean, video: boolean): Promise<Pick<Acquired, "audio" | "video">> {
    const { camera, microphone } = this.wanted;
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: audio && {
        echoCancellation: true,
        noiseSuppression: true,
        autoGainControl: true,
        ...(microphone && { deviceId: { ideal: microphone } }),
      },
      video: video && {
        // Every camera has this; how much of it is sent is the limits' matter, and less is made of it than of more.
        width: { ideal: 640 },
        height: { ideal: 480 },
        frameRate: { ideal: 30, max: 30 },
        ...(camera ? { deviceId: { ideal: camera } } : { facingMode: { ideal: "user" } }),
      },
    });
    return { audio: stream.getAudioTracks()[0] ?? null, video: stream.getVideoTracks()[0] ?? null };
  }

  private watch(track: MediaStreamTrack | null): MediaStreamTrack | null {
    // "ended" comes when the device was pulled out or the permission taken back, never from our own stop().
    track?.addEventListener("ended", () => {
      if (track === this.view.audio) this.set({ audio: null });
      else if (track === this.view.video) this.set({ video: null });
      else return;
      void this.open(this.wantVideo);
    });
    return track;
  }

  private async relist(): Promise<void> {
    const all = (await navigator.mediaDevices?.enumerateDevices?.().catch(() => [])) ?? [];
    const of = (kind: MediaDeviceKind) =>
      all.filter((one) => one.kind === kind && one.deviceId).map((one) => ({ id: one.deviceId, label: one.label }));
    this.set({
      cameras: of("videoinput"),
      microphones: of("audioinput"),
      camera: this.view.video?.getSettings().deviceId ?? null,
      microphone: this.view.audio?.getSettings().deviceId ?? null,
    });
  }

  private remember(choice: { camera?: string; microphone?: string }): void {
    this.wanted = { ...this.wanted, ...choice };
    try {
      localStorage.setItem(STORE_KEY, JSON.stringify(this.wanted));
    } catch {
      // A private window without storage: the choice holds until the page closes.
    }
  }

  private set(part: Partial<DevicesView>): void {
    this.view = { ...this.view, ...part };
    this.changed();
  }
}

interface Acquired {
  audio: MediaStreamTrack | null;
  video: MediaStreamTrack | null;
  problem: MediaProblem | null;
  cameraProblem: MediaProblem | null;
}

const live = (track: MediaStreamTrack | null) => track?.readyState === "live";

function stop(...tracks: (MediaStreamTrack | null)[]): void {
  for (const track of tracks) track?.stop();
}

function read(): { camera?: string; microphone?: string } {
  try {
    return JSON.parse(localStorage.getItem(STORE_KEY) ?? "{}");
  } catch {
    return {};
  }
}
