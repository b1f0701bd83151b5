import { useEffect, useRef, useState } from "preact/hooks";
import type { CallView } from "../protocol.ts";
import type { StillsView } from "../still/stills.ts";
import { words } from "../words/index.ts";
import { type Direction, type Notice, Notices, type Way, type Ways } from "./notice.ts";
import type { CallStatus, SeatView } from "./seat.ts";

const LOOK_MS = 500;
/** How long a word about a photograph stays. */
const WORD_MS = 6_000;

/** Both directions as this page knows them. */
export function waysOf(view: SeatView, call: CallView | null): Ways {
  const other = call?.peer_media ?? null;
  const voiceOnly = view.voiceOnly || (other?.voice_only ?? false);
  const way = (from: Omit<Way, "picture"> | null, camera: boolean): Way | null =>
    from && { rung: from.rung, why: from.why, whose: from.whose, picture: camera && !voiceOnly };
  return { sends: way(view.sends, view.devices.video !== null), receives: way(view.receives, other?.camera ?? true) };
}

/** The sentence for a notice, in the words of this page. */
export function sentenceOf({ direction, change, rung, cause, whose }: Notice, name: string): string {
  const word = words.call.notice;
  if (change === "back") return word.back[direction];
  if (change === "better") return betterText(direction, rung);
  const effect = word.worse[direction][rung] ?? "";
  if (cause === null) return effect.charAt(0).toUpperCase() + effect.slice(1);
  const thing = cause === "cpu" ? word.device : word.link;
  const who = whose === "other" ? thing.other(name) : thing[whose];
  return word.because(word.cause[cause](who), effect);
}

function betterText(direction: Direction, rung: number): string {
  const { better } = words.call.notice;
  return rung === 1 || rung === 2 ? better[direction][rung] : better.picture[direction];
}

/** The notice to be shown now, looked at again as time passes. */
function useNotice(ways: Ways, status: CallStatus): Notice | null {
  const notices = useRef<Notices | null>(null);
  notices.current ??= new Notices();
  const [, again] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => again((n) => n + 1), LOOK_MS);
    return () => clearInterval(timer);
  }, []);
  return notices.current.step(Date.now(), status === "connected" ? ways : null);
}

/** One sentence about what just changed, under the name, gone by itself. What a screen reader says is said once. */
export function Told(props: {
  name: string;
  view: SeatView;
  call: CallView | null;
  status: CallStatus;
  stills: StillsView;
}) {
  const notice = useNotice(waysOf(props.view, props.call), props.status);
  const { word } = props.stills;
  const fresh = word !== null && Date.now() - word.atMs < WORD_MS ? word : null;
  return (
    <div class="over told col tiny" role="status" data-testid="call-notice">
      {notice && <p class="toast s">{sentenceOf(notice, props.name)}</p>}
      {fresh && <p class="toast s">{words.still.says[fresh.key](props.name)}</p>}
    </div>
  );
}
