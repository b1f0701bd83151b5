import { render } from "preact";
import { useEffect } from "preact/hooks";
import "../styles/puente.css";
import "../styles/product.css";
import { ScreenTitle } from "../ui/parts.tsx";
import { loadWords, words } from "../words/index.ts";
import { StaffApp, titleOf } from "./app.ts";
import { NurseCallScreen } from "./call.tsx";
import { StaffFrame } from "./frame.tsx";
import { HomeScreen } from "./home.tsx";
import { OfferDialog } from "./offer.tsx";
import { WrapupScreen } from "./wrapup.tsx";

function Root({ app }: { app: StaffApp }) {
  const { view } = app;
  const seat = app.seat.view;
  const title = titleOf(view.snapshot);
  useEffect(() => {
    document.title = title;
  }, [title]);
  const offer = view.snapshot?.state === "offered" ? view.snapshot.offer : null;
  return (
    <StaffFrame view={view} seat={seat}>
      <Screen app={app} />
      {offer && view.screen === "home" && <OfferDialog key={offer.generation} app={app} view={view} offer={offer} />}
    </StaffFrame>
  );
}

function Screen({ app }: { app: StaffApp }) {
  const { view } = app;
  const seat = app.seat.view;
  switch (view.screen) {
    case "loading":
      return <Message title={words.loading} />;
    case "lost":
      return <Message title={words.staff.lost.title} text={words.staff.lost.text} />;
    case "replaced":
      return <Message title={words.replaced.title} text={words.replaced.text} press={() => app.continueHere()} />;
    case "call":
      return <NurseCallScreen app={app} view={view} seat={seat} />;
    case "wrapup":
      return view.snapshot?.wrapup ? <WrapupScreen app={app} view={view} wrapup={view.snapshot.wrapup} /> : null;
    case "home":
      return <HomeScreen app={app} view={view} seat={seat} />;
  }
}

function Message({ title, text, press }: { title: string; text?: string; press?: () => void }) {
  return (
    <main class="page">
      <ScreenTitle>{title}</ScreenTitle>
      {text && <p>{text}</p>}
      {press && (
        <button type="button" class="btn" onClick={press} data-testid="continue-here">
          {words.replaced.here}
        </button>
      )}
    </main>
  );
}

async function main(host: HTMLElement): Promise<void> {
  await loadWords().catch(() => undefined); // Without the other catalogue the page speaks Spanish.
  host.replaceChildren();
  const app = new StaffApp(() => render(<Root app={app} />, host));
  render(<Root app={app} />, host);
  await app.start();
}

const host = document.getElementById("app");
if (host) void main(host);
