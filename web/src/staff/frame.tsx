import type { ComponentChildren } from "preact";
import { initials } from "../call/media.tsx";
import type { SeatView } from "../call/seat.ts";
import type { StaffState } from "../protocol.ts";
import { Icon } from "../ui/icons.tsx";
import { Bars, type Tone } from "../ui/parts.tsx";
import { words } from "../words/index.ts";
import type { StaffView } from "./app.ts";

const TONES: Record<StaffState, Tone> = {
  offline: "warn",
  idle: "good",
  offered: "brand",
  busy: "brand",
  wrapup: "warn",
  gone: "bad",
  away: "warn",
};

/** Name of a nurse's state, with its dot. */
export function StateTag({ state }: { state: StaffState }) {
  return (
    <span class="tag" data-tone={TONES[state]} data-testid="staff-state" data-state={state}>
      <span class="dot" />
      {words.staff.state[state]}
    </span>
  );
}

/** The bar of every staff screen: own link, own state, who one is. */
export function StaffFrame(props: { view: StaffView; seat: SeatView; children: ComponentChildren }) {
  const { snapshot, link } = props.view;
  const word = words.staff;
  return (
    <>
      <header class="bar">
        <span class="mark">
          <Icon name="bridge" /> Puente
        </span>
        <span class="s soft">{word.nursing}</span>
        <span class="end row loose wrap">
          <OwnLink seat={props.seat} up={link === "up"} />
          {snapshot && <StateTag state={snapshot.state} />}
          {snapshot && (
            <span class="row tight">
              <span class="ava sm" aria-hidden="true">
                {initials(snapshot.me.name)}
              </span>
              <span class="s">{snapshot.me.name}</span>
            </span>
          )}
        </span>
      </header>
      {props.children}
    </>
  );
}

function OwnLink({ seat, up }: { seat: SeatView; up: boolean }) {
  const word = words.staff;
  // Without a leg there is nothing measured: say only whether the server is reached.
  const measured = seat.leg === "connected" || seat.leg === "lost";
  const n = up ? (measured ? seat.bars : 4) : 0;
  const text = !up ? word.offline : measured ? word.yourLink(words.link.grade[n] ?? "") : word.connected;
  return (
    <span class="row tight s soft" role="status" data-testid="link-quality" data-bars={n}>
      <Bars n={n} /> {text}
    </span>
  );
}
