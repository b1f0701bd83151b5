import { useState } from "preact/hooks";
import { EndedTag } from "../call/stage.tsx";
import type { Outcome, WrapupView } from "../protocol.ts";
import { Icon } from "../ui/icons.tsx";
import { Note, ScreenTitle } from "../ui/parts.tsx";
import { clockText, useServerNow } from "../ui/time.ts";
import { words } from "../words/index.ts";
import type { StaffApp, StaffView } from "./app.ts";

const OUTCOMES: Outcome[] = ["guidance", "referral", "medical_review", "emergency", "not_completed"];
const DRAFT_KEY = "puente.wrapup";
const MAX_NOTE = 2000;

interface Draft {
  visit: string;
  outcome: Outcome;
  note: string;
}

/** After the visit: what came of it, while no offer rings. What was typed survives a reload. */
export function WrapupScreen({ app, view, wrapup }: { app: StaffApp; view: StaffView; wrapup: WrapupView }) {
  const [draft, setDraft] = useState<Draft>(() => readDraft(wrapup));
  const word = words.staff.wrapup;
  const change = (part: Partial<Draft>) => {
    const next = { ...draft, ...part };
    setDraft(next);
    sessionStorage.setItem(DRAFT_KEY, JSON.stringify(next));
  };
  const saving = view.pressed === "wrapup";
  const save = (available: boolean) => {
    void app.wrapUp(draft.outcome, draft.note, available);
  };
  return (
    <main class="page w48">
      <div class="row wrap closing">
        <div class="grow col tight">
          <EndedTag />
          <ScreenTitle>{word.title}</ScreenTitle>
          <p class="soft s">
            {word.summary(wrapup.patient.name, clockText(wrapup.duration_ms))} · {word.endedBy[wrapup.ended.reason]}
          </p>
        </div>
        <TimeLeft untilMs={wrapup.until_ms} />
        <button type="button" class="btn alt slim" onClick={() => void app.moreTime()} data-testid="wrapup-extend">
          {word.extend}
        </button>
      </div>
      <div class="two wide2">
        <fieldset class="card col tight" aria-labelledby="outcome">
          <h2 id="outcome">{word.outcome}</h2>
          {OUTCOMES.map((outcome) => (
            <label key={outcome} class="pick">
              <input
                type="radio"
                name="outcome"
                value={outcome}
                checked={draft.outcome === outcome}
                onChange={() => change({ outcome })}
              />
              <span>{word.outcomes[outcome]}</span>
            </label>
          ))}
        </fieldset>
        <section class="card col tight">
          <label class="field col tiny">
            <span>{word.note}</span>
            <small class="soft" id="note-help">
              {word.noteHelp}
            </small>
            <textarea
              class="in"
              rows={8}
              maxLength={MAX_NOTE}
              value={draft.note}
              aria-describedby="note-help"
              data-testid="wrapup-note"
              onInput={(event) => change({ note: event.currentTarget.value })}
            />
          </label>
        </section>
      </div>
      {view.failed === "wrapup" && <Note tone="bad" icon="alert" title={word.notSaved} role="alert" />}
      <div class="row wrap">
        <span class="grow" />
        <button
          type="button"
          class="btn quiet"
          disabled={saving}
          onClick={() => save(false)}
          data-testid="wrapup-break"
        >
          {word.saveBreak}
        </button>
        <button type="button" class="btn" disabled={saving} onClick={() => save(true)} data-testid="wrapup-done">
          {saving ? word.saving : word.saveAvailable}
        </button>
      </div>
    </main>
  );
}

function TimeLeft({ untilMs }: { untilMs: number }) {
  const leftMs = untilMs - useServerNow();
  return (
    <span class="tag" data-tone="warn" role="timer" aria-live="off">
      <Icon name="clock" size="s" /> <span class="n">{words.staff.wrapup.left(clockText(leftMs))}</span>
    </span>
  );
}

function readDraft(wrapup: WrapupView): Draft {
  const outcome: Outcome = wrapup.ended.reason === "done" ? "guidance" : "not_completed";
  try {
    const kept = JSON.parse(sessionStorage.getItem(DRAFT_KEY) ?? "null") as Draft | null;
    if (kept?.visit === wrapup.visit) return kept;
  } catch {
    // A draft that cannot be read is no draft.
  }
  return { visit: wrapup.visit, outcome, note: "" };
}
