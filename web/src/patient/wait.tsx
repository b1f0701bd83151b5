import { useState } from "preact/hooks";
import type { SeatView } from "../call/seat.ts";
import { EmergencyNote } from "../ui/emergency.tsx";
import { Icon } from "../ui/icons.tsx";
import { Bars, Dialog, Note, ScreenTitle } from "../ui/parts.tsx";
import { words } from "../words/index.ts";
import type { PatientApp, PatientView } from "./app.ts";
import { Frame } from "./frame.tsx";

/** The line: one's place, that nobody looks yet, what the link allows, and the way out. */
export function WaitScreen({ app, view, seat }: { app: PatientApp; view: PatientView; seat: SeatView }) {
  const [asking, setAsking] = useState(false);
  const word = words.wait;
  const position = view.snapshot?.queue?.position ?? 1;
  const trying = view.local.link === "trying";
  const offered = view.snapshot?.state === "offered";
  return (
    <Frame>
      <div class="row wrap tight">
        <ScreenTitle>{word.title}</ScreenTitle>
        <LinkNow seat={seat} trying={trying} />
      </div>
      {trying && <Note tone="warn" icon="wifioff" title={words.link.trying} text={word.keeps} role="status" />}
      <section class="card col tight" aria-live="polite">
        <Way ahead={position - 1} />
        <p>
          <span class="soft s">{word.place}</span>
          <br />
          <b class="big n" data-testid="queue-position">
            {position}
          </b>
        </p>
        <p>
          {offered ? word.offered : word.ahead(position - 1)} {word.soon}
        </p>
      </section>
      <LinkTest app={app} seat={seat} />
      {seat.devices.audio && <VoiceChoice app={app} seat={seat} />}
      <Note
        tone="brand"
        icon="eye"
        title={word.privacyTitle}
        text={seat.devices.video ? word.privacyText : word.privacyVoice}
      />
      <EmergencyNote />
      <p>
        <button type="button" class="btn quiet slim" onClick={() => setAsking(true)} data-testid="leave-queue">
          {word.leave}
        </button>
      </p>
      {asking && (
        <Dialog label={word.leaveTitle} close={() => setAsking(false)}>
          <h2>{word.leaveTitle}</h2>
          <p>{word.leaveText}</p>
          <button type="button" class="btn wide" onClick={() => setAsking(false)}>
            {word.stay}
          </button>
          <button
            type="button"
            class="btn quiet wide"
            onClick={() => void app.leave()}
            data-testid="leave-queue-confirm"
          >
            {word.leave}
          </button>
        </Dialog>
      )}
    </Frame>
  );
}

/** What the link will carry, measured over the way of the call itself: while it lasts it can be skipped. */
function LinkTest({ app, seat }: { app: PatientApp; seat: SeatView }) {
  const word = words.link.test;
  const verdict = seat.linkTest?.verdict ?? "measuring";
  if (verdict === "measuring" && !seat.testing) return null;
  return (
    <section
      class="note"
      data-tone={verdict === "measuring" ? "brand" : verdict === "video" ? "good" : "warn"}
      role="status"
      data-testid="link-verdict"
      data-verdict={verdict}
    >
      <Icon name={verdict === "measuring" ? "wifi" : verdict === "video" ? "ok" : "wifi"} />
      <div class="grow col tiny">
        <p>
          <b>{verdict === "measuring" ? word.testing : word[verdict]}</b>
          <br />
          <span class="s">{verdict === "measuring" ? word.testingText : word[`${verdict}Text`]}</span>
        </p>
        {verdict === "measuring" && (
          <button type="button" class="btn alt slim fit" onClick={() => app.seat.skipTest()} data-testid="skip-test">
            {word.skip}
          </button>
        )}
      </div>
    </section>
  );
}

/** Voice only, or the camera after all, before the visit begins. */
function VoiceChoice({ app, seat }: { app: PatientApp; seat: SeatView }) {
  const word = words.wait;
  return (
    <div class="row wrap tight">
      {seat.voiceOnly && <p class="s soft grow">{word.voiceChosen}</p>}
      <button
        type="button"
        class="btn alt slim"
        disabled={seat.devices.opening}
        onClick={() => void app.seat.toggleVoiceOnly()}
        aria-pressed={seat.voiceOnly}
        data-testid="voice-only"
      >
        <Icon name={seat.voiceOnly ? "cam" : "sound"} /> {seat.voiceOnly ? word.useVideo : word.useVoice}
      </button>
    </div>
  );
}

function LinkNow({ seat, trying }: { seat: SeatView; trying: boolean }) {
  const measuring = seat.leg === "connecting" || seat.leg === "none";
  const n = trying ? 0 : seat.bars;
  return (
    <span class="row tight s soft end" data-testid="link-quality" data-bars={n}>
      <Bars n={n} /> {measuring && !trying ? words.link.measuring : words.link.words[n]}
    </span>
  );
}

/** The bridge from here to nursing; each step of the line moves the dot on. */
function Way({ ahead }: { ahead: number }) {
  // Quarters of the arc: three or more people ahead stand at the first.
  const x = [252, 198, 134, 76][Math.min(ahead, 3)] ?? 76;
  const t = (x - 12) / 296;
  const y = 82 * (1 - t) ** 2 - 56 * t * (1 - t) + 82 * t ** 2;
  return (
    <svg class="way" viewBox="0 0 320 112" aria-hidden="true" stroke-width="4" fill="none">
      <path d="M12 82Q160-28 308 82" stroke="var(--line)" />
      <path d="M12 82Q160-28 308 82" stroke="var(--brand)" pathLength="1" stroke-dasharray={`${t} 1`} />
      <circle cx={x} cy={y} r="10" fill="var(--brand)" />
      <circle cx="308" cy="82" r="6" fill="var(--brand)" />
      <g fill="var(--soft)" class="waytext">
        <text x={x} y={y + 30} text-anchor="middle">
          {words.wait.you}
        </text>
        <text x="318" y="107" text-anchor="end">
          {words.wait.nursing}
        </text>
      </g>
    </svg>
  );
}
