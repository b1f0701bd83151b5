import { render } from "preact";
import { useState } from "preact/hooks";
import "../styles/puente.css";
import "../styles/product.css";
import { Icon } from "../ui/icons.tsx";
import { Note, type Tone } from "../ui/parts.tsx";
import { loadWords, words } from "../words/index.ts";
import { TestRefused } from "./api.ts";
import { type Result, rowsOf, textOf, type Verdict, verdictOf } from "./result.ts";
import { type Progress, runTest } from "./run.ts";

type State =
  | { at: "ready" }
  | { at: "running"; progress: Progress }
  | { at: "done"; result: Result; when: Date }
  | { at: "refused"; code: "busy" | "offline" };

const TONES: Record<Verdict, Tone> = { video: "good", voice: "warn", phone: "bad", unknown: "warn", no_way: "bad" };

function Page() {
  const [state, setState] = useState<State>({ at: "ready" });
  const word = words.linktest;
  const run = async () => {
    setState({ at: "running", progress: { part: "ways" } });
    try {
      const result = await runTest((progress) => setState({ at: "running", progress }));
      setState({ at: "done", result, when: new Date() });
    } catch (error) {
      setState({ at: "refused", code: error instanceof TestRefused ? error.code : "offline" });
    }
  };
  return (
    <>
      <header class="bar">
        <span class="mark">
          <Icon name="bridge" /> {words.app}
        </span>
      </header>
      <main class="page" data-testid="linktest">
        <h1>{word.title}</h1>
        <p class="soft">{word.text}</p>
        {state.at === "running" && (
          <p role="status" data-testid="linktest-progress">
            {progressText(state.progress)}
          </p>
        )}
        {state.at === "refused" && <Note tone="warn" icon="alert" title={word.refused[state.code]} role="alert" />}
        {state.at === "done" && <Found result={state.result} when={state.when} />}
      </main>
      <div class="dock">
        <button
          type="button"
          class="btn wide"
          disabled={state.at === "running"}
          onClick={() => void run()}
          data-testid="linktest-start"
        >
          {state.at === "done" || state.at === "refused" ? word.again : word.start}
        </button>
      </div>
    </>
  );
}

function progressText(progress: Progress): string {
  const word = words.linktest.progress;
  if (progress.part === "measuring") return word.measuring(Math.ceil(progress.leftMs / 1000));
  return word[progress.part];
}

function Found({ result, when }: { result: Result; when: Date }) {
  const [copied, setCopied] = useState(false);
  const word = words.linktest;
  const verdict = verdictOf(result);
  const text = textOf(result, word, location.host, when);
  const copy = () => {
    // Without the clipboard (plain http, an old browser) the text below can be marked and copied by hand.
    void navigator.clipboard?.writeText(text).then(
      () => setCopied(true),
      () => undefined,
    );
  };
  return (
    <>
      <Note
        tone={TONES[verdict]}
        icon={verdict === "video" ? "ok" : "alert"}
        title={word.verdict[verdict]}
        role="status"
        testid="linktest-verdict"
      />
      <ul class="list" data-testid="linktest-rows">
        {rowsOf(result, word).map(([name, value]) => (
          <li key={name}>
            <span class="grow s soft">{name}</span>
            <b class="n">{value}</b>
          </li>
        ))}
      </ul>
      <label class="field col tiny">
        <span>{word.asText}</span>
        <textarea class="in s" rows={5} readOnly value={text} data-testid="linktest-text" />
      </label>
      <button type="button" class="btn alt slim fit" onClick={copy}>
        {copied ? word.copied : word.copy}
      </button>
    </>
  );
}

async function main(host: HTMLElement): Promise<void> {
  await loadWords().catch(() => undefined); // Without the other catalogue the page speaks Spanish.
  document.title = words.linktest.title;
  host.replaceChildren();
  render(<Page />, host);
}

const host = document.getElementById("app");
if (host) void main(host);
