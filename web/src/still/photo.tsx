import { useEffect, useState } from "preact/hooks";
import { TrackVideo } from "../call/media.tsx";
import { Icon } from "../ui/icons.tsx";
import { Dialog } from "../ui/parts.tsx";
import { words } from "../words/index.ts";
import type { Prompt, Stills } from "./stills.ts";

const COUNT_S = 3;

/** A photograph is asked for: seen coming, with a way to wait and a way to say no. Nothing is taken unseen. */
export function PhotoPrompt({ stills, prompt, name }: { stills: Stills; prompt: Prompt; name: string }) {
  const word = words.still.prompt;
  return (
    <Dialog label={word.title(name)} close={() => stills.refuse()} testid="photo-prompt">
      <h2>{word.title(name)}</h2>
      {prompt.step === "ask" ? (
        <>
          <p>{word.closed}</p>
          <p class="s soft">{word.seenBy(name)}</p>
          <button type="button" class="btn wide" onClick={() => void stills.openCamera()} data-testid="photo-take">
            <Icon name="photo" /> {word.take}
          </button>
        </>
      ) : (
        <Counting stills={stills} track={prompt.track} name={name} />
      )}
      <button type="button" class="btn quiet wide" onClick={() => stills.refuse()} data-testid="photo-refuse">
        {word.no}
      </button>
    </Dialog>
  );
}

function Counting({ stills, track, name }: { stills: Stills; track: MediaStreamTrack; name: string }) {
  const [left, setLeft] = useState(COUNT_S);
  const [held, setHeld] = useState(false);
  const word = words.still.prompt;
  useEffect(() => {
    if (held) return;
    if (left === 0) return void stills.take();
    const timer = setTimeout(() => setLeft(left - 1), 1000);
    return () => clearTimeout(timer);
  }, [left, held, stills]);
  return (
    <>
      <div class="stage prev aim" data-mode="dark">
        <TrackVideo track={track} label={words.call.self} />
        <p class="over tag-float">
          <span class="tag solid n" role="status" data-testid="photo-count">
            {left > 0 ? word.in(left) : word.taking}
          </span>
        </p>
      </div>
      <p>{word.aim}</p>
      <p class="s soft">{word.seenBy(name)}</p>
      {held ? (
        <button type="button" class="btn wide" onClick={() => setHeld(false)} data-testid="photo-take">
          <Icon name="photo" /> {word.take}
        </button>
      ) : (
        <button
          type="button"
          class="btn alt wide"
          disabled={left === 0}
          onClick={() => {
            setHeld(true);
            setLeft(COUNT_S);
          }}
          data-testid="photo-wait"
        >
          <Icon name="pause" /> {word.wait}
        </button>
      )}
    </>
  );
}
