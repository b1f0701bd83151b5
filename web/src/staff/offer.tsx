import { useEffect, useRef } from "preact/hooks";
import { chime } from "../media/audio.ts";
import type { OfferCard } from "../protocol.ts";
import { Bars } from "../ui/parts.tsx";
import { useServerNow } from "../ui/time.ts";
import { languageName, words } from "../words/index.ts";
import type { StaffApp, StaffView } from "./app.ts";

const CHIME_EVERY_MS = 3_000;
/** Keys pressed this soon were meant for what was there before. */
const KEYS_AFTER_MS = 800;
/** Seconds at which the countdown is told to a screen reader. */
const TOLD_AT = [20, 10, 5];

/** A visit is offered: enough to decide, and a time limit that is seen, heard and told. */
export function OfferDialog({ app, view, offer }: { app: StaffApp; view: StaffView; offer: OfferCard }) {
  const ref = useRef<HTMLDialogElement>(null);
  useRinging(offer);
  useEffect(() => {
    const dialog = ref.current;
    if (dialog && !dialog.open) dialog.showModal();
    dialog?.focus();
    return () => dialog?.close();
  }, []);
  const shownAt = useRef(Date.now());
  const word = words.staff.offer;
  const accepting = view.pressed === "accept";
  const decline = () => void app.decline();
  const onKey = (event: KeyboardEvent) => {
    const early = Date.now() - shownAt.current < KEYS_AFTER_MS;
    if (event.key !== "Enter" && event.key !== " ") return;
    if (early) event.preventDefault();
    // Enter anywhere in the card accepts, except on the button that declines.
    else if (event.key === "Enter" && event.target === ref.current) void app.accept();
  };
  const age = offer.age_years === null ? "" : `, ${words.years(offer.age_years)}`;
  const seconds = Math.round(offer.waited_ms / 1000);
  return (
    <dialog
      ref={ref}
      class="dlg ring"
      role="alertdialog"
      aria-labelledby="offer-who"
      aria-describedby="offer-why"
      tabIndex={-1}
      data-testid="offer-card"
      onKeyDown={onKey}
      onCancel={(event) => {
        event.preventDefault();
        decline();
      }}
    >
      <div class="col">
        <div class="row">
          <span class="grow">
            <span class="soft">{word.title}</span>
            <h1 id="offer-who">
              {offer.given_name}
              {age}
            </h1>
          </span>
          <Countdown offer={offer} />
        </div>
        <h2 class="big quote" id="offer-why">
          {offer.reason || words.staff.noReason}
        </h2>
        <dl class="facts">
          <div>
            <dt>{word.languages}</dt>
            <dd>{offer.languages.map(languageName).join(", ")}</dd>
          </div>
          <div>
            <dt>{word.waited}</dt>
            <dd class="n">{words.minutesSeconds(Math.floor(seconds / 60), seconds % 60)}</dd>
          </div>
          <div>
            <dt>{word.link}</dt>
            <dd class="row tight">
              <ExpectedLink offer={offer} />
            </dd>
          </div>
        </dl>
        <button
          type="button"
          class="btn big wide"
          disabled={accepting}
          onClick={() => void app.accept()}
          data-testid="offer-accept"
        >
          {accepting ? word.accepting : word.accept}
        </button>
        <button type="button" class="btn quiet wide" disabled={accepting} onClick={decline} data-testid="offer-decline">
          {word.decline}
        </button>
        <p class="xs soft mid">{word.keys}</p>
      </div>
    </dialog>
  );
}

/** What the patient's test said in words; before it has ended, the bars. */
function ExpectedLink({ offer }: { offer: OfferCard }) {
  const word = words.staff.offer;
  const verdict = offer.link?.verdict ?? "measuring";
  const bars = offer.bars !== null && <Bars n={offer.bars} />;
  if (verdict !== "measuring") {
    return (
      <>
        {bars}
        <span data-testid="offer-link" data-verdict={verdict}>
          {word.verdict[verdict]}
        </span>
      </>
    );
  }
  if (offer.bars === null) return offer.link ? word.verdict.measuring : word.unknownLink;
  return (
    <>
      {bars} {words.link.words[offer.bars]}
    </>
  );
}

/** Seconds left as a ring and a number; told aloud only now and then. */
function Countdown({ offer }: { offer: OfferCard }) {
  const leftMs = Math.max(0, offer.rings_until_ms - useServerNow(250));
  const left = Math.ceil(leftMs / 1000);
  const told = TOLD_AT.find((n) => left === n);
  const share = Math.min(1, leftMs / Math.max(1, offer.ring_ms));
  return (
    <>
      <svg
        class="ringtime"
        viewBox="0 0 48 48"
        fill="none"
        stroke-width="4"
        role="timer"
        aria-label={words.staff.offer.left(left)}
        data-testid="offer-countdown"
      >
        <circle cx="24" cy="24" r="21" stroke="var(--line)" />
        <circle
          cx="24"
          cy="24"
          r="21"
          stroke="var(--brand)"
          pathLength="1"
          stroke-dasharray={`${share} 1`}
          transform="rotate(-90 24 24)"
        />
        <text x="24" y="30" text-anchor="middle" font-weight="700" fill="var(--ink)">
          {left}
        </text>
      </svg>
      <span class="vh" role="status">
        {told === undefined ? "" : words.staff.offer.left(told)}
      </span>
    </>
  );
}

/** A soft chime every three seconds and, when the page is out of sight, a notification; both end with the offer. */
function useRinging(offer: OfferCard): void {
  const { generation, reason } = offer;
  useEffect(() => {
    chime();
    const timer = setInterval(chime, CHIME_EVERY_MS);
    let shown: Notification | null = null;
    if (document.hidden && "Notification" in window && Notification.permission === "granted") {
      try {
        shown = new Notification(words.staff.offer.title, { tag: `offer-${generation}`, lang: words.lang });
        shown.onclick = () => window.focus();
      } catch {
        // Android shows notifications only from a service worker; the chime rings all the same.
      }
    }
    return () => {
      clearInterval(timer);
      shown?.close();
    };
  }, [generation, reason]);
}
