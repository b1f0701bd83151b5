import type { ComponentChildren } from "preact";
import { useServerNow } from "../ui/time.ts";
import { words } from "../words/index.ts";
import type { ReceivedStill } from "./receiver.ts";

/** Age of a still in words, renewed each second. */
export function Ago({ atMs }: { atMs: number }) {
  const now = useServerNow();
  return <span class="n">{words.still.ago(Math.max(0, Math.round((now - atMs) / 1000)))}</span>;
}

/** The newest still where the moving picture was. */
export function ShownStill({ still, name }: { still: ReceivedStill; name: string }) {
  if (!still.url) return null;
  return <img class="vid" src={still.url} alt={words.still.alt(name)} data-testid="still" data-id={still.id} />;
}

/** A bar with its words: how far a still is. */
export function Progress({ share, text, testid }: { share: number; text: string; testid?: string }) {
  return (
    <p class="tag solid s progress" data-testid={testid}>
      <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
        <rect width="100" height="6" rx="3" fill="currentColor" opacity=".25" />
        <rect width={Math.max(2, share * 100)} height="6" rx="3" fill="currentColor" />
      </svg>
      <span class="n">{text}</span>
    </p>
  );
}

export function percent(share: number): number {
  return Math.floor(share * 100);
}

/** How old the still in the window is, and those on their way in both directions. */
export function StillNotes(props: {
  shown: ReceivedStill | null;
  coming: ReceivedStill | null;
  sending: number | null;
}) {
  const { shown, coming, sending } = props;
  const lines: ComponentChildren[] = [];
  if (shown) {
    lines.push(
      <span key="age" class="tag solid s" data-testid="still-age">
        {words.still.photo} <Ago atMs={shown.atMs} />
      </span>,
    );
  }
  if (coming && coming.share > 0) {
    const text = words.still.coming(percent(coming.share));
    lines.push(<Progress key="in" share={coming.share} text={text} testid="still-coming" />);
  }
  if (sending !== null) {
    lines.push(
      <Progress key="out" share={sending} text={words.still.sending(percent(sending))} testid="still-sending" />,
    );
  }
  return lines.length > 0 ? <div class="over notes">{lines}</div> : null;
}
