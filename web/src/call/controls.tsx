import type { ComponentChildren } from "preact";
import { Icon, type IconName } from "../ui/icons.tsx";
import { words } from "../words/index.ts";
import type { Seat, SeatView } from "./seat.ts";

/** One round control with its word under it. Pressed is white: the thing is off, or the choice holds. */
export function Control(props: {
  icon: IconName;
  label: string;
  press: () => void;
  pressed?: boolean;
  hang?: boolean;
  badge?: number;
  testid: string;
  /** More than fits under it, for a pointer that rests on it and for a screen reader. */
  title?: string;
  disabled?: boolean;
}) {
  return (
    <button
      type="button"
      class={props.hang ? "hang" : ""}
      aria-pressed={props.pressed}
      data-testid={props.testid}
      disabled={props.disabled}
      title={props.title}
      aria-label={props.title}
      onClick={props.press}
    >
      <span class="o">
        <Icon name={props.icon} />
        {props.badge ? (
          <span class="badge n">
            <span aria-hidden="true">{props.badge}</span>
            <span class="vh">{words.call.newMessages(props.badge)}</span>
          </span>
        ) : null}
      </span>
      {props.label}
    </button>
  );
}

/** The controls both sides have; each side adds its own after them. */
export function Controls({ seat, view, children }: { seat: Seat; view: SeatView; children?: ComponentChildren }) {
  const camera = view.devices.video !== null;
  const mic = view.micOn && view.devices.audio !== null;
  return (
    <div class="ctl" role="toolbar" aria-label={words.call.controls}>
      <Control
        icon={mic ? "mic" : "micoff"}
        label={words.call.mic}
        pressed={!mic}
        press={() => (view.devices.audio ? seat.toggleMic() : void seat.prepare())}
        testid="toggle-mic"
      />
      <Control
        icon={camera ? "cam" : "camoff"}
        label={words.call.camera}
        pressed={!camera}
        press={() => void seat.toggleCamera()}
        testid="toggle-camera"
      />
      <Control
        icon="sound"
        label={words.call.voiceOnly}
        pressed={view.voiceOnly}
        press={() => void seat.toggleVoiceOnly()}
        testid="voice-only"
      />
      {children}
    </div>
  );
}
