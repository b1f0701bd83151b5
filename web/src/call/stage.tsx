import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import type { CallView } from "../protocol.ts";
import { newest } from "../still/receiver.ts";
import { ShownStill, StillNotes } from "../still/shown.tsx";
import { type StillsView, wantsViews } from "../still/stills.ts";
import { Icon } from "../ui/icons.tsx";
import { Bars, type Tone } from "../ui/parts.tsx";
import { clockText, useServerNow } from "../ui/time.ts";
import { words } from "../words/index.ts";
import { initials, RemoteVideo, TrackVideo } from "./media.tsx";
import { linkBars, megabytes, type Picture, pictureAt } from "./notice.ts";
import { type CallStatus, rung, type SeatView } from "./seat.ts";
import { Told, waysOf } from "./told.tsx";

const TONES: Record<CallStatus, Tone> = {
  connecting: "brand",
  connected: "good",
  reconnecting: "warn",
  ended: "brand",
};

/** The state of the call in a word, with the time since it was first connected. */
export function StatusTag({ status, startedAtMs }: { status: CallStatus; startedAtMs: number | null }) {
  const now = useServerNow();
  return (
    <span class="tag" data-tone={TONES[status]} data-testid="call-status" data-state={status}>
      <span class="dot" />
      <span role="status">{words.call.status[status]}</span>
      {startedAtMs !== null && (
        <span class="n" role="timer" aria-live="off">
          {clockText(now - startedAtMs)}
        </span>
      )}
    </span>
  );
}

/** How the visit ended, for the page that follows it: the same element that told the state during the call. */
export function EndedTag() {
  return (
    <span class="tag fit" data-tone data-testid="call-status" data-state="ended">
      <span class="dot" />
      {words.call.status.ended}
    </span>
  );
}

/** Bars show the link, words show the rung. `data`: with what the visit costs, for somebody who pays for it. */
export function RungTag(props: { view: SeatView; call: CallView | null; down: boolean; data?: boolean }) {
  const { view, call, down } = props;
  const step = rung(view, call);
  return (
    <span class="row tight s end" data-testid="call-rung" data-rung={step}>
      <Bars n={down ? 0 : linkBars(view.bars, waysOf(view, call), "own")} />{" "}
      {down ? words.link.words[0] : words.call.rung[step]}
      {props.data && <UsedTag bytes={view.usedBytes} />}
    </span>
  );
}

/** Roughly what the visit has cost in data. Not told aloud: it moves all the time and is asked for rarely. */
function UsedTag({ bytes }: { bytes: number }) {
  const mb = megabytes(bytes);
  if (mb === null) return null;
  return (
    <span class="soft n nw" title={words.data.used(mb)} data-testid="data-used">
      {words.call.used(mb)}
    </span>
  );
}

/** The other side's picture, or their initials where there is none, with whatever lies over it. */
export function Viewport(props: {
  name: string;
  view: SeatView;
  call: CallView | null;
  status: CallStatus;
  stills: StillsView;
  fit?: boolean;
  /** Opens the messages, where they are not in sight anyway. */
  write?: () => void;
  /** A word under the initials, for somebody who only hears. */
  calm?: string;
  top?: ComponentChildren;
  children?: ComponentChildren;
}) {
  const { view, call, status, name, stills } = props;
  const other = call?.peer_media ?? null;
  const wanted = status === "connected" && (other?.camera ?? true) && !other?.voice_only && !view.voiceOnly;
  const { shown: still, coming } = newest(stills.received);
  const picture = usePicture(view, still !== null);
  const moving = wanted && picture === "video";
  const instead = wanted && picture === "still" ? still : null;
  const deferred = status === "connected" && rung(view, call) === 0;
  const theirs = view.receives?.rung ?? 5;
  const small = moving && (theirs === 3 || theirs === 4) ? theirs : undefined;
  return (
    <div class={props.fit ? "grow viewport whole" : "grow viewport"} data-small={small} data-testid="call-remote-video">
      <RemoteVideo stream={view.remote} shown={moving || status === "connecting"} label={words.call.remote(name)} />
      {props.top}
      <Told name={givenName(name)} view={view} call={call} status={status} stills={stills} />
      {status !== "reconnecting" && <SideNotes name={givenName(name)} view={view} call={call} />}
      {status === "connected" && <StillNotes shown={instead} coming={coming} sending={stills.sending} />}
      {status === "reconnecting" ? (
        props.children
      ) : (
        <>
          {instead && <ShownStill still={instead} name={name} />}
          {deferred && <Deferred write={props.write} />}
          {status === "connected" && !moving && !instead && !deferred && (
            <div class="center col">
              <div class="ava breathe" aria-hidden="true">
                {initials(name)}
              </div>
              <p class="mid">
                <b>{name}</b>
                {wanted && view.receives?.rung === 2 && (
                  <>
                    <br />
                    <span class="soft">{words.still.first}</span>
                  </>
                )}
                {props.calm && (
                  <>
                    <br />
                    <span class="soft">{props.calm}</span>
                  </>
                )}
              </p>
            </div>
          )}
          {status === "connecting" && (
            <div class="center col pad">
              <p class="toast" role="status">
                {words.call.connectingWith(name)}
              </p>
            </div>
          )}
        </>
      )}
    </div>
  );
}

/** Follows what is to be seen of the other side; the moving picture comes back only once it moves. */
function usePicture(view: SeatView, hasStill: boolean): Picture {
  const before = useRef<Picture>("video");
  // A new connection has shown nothing yet: its first picture is awaited where it will be.
  if (view.receives === null) before.current = "video";
  else before.current = pictureAt(before.current, view.receives.rung, view.framesFlow, hasStill);
  return before.current;
}

/** Not even the voice comes through: what still works. */
function Deferred({ write }: { write: (() => void) | undefined }) {
  return (
    <div class="center col pad over mid" data-testid="deferred">
      <Icon name="chat" size="l" />
      <div class="col tight" role="status">
        <h2>{words.call.deferredTitle}</h2>
        <p>{words.call.deferredText}</p>
      </div>
      {write && (
        <button type="button" class="btn narrow" onClick={write}>
          {words.call.write}
        </button>
      )}
    </div>
  );
}

export const givenName = (name: string) => name.split(" ")[0] ?? name;

/** What either side chose, in words, so that silence or a dark picture is never taken for a fault. */
function SideNotes({ name, view, call }: { name: string; view: SeatView; call: CallView | null }) {
  const word = words.call;
  const other = call?.peer_media;
  const lines: string[] = [];
  if (!view.devices.audio && !view.devices.opening) lines.push(word.noMic);
  else if (!view.micOn) lines.push(word.micOff);
  if (view.voiceOnly) lines.push(word.ownVoiceOnly);
  if (other && !other.microphone) lines.push(word.otherMuted(name));
  if (other?.voice_only) lines.push(word.otherVoiceOnly(name));
  else if (other && !other.camera) lines.push(word.otherCameraOff(name));
  if (wantsViews(view, call)) lines.push(words.still.views);
  if (lines.length === 0) return null;
  return (
    <div class="over notes" role="status">
      {lines.map((line) => (
        <span key={line} class="tag solid">
          {line}
        </span>
      ))}
    </div>
  );
}

/** Own picture, small, and what changes it. */
export function SelfView({ view, flip, settings }: { view: SeatView; flip: () => void; settings: () => void }) {
  const { video, cameras } = view.devices;
  return (
    <div class="own">
      <div class="col tight owntools">
        {video && cameras.length > 1 && (
          <button type="button" class="o" aria-label={words.call.flip} onClick={flip} data-testid="flip-camera">
            <Icon name="flip" />
          </button>
        )}
        <button
          type="button"
          class="o"
          aria-label={words.call.settings}
          onClick={settings}
          data-testid="device-menu-open"
        >
          <Icon name="gear" />
        </button>
      </div>
      <div class={video ? "pip" : "pip none"} data-testid="call-self-video">
        {video ? (
          <TrackVideo track={video} mirrored label={words.call.self} class="x" />
        ) : (
          <Icon name="camoff" size="l" />
        )}
      </div>
    </div>
  );
}
