// Every screen with invented data, for looking at: `npx vite`, then /dev/gallery.html?screen=NAME. Not in the product.
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import "../src/styles/puente.css";
import "../src/styles/product.css";
import { DeviceMenu } from "../src/call/devicemenu.tsx";
import type { Seat, SeatView } from "../src/call/seat.ts";
import type { MediaProblem } from "../src/media/devices.ts";
import { AfterScreen, LeftScreen } from "../src/patient/after.tsx";
import type { PatientApp, PatientView } from "../src/patient/app.ts";
import { CheckScreen, ConsentScreen, DeclinedScreen } from "../src/patient/before.tsx";
import { CallScreen } from "../src/patient/call.tsx";
import { WaitScreen } from "../src/patient/wait.tsx";
import type { CallView, LimitsView, LinkTestView, PatientSnapshot, StaffSnapshot, Verdict } from "../src/protocol.ts";
import type { StaffApp, StaffView } from "../src/staff/app.ts";
import { NurseCallScreen } from "../src/staff/call.tsx";
import { StaffFrame } from "../src/staff/frame.tsx";
import { HomeScreen } from "../src/staff/home.tsx";
import { OfferDialog } from "../src/staff/offer.tsx";
import { WrapupScreen } from "../src/staff/wrapup.tsx";
import type { ReceivedStill } from "../src/still/receiver.ts";
import type { StillsView } from "../src/still/stills.ts";
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
  stills: [],
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
      link: null,
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

const limits = (rung: number, part: Partial<LimitsView> = {}): LimitsView => ({
  rung,
  why: "clear",
  whose: "none",
  audio: { frame_ms: 60, bitrate_bps: 16_000, red: false, dtx: true },
  video: null,
  stills_bps: 12_000,
  since_ms: now,
  ...part,
});
const tested = (verdict: Verdict): LinkTestView => ({
  verdict,
  up_bps: 90_000,
  down_bps: 200_000,
  rtt_ms: 400,
  loss: 0.02,
});

/** A page of writing, as a photograph of one would be. */
function paper(): string {
  const canvas = document.createElement("canvas");
  canvas.width = 800;
  canvas.height = 600;
  const pen = canvas.getContext("2d");
  if (pen) {
    pen.fillStyle = "#7d8a7f";
    pen.fillRect(0, 0, 800, 600);
    pen.fillStyle = "#f4f1e8";
    pen.fillRect(180, 30, 440, 560);
    pen.fillStyle = "#333";
    pen.font = "22px serif";
    for (let i = 0; i < 18; i++) pen.fillText("Tomar una tableta cada ocho horas", 215, 80 + i * 28);
  }
  return canvas.toDataURL("image/jpeg");
}

const photo = paper();
const received: ReceivedStill[] = [
  { id: "coming", kind: "view", width: 480, height: 270, atMs: now, share: 0.42, url: null },
  { id: "view", kind: "view", width: 480, height: 270, atMs: now - 6_000, share: 1, url: photo },
  { id: "doc", kind: "document", width: 1280, height: 960, atMs: now - 75_000, share: 1, url: photo },
];
const noStills: StillsView = { received: [], waiting: false, prompt: null, word: null, sending: null };
let stills: StillsView = noStills;

const act = () => undefined;
const seat = new Proxy({}, { get: (_, key) => (key === "devices" || key === "peer" ? seat : act) }) as Seat;
const asPatient = (status: string) =>
  new Proxy(
    {},
    {
      get: (_, key) =>
        key === "status"
          ? status
          : key === "stills"
            ? { view: stills }
            : key === "seat"
              ? { ...seat, peer: { state: status === "reconnecting" ? "lost" : "connected" } }
              : act,
    },
  ) as PatientApp;
const asStaff = (status: string) =>
  new Proxy(
    {},
    {
      get: (_, key) => (key === "status" ? status : key === "seat" ? seat : key === "stills" ? { view: stills } : act),
    },
  ) as StaffApp;
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
  const view = {
    ...staff({ state: "busy", call_state: "in_call", call: { ...call, ...part } }),
    tested: tested("voice"),
  };
  return nv(view, <NurseCallScreen app={asStaff(status)} view={view} seat={sv} />);
};
const lost = { who: "patient", since_ms: now, until_ms: now + 300_000 } as const;

/** First one, then the other, as when the link changes. */
function Changing({ first, then }: { first: preact.ComponentChildren; then: preact.ComponentChildren }) {
  const [changed, setChanged] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setChanged(true), 500);
    return () => clearTimeout(timer);
  }, []);
  return <>{changed ? then : first}</>;
}
const withStills = (part: Partial<StillsView>, draw: () => preact.ComponentChildren) => () => {
  stills = { ...noStills, ...part };
  return draw();
};
const waiting = (part: Partial<SeatView>, queue = { position: 3, waiting: 5 }) => (
  <WaitScreen app={asPatient("connected")} view={patient({ state: "waiting", queue })} seat={seatView(part)} />
);
const full = { sends: limits(5), receives: limits(5), usedBytes: 12_400_000, bytesPerMinute: 3_900_000 };
const onStills = {
  bars: 2,
  sends: limits(2, { why: "rate", whose: "own" }),
  receives: limits(2, { why: "rate", whose: "own" }),
  usedBytes: 2_400_000,
  bytesPerMinute: 300_000,
};
const stillsForNurse = { ...onStills, sends: limits(2, { why: "rate", whose: "other" }), receives: limits(2) };

const screens: Record<string, () => preact.ComponentChildren> = {
  "p-wait-testing": () => waiting({ testing: true }),
  "p-wait-video": () => waiting({ linkTest: tested("video") }),
  "p-wait-voice": () =>
    waiting({ linkTest: tested("voice"), voiceOnly: true, devices: { ...seatView().devices, video: null } }),
  "p-wait-phone": () => waiting({ linkTest: tested("phone"), bars: 1 }),
  "p-call-small": () => (
    <Changing
      first={pc("connected", {}, full)}
      then={pc("connected", {}, { ...full, bars: 2, receives: limits(4, { why: "rate", whose: "own" }) })}
    />
  ),
  "p-call-stills": withStills({ received }, () => (
    <Changing first={pc("connected", {}, full)} then={pc("connected", {}, onStills)} />
  )),
  "p-call-first-still": withStills({}, () => pc("connected", {}, onStills)),
  "p-call-link-voice": () => (
    <Changing
      first={pc("connected", {}, full)}
      then={pc(
        "connected",
        {},
        { ...full, bars: 1, sends: limits(1, { why: "loss" }), receives: limits(1, { why: "loss" }) },
      )}
    />
  ),
  "p-call-deferred": () => pc("connected", {}, { bars: 0, sends: limits(0), receives: limits(0) }),
  "p-call-sending": withStills({ sending: 0.37, word: { key: "sending", atMs: now } }, () => pc("connected", {}, full)),
  "p-photo": withStills({ prompt: { step: "count", track: video, own: false } }, () => pc("connected", {}, full)),
  "p-photo-ask": withStills({ prompt: { step: "ask" } }, () => pc("connected", {}, full)),
  "p-data": () => <DeviceMenu seat={seat} view={seatView(full)} close={act} testSound={act} data />,
  "n-offer-voice": () => {
    const view = staff({ state: "offered", offer: { ...offer, link: tested("voice") } });
    return nv(view, [
      <HomeScreen key="h" app={asStaff("x")} view={view} seat={seatView()} />,
      <OfferDialog key="o" app={asStaff("x")} view={view} offer={{ ...offer, bars: 2, link: tested("voice") }} />,
    ]);
  },
  "n-call-stills": withStills({ received }, () => (
    <Changing
      first={nurseCall("connected", {}, seatView(full))}
      then={nurseCall("connected", {}, seatView(stillsForNurse))}
    />
  )),
  "n-call-asked": withStills({ received, waiting: true, word: { key: "asked", atMs: now } }, () =>
    nurseCall("connected", {}, seatView(full)),
  ),
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
