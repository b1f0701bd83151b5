// Every screen with invented data, for looking at: `npx vite`, then /dev/gallery.html?screen=NAME. Not in the product.
import { render } from "preact";
import "../src/styles/puente.css";
import "../src/styles/product.css";
import type { Seat, SeatView } from "../src/call/seat.ts";
import type { MediaProblem } from "../src/media/devices.ts";
import { AfterScreen, LeftScreen } from "../src/patient/after.tsx";
import type { PatientApp, PatientView } from "../src/patient/app.ts";
import { CheckScreen, ConsentScreen, DeclinedScreen } from "../src/patient/before.tsx";
import { CallScreen } from "../src/patient/call.tsx";
import { WaitScreen } from "../src/patient/wait.tsx";
import type { CallView, PatientSnapshot, StaffSnapshot } from "../src/protocol.ts";
import type { StaffApp, StaffView } from "../src/staff/app.ts";
import { NurseCallScreen } from "../src/staff/call.tsx";
import { StaffFrame } from "../src/staff/frame.tsx";
import { HomeScreen } from "../src/staff/home.tsx";
import { OfferDialog } from "../src/staff/offer.tsx";
import { WrapupScreen } from "../src/staff/wrapup.tsx";
import { loadWords } from "../src/words/index.ts";

function picture(hue: number): MediaStreamTrack {
  const canvas = document.createElement("canvas");
  canvas.width = 640;
  canvas.height = 360;
  const pen = canvas.getContext("2d");
  let turn = 0;
  setInterval(() => {
    if (!pen) return;
    pen.fillStyle = `hsl(${hue} 18% 30%)`;
    pen.fillRect(0, 0, 640, 360);
    pen.fillStyle = `hsl(${hue} 18% 62%)`;
    pen.beginPath();
    pen.ellipse(320, 160, 62, 76, 0, 0, 7);
    pen.ellipse(320, 400, 190, 150, 0, 0, 7);
    pen.fill();
    pen.fillRect(10 + (turn++ % 40), 10, 8, 8);
  }, 50);
  return canvas.captureStream(20).getVideoTracks()[0] as MediaStreamTrack;
}

function tone(): MediaStreamTrack {
  const context = new AudioContext();
  const out = context.createMediaStreamDestination();
  const source = new OscillatorNode(context, { frequency: 300 });
  source.connect(new GainNode(context, { gain: 0.2 })).connect(out);
  source.start();
  return out.stream.getAudioTracks()[0] as MediaStreamTrack;
}

const video = picture(140);
const remote = new MediaStream([picture(195)]);

function seatView(part: Partial<SeatView> = {}): SeatView {
  return {
    devices: {
      opening: false,
      problem: null,
      cameraProblem: null,
      audio: tone(),
      video,
      cameras: [
        { id: "1", label: "Cámara frontal" },
        { id: "2", label: "Cámara trasera" },
      ],
      microphones: [{ id: "3", label: "Audífonos" }],
      camera: "1",
      microphone: "3",
    },
    micOn: true,
    cameraOn: true,
    voiceOnly: false,
    leg: "connected",
    bars: 4,
    remote,
    framesFlow: true,
    sends: null,
    receives: null,
    usedBytes: 0,
    bytesPerMinute: null,
    linkTest: null,
    testing: false,
    unsent: [],
    ...part,
  };
}

const withProblem = (problem: MediaProblem) =>
  seatView({ devices: { ...seatView().devices, audio: null, video: null, problem } });
const withoutCamera = (problem: MediaProblem) =>
  seatView({ devices: { ...seatView().devices, video: null, cameraProblem: problem } });

const now = Date.now();
const nurse = { name: "Ana Ruiz Torres", title: "Enfermera Especialista en Medicina de Familia", licence: "0000000" };
const call: CallView = {
  accepted_at_ms: now - 255_000,
  started_at_ms: now - 252_000,
  slots: [],
  peer_media: { microphone: true, camera: true, voice_only: false },
  peer_bars: 3,
  sends: null,
  receives: null,
  interruption: null,
  chat: [
    { id: "1", sender: "nurse", text: "Buenos días. ¿Me oye bien?", at_ms: now - 60_000 },
    { id: "2", sender: "patient", text: "Sí, muy bien. Gracias.", at_ms: now - 30_000 },
  ],
};

function patient(part: Partial<PatientSnapshot> = {}, view: Partial<PatientView> = {}): PatientView {
  return {
    screen: "wait",
    snapshot: {
      seq: 1,
      server_time_ms: now,
      state: "in_call",
      name: "Rosa",
      visit: "v",
      generation: 1,
      joined_at_ms: now,
      queue: { position: 3, waiting: 5 },
      nurse,
      leg: null,
      link: null,
      call,
      ended: { reason: "done", at_ms: now },
      ...part,
    },
    local: { link: "up", sessionLost: null, consented: true, declined: false, presence: null },
    attended: nurse,
    lostSinceMs: null,
    busy: null,
    failed: null,
    ...view,
  };
}

const card = {
  name: "María Guadalupe Ortiz Hernández",
  age_years: 34,
  languages: ["es"],
  reason: "Dolor de cabeza desde hace tres días",
};
function staff(part: Partial<StaffSnapshot> = {}): StaffView {
  return {
    screen: "home",
    link: "up",
    sessionLost: null,
    pressed: null,
    failed: null,
    lostSinceMs: null,
    tested: null,
    snapshot: {
      seq: 1,
      server_time_ms: now,
      state: "idle",
      state_since_ms: now - 180_000,
      away_reason: null,
      call_state: null,
      me: nurse,
      generation: 1,
      visit: null,
      offer: null,
      patient: card,
      leg: null,
      call,
      wrapup: null,
      queue: {
        waiting: 3,
        oldest_ms: 370_000,
        entries: [
          { waited_ms: 370_000, languages: ["es"], reason: "Dolor de cabeza, 3 días", suspended: false },
          { waited_ms: 240_000, languages: ["es", "en"], reason: "Duda de medicamento", suspended: false },
          { waited_ms: 120_000, languages: ["es"], reason: "", suspended: true },
        ],
      },
      ...part,
    },
  };
}

const wrapup = {
  visit: "v",
  patient: card,
  duration_ms: 1_560_000,
  until_ms: now + 102_000,
  ended: { reason: "done", at_ms: now } as const,
};
const offer = {
  generation: 1,
  given_name: "María Guadalupe",
  age_years: 34,
  reason: card.reason,
  languages: ["es"],
  waited_ms: 370_000,
  bars: 4,
  link: null,
  rings_until_ms: now + 14_500,
  ring_ms: 20_000,
};

const act = () => undefined;
const seat = new Proxy({}, { get: (_, key) => (key === "devices" || key === "peer" ? seat : act) }) as Seat;
const asPatient = (status: string) =>
  new Proxy(
    {},
    {
      get: (_, key) =>
        key === "status"
          ? status
          : key === "seat"
            ? { ...seat, peer: { state: status === "reconnecting" ? "lost" : "connected" } }
            : act,
    },
  ) as PatientApp;
const asStaff = (status: string) =>
  new Proxy({}, { get: (_, key) => (key === "status" ? status : key === "seat" ? seat : act) }) as StaffApp;
const pc = (
  status: string,
  part: Partial<CallView> = {},
  sv: Partial<SeatView> = {},
  view: Partial<PatientView> = {},
) => <CallScreen app={asPatient(status)} view={patient({ call: { ...call, ...part } }, view)} seat={seatView(sv)} />;
const nv = (view: StaffView, inner: preact.ComponentChildren) => (
  <StaffFrame view={view} seat={seatView()}>
    {inner}
  </StaffFrame>
);
const home = (view: StaffView, sv = seatView()) =>
  nv(view, <HomeScreen app={asStaff("connected")} view={view} seat={sv} />);
const nurseCall = (status: string, part: Partial<CallView> = {}, sv = seatView()) => {
  const view = staff({ state: "busy", call_state: "in_call", call: { ...call, ...part } });
  return nv(view, <NurseCallScreen app={asStaff(status)} view={view} seat={sv} />);
};
const lost = { who: "patient", since_ms: now, until_ms: now + 300_000 } as const;

const screens: Record<string, () => preact.ComponentChildren> = {
  "p-consent": () => <ConsentScreen app={asPatient("connected")} />,
  "p-declined": () => <DeclinedScreen app={asPatient("connected")} />,
  "p-check": () => <CheckScreen app={asPatient("connected")} view={patient()} seat={seatView()} />,
  "p-check-blocked": () => <CheckScreen app={asPatient("connected")} view={patient()} seat={withProblem("blocked")} />,
  "p-check-inapp": () => <CheckScreen app={asPatient("connected")} view={patient()} seat={withProblem("in_app")} />,
  "p-check-nocam": () => <CheckScreen app={asPatient("connected")} view={patient()} seat={withoutCamera("in_use")} />,
  "p-wait": () => <WaitScreen app={asPatient("connected")} view={patient({ state: "waiting" })} seat={seatView()} />,
  "p-call": () => pc("connected"),
  "p-call-muted": () =>
    pc("connected", { peer_media: { microphone: false, camera: false, voice_only: false } }, { micOn: false }),
  "p-call-voice": () =>
    pc(
      "connected",
      { peer_media: { microphone: true, camera: false, voice_only: true } },
      { voiceOnly: true, bars: 1, devices: { ...seatView().devices, video: null } },
    ),
  "p-call-lost": () => pc("reconnecting", {}, { bars: 0, leg: "lost" }, { lostSinceMs: now - 12_000 }),
  "p-call-connecting": () => pc("connecting", { started_at_ms: null }),
  "p-left": () => (
    <LeftScreen
      app={asPatient("connected")}
      view={patient({ call: { ...call, interruption: { ...lost, by_choice: true } } })}
    />
  ),
  "p-after": () => <AfterScreen app={asPatient("ended")} view={patient()} />,
  "p-after-lost": () => (
    <AfterScreen app={asPatient("ended")} view={patient({ ended: { reason: "lost", at_ms: now } })} />
  ),
  "n-home": () => home(staff({ state: "offline" }), withProblem("blocked")),
  "n-idle": () => home(staff()),
  "n-away": () => home(staff({ state: "away", away_reason: "no_answer" })),
  "n-offer": () => {
    const view = staff({ state: "offered", offer });
    return nv(view, [
      <HomeScreen key="h" app={asStaff("x")} view={view} seat={seatView()} />,
      <OfferDialog key="o" app={asStaff("x")} view={view} offer={offer} />,
    ]);
  },
  "n-call": () => nurseCall("connected"),
  "n-call-left": () => nurseCall("reconnecting", { interruption: { ...lost, by_choice: true } }),
  "n-wrapup": () => {
    const view = staff({ state: "wrapup", wrapup });
    return nv(view, <WrapupScreen app={asStaff("ended")} view={view} wrapup={wrapup} />);
  },
};

const name = new URLSearchParams(location.search).get("screen") ?? "";
const host = document.getElementById("app");
if (name.startsWith("n-")) document.documentElement.dataset.role = "staff";
void loadWords().then(() => {
  if (!host) return;
  const screen = screens[name];
  render(
    screen ? (
      screen()
    ) : (
      <ul>
        {Object.keys(screens).map((one) => (
          <li key={one}>
            <a href={`?screen=${one}`}>{one}</a>
          </li>
        ))}
      </ul>
    ),
    host,
  );
});
