import { useEffect, useState } from "preact/hooks";
import type { Choice } from "../media/devices.ts";
import { HEARD, watchLevel } from "../media/level.ts";
import { Icon } from "../ui/icons.tsx";
import { Dialog } from "../ui/parts.tsx";
import { words } from "../words/index.ts";
import { TrackVideo } from "./media.tsx";
import { megabytes } from "./notice.ts";
import type { Seat, SeatView } from "./seat.ts";

/** The level of a microphone, 0…1, and whether a voice has been heard since it was opened. */
export function useLevel(track: MediaStreamTrack | null): { level: number; heard: boolean } {
  const [state, setState] = useState({ level: 0, heard: false });
  useEffect(() => {
    setState({ level: 0, heard: false });
    if (!track) return;
    return watchLevel(track, (level) =>
      // Steps of a twentieth: fewer redraws than the ear would notice.
      setState((old) => {
        const next = Math.round(level * 20) / 20;
        return next === old.level && old.heard ? old : { level: next, heard: old.heard || level >= HEARD };
      }),
    );
  }, [track]);
  return state;
}

/** The microphone's level as a bar. */
export function Meter({ level }: { level: number }) {
  return (
    <svg class="meter" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label={words.check.level}>
      <rect width="100" height="6" rx="3" fill="currentColor" opacity=".25" />
      <rect width={Math.max(3, level * 100)} height="6" rx="3" fill="currentColor" />
    </svg>
  );
}

function Picker(props: {
  label: string;
  choices: Choice[];
  chosen: string | null;
  unnamed: (n: number) => string;
  choose: (id: string) => void;
}) {
  return (
    <label class="field col tiny">
      <span>{props.label}</span>
      <select
        class="in"
        value={props.chosen ?? ""}
        disabled={props.choices.length === 0}
        onChange={(event) => props.choose(event.currentTarget.value)}
      >
        {props.chosen === null && <option value="">—</option>}
        {props.choices.map((choice, i) => (
          <option key={choice.id} value={choice.id} selected={choice.id === props.chosen}>
            {choice.label || props.unnamed(i + 1)}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Camera and microphone: choose, see the level, hear a test. Works before and in a call. */
export function DeviceMenu(props: {
  seat: Seat;
  view: SeatView;
  close: () => void;
  testSound: () => void;
  preview?: boolean;
  /** With what the visit costs in data, for somebody who pays for it. */
  data?: boolean;
}) {
  const { devices } = props.view;
  const { level } = useLevel(devices.audio);
  const word = words.devices;
  return (
    <Dialog label={word.title} close={props.close} testid="device-menu">
      <h2>{word.title}</h2>
      {props.preview && devices.video && (
        <div class="stage prev" data-mode="dark">
          <TrackVideo track={devices.video} mirrored label={words.call.self} />
        </div>
      )}
      <Picker
        label={word.camera}
        choices={devices.cameras}
        chosen={devices.camera}
        unnamed={word.unnamedCamera}
        choose={(id) => void props.seat.useCameraOf(id)}
      />
      <Picker
        label={word.microphone}
        choices={devices.microphones}
        chosen={devices.microphone}
        unnamed={word.unnamedMicrophone}
        choose={(id) => void props.seat.devices.chooseMicrophone(id)}
      />
      <div class="row tone" data-tone="good">
        <Icon name="mic" />
        <Meter level={level} />
      </div>
      <button type="button" class="btn alt" onClick={props.testSound}>
        <Icon name="sound" /> {words.check.sound}
      </button>
      {props.data && <DataUse seat={props.seat} view={props.view} />}
      <button type="button" class="btn" onClick={props.close}>
        {word.done}
      </button>
    </Dialog>
  );
}

/** What the visit has cost so far, what a minute costs, and the way to spend less. */
function DataUse({ seat, view }: { seat: Seat; view: SeatView }) {
  const word = words.data;
  const used = megabytes(view.usedBytes);
  const rate = view.bytesPerMinute === null ? null : megabytes(view.bytesPerMinute);
  return (
    <section class="col tight" aria-label={word.title} data-testid="data-use">
      <h3>{word.title}</h3>
      <p class="s">
        {used === null ? word.little : word.used(used)}
        {view.bytesPerMinute !== null && ` ${rate === null ? word.rateLittle : word.rate(rate)}`}
      </p>
      {view.voiceOnly && <p class="s soft">{word.saving}</p>}
      <button
        type="button"
        class="btn alt"
        onClick={() => void seat.toggleVoiceOnly()}
        data-testid={view.voiceOnly ? "data-video" : "data-save"}
      >
        <Icon name={view.voiceOnly ? "cam" : "sound"} /> {view.voiceOnly ? word.video : word.save}
      </button>
    </section>
  );
}
