import { useEffect, useState } from "preact/hooks";
import { DeviceMenu, Meter, useLevel } from "../call/devicemenu.tsx";
import { TrackVideo } from "../call/media.tsx";
import type { SeatView } from "../call/seat.ts";
import { testTone } from "../media/audio.ts";
import type { DevicesView, MediaProblem } from "../media/devices.ts";
import { Icon, type IconName } from "../ui/icons.tsx";
import { LanguageLink, Note, ScreenTitle, Steps } from "../ui/parts.tsx";
import { words } from "../words/index.ts";
import type { PatientApp, PatientView } from "./app.ts";
import { Frame } from "./frame.tsx";

const STEPS = 3;

/** The notice. Accepting is one press; the full text is one press away; refusing leads to a calm page. */
export function ConsentScreen({ app }: { app: PatientApp }) {
  const word = words.consent;
  const points: [IconName, string][] = [
    ["cam", word.points.remote],
    ["phone", word.points.emergency],
    ["eye", word.points.recorded],
    ["doc", word.points.record],
    ["pin", word.points.scope],
    ["shield", word.points.stop],
  ];
  const dock = (
    <div class="col tight">
      <p class="s">{word.agree}</p>
      <div class="row tight">
        <button type="button" class="btn quiet" onClick={() => app.decline()} data-testid="consent-decline">
          {word.decline}
        </button>
        <button type="button" class="btn grow" onClick={() => app.accept()} data-testid="consent-accept">
          {word.accept}
        </button>
      </div>
    </div>
  );
  return (
    <Frame dock={dock}>
      <Steps n={1} of={STEPS} />
      <ScreenTitle>{word.title}</ScreenTitle>
      <ul class="col tight bul">
        {points.map(([icon, text]) => (
          <li key={icon}>
            <Icon name={icon} /> <span>{text === word.points.recorded ? <b>{text}</b> : text}</span>
          </li>
        ))}
      </ul>
      <details>
        <summary>{word.more}</summary>
        <div class="col tight s soft">
          {word.full.map((line) => (
            <p key={line}>{line}</p>
          ))}
        </div>
      </details>
      <p>
        <LanguageLink />
      </p>
    </Frame>
  );
}

/** Refusing is respected and ends nothing but this page's wish. */
export function DeclinedScreen({ app }: { app: PatientApp }) {
  const word = words.consent;
  const dock = (
    <button type="button" class="btn alt wide" onClick={() => app.readAgain()}>
      {word.readAgain}
    </button>
  );
  return (
    <Frame dock={dock}>
      <ScreenTitle>{word.declinedTitle}</ScreenTitle>
      <p>{word.declinedText}</p>
      <p class="soft">{word.declinedNext}</p>
    </Frame>
  );
}

/** How long the server takes to answer, ms; null while unknown. The path of the call itself is measured in the line. */
function useServerDelay(): number | null {
  const [delay, setDelay] = useState<number | null>(null);
  useEffect(() => {
    let gone = false;
    const measure = async () => {
      const tries: number[] = [];
      for (let i = 0; i < 3; i++) {
        const from = performance.now();
        await fetch("/healthz", { cache: "no-store" });
        tries.push(performance.now() - from);
      }
      if (!gone) setDelay(Math.min(...tries));
    };
    measure().catch(() => undefined);
    return () => {
      gone = true;
    };
  }, []);
  return delay;
}

/** Above this the voice still comes through, and a picture hardly. */
const SLOW_MS = 1_200;

/** Camera and microphone: seen, heard, or why not and what to do. */
export function CheckScreen({ app, view, seat }: { app: PatientApp; view: PatientView; seat: SeatView }) {
  const [reason, setReason] = useState("");
  const [menu, setMenu] = useState(false);
  const { devices } = seat;
  const { level, heard } = useLevel(devices.audio);
  const slow = (useServerDelay() ?? 0) > SLOW_MS;
  const word = words.check;
  const enter = () => void app.enter(reason);
  const ready = devices.audio !== null;
  return (
    <Frame testid="device-check" dock={<CheckDock app={app} view={view} seat={seat} enter={enter} slow={slow} />}>
      <Steps n={2} of={STEPS} />
      <ScreenTitle>{word.title}</ScreenTitle>
      {ready && (
        <div class={devices.video ? "stage prev" : "stage bare"} data-mode="dark">
          {devices.video && <TrackVideo track={devices.video} mirrored label={words.call.self} />}
          <span class="over tag-float row tight">
            <span class="tag" data-tone={heard ? "good" : "brand"}>
              <Icon name="mic" size="s" /> <span role="status">{heard ? word.heard : word.speak}</span>
            </span>
            <Meter level={level} />
          </span>
        </div>
      )}
      <Verdict devices={devices} voiceOnly={seat.voiceOnly} slow={slow} />
      {view.failed === "join" && <Note tone="bad" icon="alert" title={word.tryAgainLater} role="alert" />}
      {ready && (
        <>
          <label class="field col tiny">
            <span>{words.reason.label}</span>
            <input
              class="in"
              maxLength={200}
              value={reason}
              aria-describedby="reason-help"
              data-testid="visit-reason"
              autoComplete="off"
              onInput={(event) => setReason(event.currentTarget.value)}
            />
            <small class="soft" id="reason-help">
              {words.reason.help}
            </small>
          </label>
          <SoundTest change={() => setMenu(true)} />
        </>
      )}
      <p>
        <LanguageLink />
      </p>
      {menu && <DeviceMenu seat={app.seat} view={seat} close={() => setMenu(false)} testSound={testTone} />}
    </Frame>
  );
}

function SoundTest({ change }: { change: () => void }) {
  const [played, setPlayed] = useState(false);
  const play = () => {
    testTone();
    setPlayed(true);
  };
  return (
    <div class="col tight">
      <div class="two">
        <button type="button" class="btn alt slim" onClick={play}>
          <Icon name="sound" /> {words.check.sound}
        </button>
        <button type="button" class="btn alt slim" onClick={change}>
          <Icon name="gear" /> {words.check.change}
        </button>
      </div>
      {played && (
        <p class="s soft" role="status">
          {words.check.soundHelp}
        </p>
      )}
    </div>
  );
}

function Verdict({ devices, voiceOnly, slow }: { devices: DevicesView; voiceOnly: boolean; slow: boolean }) {
  const word = words.check;
  if (devices.opening && !devices.audio) {
    return <Note tone="brand" icon="cam" title={word.asking} text={word.askingHelp} role="status" />;
  }
  if (!devices.audio) return <ProblemHelp problem={devices.problem ?? "unknown"} camera={false} />;
  if (devices.cameraProblem && !voiceOnly) return <ProblemHelp problem={devices.cameraProblem} camera />;
  if (slow)
    return (
      <Note tone="warn" icon="wifi" title={word.slowTitle} text={word.slowText} role="status" testid="link-quality" />
    );
  const voice = devices.video === null;
  const title = voice ? word.voiceTitle : word.goodTitle;
  const text = `${voice ? word.voiceText : word.goodText} ${word.private}`;
  return <Note tone="good" icon="ok" title={title} text={text} role="status" testid="link-quality" />;
}

/** Why a camera or microphone cannot be used, and what to do about it, in steps. */
export function ProblemHelp({ problem, camera }: { problem: MediaProblem; camera: boolean }) {
  const word = words.problem;
  const { text, steps } = word[problem];
  const blocked = word.blocked;
  const general = camera ? word.camera : word.both;
  const title = problem === "blocked" ? (camera ? blocked.cameraTitle : blocked.title) : general;
  return (
    <>
      <Note
        tone="warn"
        icon={camera ? "camoff" : "micoff"}
        title={title}
        text={camera ? `${text} ${words.check.noCamera}` : text}
        role="alert"
        testid="device-problem"
      />
      <ol class="col tight">
        {steps.map((step, i) => (
          <li key={step} class="row top">
            <b class="n">{i + 1}.</b> <p class="grow">{step}</p>
          </li>
        ))}
      </ol>
    </>
  );
}

function CheckDock(props: { app: PatientApp; view: PatientView; seat: SeatView; enter: () => void; slow: boolean }) {
  const { app, view, seat, enter } = props;
  const { devices } = seat;
  const word = words.check;
  const joining = view.busy === "join";
  const voice = () => {
    app.seat.chooseVoiceOnly(true);
    void app.seat.prepare();
  };
  const video = () => {
    app.seat.chooseVoiceOnly(false);
    void app.seat.prepare();
  };
  if (!devices.audio) {
    if (devices.opening) return null;
    return (
      <div class="col tight">
        <div class="row tight">
          {!seat.voiceOnly && (
            <button type="button" class="btn alt slim" onClick={voice}>
              {word.voiceOnly}
            </button>
          )}
          <button type="button" class="btn grow" onClick={video} data-testid="device-retry">
            {word.again}
          </button>
        </div>
        <button
          type="button"
          class="btn quiet wide"
          onClick={enter}
          disabled={joining}
          data-testid="enter-waiting-room"
          aria-describedby="silent-help"
        >
          {joining ? word.entering : word.enterSilent}
        </button>
        <p class="s soft mid" id="silent-help">
          {word.silentHelp}
        </p>
      </div>
    );
  }
  return (
    <div class="row tight">
      {devices.video ? (
        <button type="button" class="btn alt slim" onClick={voice} data-testid="check-voice-only">
          {word.voiceOnly}
        </button>
      ) : (
        <button type="button" class="btn alt slim" onClick={video} disabled={devices.opening}>
          {devices.cameraProblem ? word.again : word.withVideo}
        </button>
      )}
      <button type="button" class="btn grow slim" onClick={enter} disabled={joining} data-testid="enter-waiting-room">
        {joining ? word.entering : devices.video ? word.enter : word.enterVoice}
      </button>
    </div>
  );
}
