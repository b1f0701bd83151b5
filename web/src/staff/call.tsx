import { useState } from "preact/hooks";
import { Chat } from "../call/chat.tsx";
import { Control, Controls } from "../call/controls.tsx";
import { DeviceMenu } from "../call/devicemenu.tsx";
import { linkBars } from "../call/notice.ts";
import type { SeatView } from "../call/seat.ts";
import { RungTag, SelfView, StatusTag, Viewport } from "../call/stage.tsx";
import { waysOf } from "../call/told.tsx";
import { chime } from "../media/audio.ts";
import type { CallView, PatientCard } from "../protocol.ts";
import { Album } from "../still/album.tsx";
import { Icon } from "../ui/icons.tsx";
import { Bars, Note } from "../ui/parts.tsx";
import { hourText, useElapsed } from "../ui/time.ts";
import { languageName, words } from "../words/index.ts";
import type { StaffApp, StaffView } from "./app.ts";
import { patientBars } from "./screen.ts";

const REJOIN_AFTER_MS = 10_000;

/** The visit as the nurse sees it: picture and links on the left, what is known and what is written on the right. */
export function NurseCallScreen({ app, view, seat }: { app: StaffApp; view: StaffView; seat: SeatView }) {
  const [menu, setMenu] = useState(false);
  const call = view.snapshot?.call ?? null;
  const patient = view.snapshot?.patient ?? null;
  const name = patient?.name ?? words.staff.call.patient;
  const status = app.status;
  const ways = waysOf(seat, call);
  const measured = call && patientBars(call);
  const theirBars = measured && linkBars(measured, ways, "other");
  const ownBars = linkBars(seat.bars, ways, "own");
  const stills = app.stills.view;
  const word = words.staff.call;
  const tested = view.snapshot?.link;
  const head = (
    <header class="over shade row wrap">
      <StatusTag status={status} startedAtMs={call?.started_at_ms ?? null} />
      <RungTag view={seat} call={call} down={status === "reconnecting"} />
    </header>
  );
  return (
    <main class="cols call">
      <section class="stage" data-mode="dark" aria-label={word.label}>
        <div class="grow viewport">
          <Viewport name={name} view={seat} call={call} status={status} stills={stills} top={head} fit>
            <Lost app={app} view={view} call={call} seat={seat} />
          </Viewport>
          <SelfView view={seat} flip={() => void app.seat.devices.flip()} settings={() => setMenu(true)} />
        </div>
        <Controls seat={app.seat} view={seat}>
          <Control
            icon="photo"
            label={words.still.ask}
            title={words.still.askLabel}
            press={() => void app.stills.ask()}
            disabled={stills.waiting || status !== "connected"}
            testid="ask-still"
          />
        </Controls>
        <div class="over col tight s linkbox">
          <p class="row tight" data-testid="peer-link">
            <Bars n={theirBars ?? 0} /> {word.theirs}{" "}
            <b>{theirBars === null ? words.link.measuring : words.link.grade[theirBars]}</b>
          </p>
          <p class="row tight soft">
            <Bars n={ownBars} /> {word.own} {words.link.grade[ownBars]}
          </p>
          {tested && tested.verdict !== "measuring" && (
            <p class="soft" data-testid="tested-link" data-verdict={tested.verdict}>
              {word.before} {words.staff.offer.verdict[tested.verdict]}
            </p>
          )}
        </div>
      </section>
      <section class="beside">
        <header class="rechead row wrap">
          <h1 class="grow">{name}</h1>
          <button
            type="button"
            class="btn bad alt"
            disabled={view.pressed === "end"}
            onClick={() => void app.end()}
            data-testid="end-consult"
          >
            {view.pressed === "end" ? word.ending : word.end}
          </button>
        </header>
        <div class="pad col">
          {view.failed && <Note tone="bad" icon="alert" title={words.staff.notNow} role="alert" />}
          {patient && <Known patient={patient} />}
          <Album stills={app.stills} view={stills} name={name} />
        </div>
        <section class="side-chat" aria-label={words.chat.title}>
          <h2 class="px">{words.chat.title}</h2>
          <Chat me="nurse" lines={call?.chat ?? []} unsent={seat.unsent} say={(text) => void app.seat.say(text)} />
        </section>
      </section>
      {menu && <DeviceMenu seat={app.seat} view={seat} close={() => setMenu(false)} testSound={chime} />}
    </main>
  );
}

/** What is known of the person before any record: what they said and what signalling knows. */
function Known({ patient }: { patient: PatientCard }) {
  const word = words.staff.call;
  return (
    <section class="card col tight" data-testid="patient-card">
      <h2>{word.known}</h2>
      <dl class="facts">
        <div>
          <dt>{word.reason}</dt>
          <dd class="quote">{patient.reason || words.staff.noReason}</dd>
        </div>
        <div>
          <dt>{word.age}</dt>
          <dd>{patient.age_years === null ? word.ageUnknown : words.years(patient.age_years)}</dd>
        </div>
        <div>
          <dt>{word.languages}</dt>
          <dd>{patient.languages.map(languageName).join(", ")}</dd>
        </div>
      </dl>
    </section>
  );
}

function Lost({ app, view, call, seat }: { app: StaffApp; view: StaffView; call: CallView | null; seat: SeatView }) {
  const word = words.staff.call;
  const long = useElapsed(view.lostSinceMs, REJOIN_AFTER_MS);
  const interruption = call?.interruption ?? null;
  const own = seat.leg !== "connected" || view.link !== "up";
  const title = own ? word.lostTitle : interruption?.by_choice ? word.leftTitle : word.theirLostTitle;
  return (
    <div class="center col pad over">
      <span class="breathe">
        <Icon name={interruption?.by_choice && !own ? "clock" : "wifioff"} size="l" />
      </span>
      <div class="col tight mid" role="status">
        <h2>{title}</h2>
        {own && <p>{word.lostText}</p>}
        {interruption && (
          <p class="s soft">{word.seatUntil(words.hour(hourText(interruption.until_ms, words.lang)))}</p>
        )}
      </div>
      {long && own && (
        <button type="button" class="btn" onClick={() => app.seat.peer.renew()} data-testid="rejoin">
          {words.call.rejoin}
        </button>
      )}
    </div>
  );
}
