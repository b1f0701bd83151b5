import { useEffect, useRef, useState } from "preact/hooks";
import { Chat } from "../call/chat.tsx";
import { Control, Controls } from "../call/controls.tsx";
import { DeviceMenu } from "../call/devicemenu.tsx";
import type { SeatView } from "../call/seat.ts";
import { givenName, RungTag, SelfView, StatusTag, Viewport } from "../call/stage.tsx";
import { testTone } from "../media/audio.ts";
import type { CallView, StaffCard } from "../protocol.ts";
import { PhotoPrompt } from "../still/photo.tsx";
import { Icon } from "../ui/icons.tsx";
import { useElapsed } from "../ui/time.ts";
import { words } from "../words/index.ts";
import type { PatientApp, PatientView } from "./app.ts";

/** A person who waits this long for the connection gets a button. */
const REJOIN_AFTER_MS = 10_000;

/** The visit: state, who attends, the picture, five controls, and the written part. */
export function CallScreen({ app, view, seat }: { app: PatientApp; view: PatientView; seat: SeatView }) {
  const [drawer, setDrawer] = useState(false);
  const [menu, setMenu] = useState(false);
  const call = view.snapshot?.call ?? null;
  const nurse = view.snapshot?.nurse ?? null;
  const name = nurse?.name ?? words.wait.nursing;
  const status = app.status;
  const unread = useUnread(call, drawer);
  const stills = app.stills.view;
  const head = (
    <header class="over shade col tight">
      <div class="row tight wrap">
        <StatusTag status={status} startedAtMs={call?.started_at_ms ?? null} />
        <RungTag view={seat} call={call} down={status === "reconnecting"} data />
      </div>
      <Attends nurse={nurse} />
    </header>
  );
  return (
    <div class="callwrap">
      <main class="stage full" data-mode="dark">
        <Viewport
          name={name}
          view={seat}
          call={call}
          status={status}
          stills={stills}
          top={head}
          calm={words.call.calm}
          write={() => setDrawer(true)}
        >
          <Lost app={app} view={view} call={call} name={name} />
        </Viewport>
        <SelfView view={seat} flip={() => void app.seat.devices.flip()} settings={() => setMenu(true)} />
        <Controls seat={app.seat} view={seat}>
          <Control
            icon="chat"
            label={words.call.messages}
            press={() => setDrawer(!drawer)}
            badge={unread}
            testid="toggle-chat"
          />
          <Control icon="hang" label={words.call.leave} press={() => void app.away()} hang testid="leave-call" />
        </Controls>
      </main>
      <section class={drawer ? "drawer side col tight open" : "drawer side col tight"} aria-label={words.chat.title}>
        <div class="row px">
          <h2 class="grow">{words.chat.title}</h2>
          <button type="button" class="btn quiet narrow" aria-label={words.chat.close} onClick={() => setDrawer(false)}>
            <Icon name="x" />
          </button>
        </div>
        <Chat
          me="patient"
          lines={call?.chat ?? []}
          unsent={seat.unsent}
          say={(text) => void app.seat.say(text)}
          focus={drawer}
        />
      </section>
      {menu && <DeviceMenu seat={app.seat} view={seat} close={() => setMenu(false)} testSound={testTone} data />}
      {stills.prompt && <PhotoPrompt stills={app.stills} prompt={stills.prompt} name={givenName(name)} />}
    </div>
  );
}

function Attends({ nurse }: { nurse: StaffCard | null }) {
  if (!nurse) return null;
  const licence = nurse.licence && words.call.licence(nurse.licence);
  return (
    <p class="s">
      <b>
        {words.call.with} {nurse.name}
      </b>
      <br />
      <span class="soft">{[nurse.title, licence].filter(Boolean).join(" · ")}</span>
    </p>
  );
}

/** Over the picture while the connection is lost: what happened, what is safe, and after 10 s a way to press. */
function Lost(props: { app: PatientApp; view: PatientView; call: CallView | null; name: string }) {
  const long = useElapsed(props.view.lostSinceMs, REJOIN_AFTER_MS);
  const theirs = props.call?.interruption?.who === "nurse" && props.app.seat.peer.state === "connected";
  const word = words.call;
  return (
    <div class="center col pad over">
      <span class="breathe">
        <Icon name="wifioff" size="l" />
      </span>
      <div class="col tight mid" role="status">
        <h1>{theirs ? word.otherLostTitle(props.name) : word.lostTitle}</h1>
        <p>{theirs ? word.otherLostText : word.lostText}</p>
      </div>
      {long && !theirs && (
        <button type="button" class="btn" onClick={() => void props.app.rejoin()} data-testid="rejoin">
          {word.rejoin}
        </button>
      )}
      {!theirs && <p class="s soft mid">{word.lostHint}</p>}
    </div>
  );
}

/** Lines of the other side that came while the messages were out of sight. */
function useUnread(call: CallView | null, open: boolean): number {
  const lines = call?.chat.filter((line) => line.sender === "nurse").length ?? 0;
  const seen = useRef(lines);
  useEffect(() => {
    if (open) seen.current = lines;
  }, [open, lines]);
  return open ? 0 : Math.max(0, lines - seen.current);
}
