import { render } from "preact";
import "../styles/puente.css";
import "../styles/product.css";
import { EmergencyNote } from "../ui/emergency.tsx";
import { ScreenTitle } from "../ui/parts.tsx";
import { loadWords, words } from "../words/index.ts";
import { AfterScreen, LeftScreen } from "./after.tsx";
import { PatientApp } from "./app.ts";
import { CheckScreen, ConsentScreen, DeclinedScreen } from "./before.tsx";
import { CallScreen } from "./call.tsx";
import { Frame } from "./frame.tsx";
import { WaitScreen } from "./wait.tsx";

function Root({ app }: { app: PatientApp }) {
  const { view } = app;
  switch (view.screen) {
    case "loading":
      return (
        <Frame>
          <p role="status">{words.loading}</p>
          <EmergencyNote />
        </Frame>
      );
    case "lost":
      return <LostScreen code={view.local.sessionLost ?? "other"} />;
    case "replaced":
      return <ReplacedScreen app={app} />;
    case "consent":
      return <ConsentScreen app={app} />;
    case "declined":
      return <DeclinedScreen app={app} />;
    case "check":
      return <CheckScreen app={app} view={view} seat={app.seat.view} />;
    case "wait":
      return <WaitScreen app={app} view={view} seat={app.seat.view} />;
    case "call":
      return <CallScreen app={app} view={view} seat={app.seat.view} />;
    case "left":
      return <LeftScreen app={app} view={view} />;
    case "after":
      return <AfterScreen app={app} view={view} />;
  }
}

function LostScreen({ code }: { code: string }) {
  const word = words.lost;
  const none = code === "no_link";
  return (
    <Frame>
      <ScreenTitle>{none ? word.noLinkTitle : word.title}</ScreenTitle>
      <p>{none ? word.noLinkText : `${word.text} ${word.next}`}</p>
      <EmergencyNote />
    </Frame>
  );
}

function ReplacedScreen({ app }: { app: PatientApp }) {
  const word = words.replaced;
  const dock = (
    <button type="button" class="btn wide" onClick={() => app.continueHere()} data-testid="continue-here">
      {word.here}
    </button>
  );
  return (
    <Frame dock={dock}>
      <ScreenTitle>{word.title}</ScreenTitle>
      <p>{word.text}</p>
    </Frame>
  );
}

async function main(host: HTMLElement): Promise<void> {
  await loadWords().catch(() => undefined); // Without the other catalogue the page speaks Spanish.
  host.replaceChildren();
  const app = new PatientApp(() => render(<Root app={app} />, host));
  render(<Root app={app} />, host);
  await app.start();
}

const host = document.getElementById("app");
if (host) void main(host);
