import { EndedTag } from "../call/stage.tsx";
import { EmergencyNote } from "../ui/emergency.tsx";
import { Icon } from "../ui/icons.tsx";
import { Note, ScreenTitle } from "../ui/parts.tsx";
import { dateText, hourText } from "../ui/time.ts";
import { words } from "../words/index.ts";
import type { PatientApp, PatientView } from "./app.ts";
import { Frame } from "./frame.tsx";

/** After *Salir*: the visit is open, the nurse waits, one press leads back. */
export function LeftScreen({ app, view }: { app: PatientApp; view: PatientView }) {
  const word = words.left;
  const name = view.snapshot?.nurse?.name ?? words.wait.nursing;
  const untilMs = view.snapshot?.call?.interruption?.until_ms;
  const dock = (
    <div class="col tight">
      <button type="button" class="btn wide" onClick={() => void app.rejoin()} data-testid="rejoin">
        {words.call.rejoin}
      </button>
      <button type="button" class="btn quiet wide" onClick={() => void app.leave()} data-testid="leave-for-good">
        {word.done}
      </button>
    </div>
  );
  return (
    <Frame dock={dock}>
      <ScreenTitle>{word.title}</ScreenTitle>
      <p>{word.waits(name)}</p>
      {untilMs !== undefined && (
        <Note tone="brand" icon="clock" title={word.until(words.hour(hourText(untilMs, words.lang)))} />
      )}
      <p class="s soft">{word.onlyNurse}</p>
    </Frame>
  );
}

/** The end: that it ended and why, who attended, what is next in neutral words. */
export function AfterScreen({ app, view }: { app: PatientApp; view: PatientView }) {
  const { snapshot } = view;
  const word = words.after;
  const reason = snapshot?.ended?.reason ?? "done";
  const nurse = view.attended;
  const fromQueue = reason !== "done" && nurse === null;
  const title =
    reason === "done"
      ? word.doneTitle
      : reason === "lost"
        ? word.lostTitle
        : fromQueue
          ? word.queueTitle
          : word.leftTitle;
  const text =
    reason === "lost" ? word.lostText : reason === "left" ? (fromQueue ? word.queueText : word.leftText) : null;
  const attended =
    nurse && word.attended(nurse.licence ? `${nurse.name}, ${words.call.licence(nurse.licence)}` : nurse.name);
  const when = snapshot?.ended ? dateText(snapshot.ended.at_ms, words.lang) : null;
  const dock = reason !== "done" && (
    <button
      type="button"
      class="btn wide"
      onClick={() => void app.enter("")}
      disabled={view.busy === "join"}
      data-testid="enter-again"
    >
      {view.busy === "join" ? words.check.entering : word.enterAgain}
    </button>
  );
  return (
    <Frame dock={dock}>
      <div class="col tight">
        <EndedTag />
        <ScreenTitle>{title}</ScreenTitle>
        <p class="soft s">{[when, attended].filter(Boolean).join(" · ")}</p>
      </div>
      {text && <p>{text}</p>}
      <section class="card col tight">
        <h2>{word.next}</h2>
        <ul class="col tight bul">
          {nurse && <Point text={word.follow} />}
          {reason === "done" && <Point text={word.again} />}
          <Point text={word.closeWindow} />
        </ul>
      </section>
      <EmergencyNote />
    </Frame>
  );
}

function Point({ text }: { text: string }) {
  return (
    <li>
      <Icon name="ok" /> <span>{text}</span>
    </li>
  );
}
