import { useState } from "preact/hooks";
import { DeviceMenu } from "../call/devicemenu.tsx";
import type { SeatView } from "../call/seat.ts";
import { canSound, chime } from "../media/audio.ts";
import { ProblemHelp } from "../patient/before.tsx";
import type { QueueView, StaffSnapshot, WaitingEntry } from "../protocol.ts";
import { Icon, type IconName } from "../ui/icons.tsx";
import { Dialog, LanguageLink, Note } from "../ui/parts.tsx";
import { useServerNow } from "../ui/time.ts";
import { languageName, words } from "../words/index.ts";
import type { StaffApp, StaffView } from "./app.ts";
import { StateTag } from "./frame.tsx";

/** Between visits: own state, the station, and who waits. Nobody is picked from the line. */
export function HomeScreen({ app, view, seat }: { app: StaffApp; view: StaffView; seat: SeatView }) {
  const { snapshot } = view;
  if (!snapshot) return null;
  return (
    <main class="cols duty">
      <aside class="col">
        {view.link !== "up" && <Note tone="warn" icon="wifioff" title={words.link.trying} role="status" />}
        <Duty app={app} view={view} snapshot={snapshot} />
        <Station app={app} seat={seat} />
      </aside>
      <Queue queue={snapshot.queue} />
    </main>
  );
}

function Duty({ app, view, snapshot }: { app: StaffApp; view: StaffView; snapshot: StaffSnapshot }) {
  const [pausing, setPausing] = useState(false);
  const now = useServerNow(10_000);
  const word = words.staff;
  const { state } = snapshot;
  const ready = state === "idle" || state === "offered";
  const minutes = Math.max(0, Math.floor((now - snapshot.state_since_ms) / 60_000));
  const help = ready ? word.idleText : state === "away" ? word.awayText : word.offlineText;
  const busy = view.pressed === "duty";
  return (
    <section class="card col">
      <h1 class="t3">{word.yourState}</h1>
      {snapshot.away_reason === "no_answer" && (
        <Note tone="warn" icon="bell" title={word.noAnswerTitle} text={word.noAnswerText} role="alert" />
      )}
      <p class="row tight">
        <StateTag state={state} />
        <span class="soft s n end">{words.minutes(minutes)}</span>
      </p>
      <button
        type="button"
        class={ready ? "btn alt big wide" : "btn big wide"}
        aria-pressed={ready}
        disabled={busy}
        data-testid="go-available"
        onClick={() => void app.goAvailable()}
      >
        {ready ? word.state.idle : word.goAvailable}
      </button>
      <p class="s soft">{help}</p>
      {view.failed === "duty" && <Note tone="bad" icon="alert" title={word.notNow} role="alert" />}
      {state !== "offline" && (
        <div class="two">
          <button
            type="button"
            class="btn alt slim"
            onClick={() => setPausing(true)}
            disabled={busy}
            data-testid="go-break"
          >
            <Icon name="pause" size="s" /> {word.break}
          </button>
          <button
            type="button"
            class="btn alt slim"
            onClick={() => void app.offShift()}
            disabled={busy}
            data-testid="off-shift"
          >
            {word.offShift}
          </button>
        </div>
      )}
      {pausing && <PauseDialog app={app} close={() => setPausing(false)} />}
    </section>
  );
}

function PauseDialog({ app, close }: { app: StaffApp; close: () => void }) {
  const [reason, setReason] = useState("");
  const word = words.staff;
  const start = (event: Event) => {
    event.preventDefault();
    void app.pause(reason);
    close();
  };
  return (
    <Dialog label={word.breakTitle} close={close}>
      <h2>{word.breakTitle}</h2>
      <form class="col" onSubmit={start}>
        <label class="field col tiny">
          <span>{word.breakReason}</span>
          <input class="in" maxLength={200} value={reason} onInput={(event) => setReason(event.currentTarget.value)} />
        </label>
        <button class="btn wide" type="submit" data-testid="break-start">
          {word.breakStart}
        </button>
        <button class="btn quiet wide" type="button" onClick={close}>
          {words.cancel}
        </button>
      </form>
    </Dialog>
  );
}

function Station({ app, seat }: { app: StaffApp; seat: SeatView }) {
  const [open, setOpen] = useState(false);
  const [mute, setMute] = useState(false);
  const word = words.staff;
  const { devices } = seat;
  const tryIt = () => {
    app.test(true);
    setOpen(true);
  };
  const done = () => {
    app.test(false);
    setOpen(false);
  };
  const ring = () => {
    chime();
    setTimeout(() => setMute(!canSound()), 200);
  };
  const state = (track: MediaStreamTrack | null, failed: boolean) =>
    track ? "ready" : devices.opening ? "opening" : failed ? "failed" : "untested";
  return (
    <section class="card col tight">
      <div class="row">
        <h2 class="grow">{word.station}</h2>
        <button type="button" class="btn quiet slim" onClick={tryIt} data-testid="station-check">
          {word.test}
        </button>
      </div>
      <div class="list s">
        <div>
          <Icon name="bell" size="s" />
          <span class="grow">{word.sound}</span>
          <button type="button" class="btn quiet slim" onClick={ring} data-testid="test-chime">
            {word.test}
          </button>
        </div>
        <StationLine icon="headset" name={word.mic} state={state(devices.audio, devices.problem !== null)} />
        <StationLine
          icon="cam"
          name={word.camera}
          state={state(devices.video, (devices.problem ?? devices.cameraProblem) !== null)}
        />
      </div>
      {mute && <Note tone="warn" icon="sound" title={word.soundBlocked} role="status" />}
      {devices.problem && <ProblemHelp problem={devices.problem} camera={false} />}
      {!devices.problem && devices.cameraProblem && <ProblemHelp problem={devices.cameraProblem} camera />}
      <p>
        <LanguageLink />
      </p>
      {open && <DeviceMenu seat={app.seat} view={seat} close={done} testSound={chime} preview />}
    </section>
  );
}

type StationState = "ready" | "opening" | "failed" | "untested";

function StationLine({ icon, name, state }: { icon: IconName; name: string; state: StationState }) {
  const word = words.staff;
  const text = state === "ready" && icon === "cam" ? word.readyF : word[state];
  return (
    <div>
      <Icon name={icon} size="s" />
      <span class="grow">{name}</span>
      <span class="tag" data-tone={state === "ready" ? "good" : state === "failed" ? "bad" : ""}>
        {text}
      </span>
    </div>
  );
}

function Queue({ queue }: { queue: QueueView }) {
  const word = words.staff;
  const hidden = queue.waiting - queue.entries.length;
  return (
    <section class="card col" data-testid="queue-now" data-waiting={queue.waiting}>
      <div class="row wrap">
        <h2 class="grow">{word.queueNow}</h2>
        {queue.oldest_ms !== null && (
          <span class="tag" data-tone="warn">
            <span class="n">{word.oldest(Math.floor(queue.oldest_ms / 60_000))}</span>
          </span>
        )}
      </div>
      {queue.waiting === 0 ? (
        <p class="soft">{word.queueEmpty}</p>
      ) : (
        <div class="list s">
          {queue.entries.map((entry, i) => (
            <QueueLine key={`${i}/${entry.reason}`} entry={entry} />
          ))}
          {hidden > 0 && <p class="soft">{word.queueMore(hidden)}</p>}
        </div>
      )}
      <p class="s soft">{word.queueText}</p>
    </section>
  );
}

function QueueLine({ entry }: { entry: WaitingEntry }) {
  const word = words.staff;
  return (
    <div>
      <b class="n nw">{words.minutes(Math.floor(entry.waited_ms / 60_000))}</b>
      <span class="grow quote">
        <b>{entry.reason || word.noReason}</b>
        <br />
        <span class="soft">
          {entry.languages.map(languageName).join(", ")}
          {entry.suspended && ` · ${word.suspended}`}
        </span>
      </span>
    </div>
  );
}
