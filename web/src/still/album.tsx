import { useState } from "preact/hooks";
import { Icon } from "../ui/icons.tsx";
import { Dialog } from "../ui/parts.tsx";
import { useServerNow } from "../ui/time.ts";
import { words } from "../words/index.ts";
import { originalId, type ReceivedStill } from "./receiver.ts";
import { Ago, Progress, percent } from "./shown.tsx";
import type { Stills, StillsView } from "./stills.ts";

/** The stills that came, newest first; one press enlarges. Nothing while none came. */
export function Album({ stills, view, name }: { stills: Stills; view: StillsView; name: string }) {
  const [open, setOpen] = useState<string | null>(null);
  const now = useServerNow(10_000);
  const word = words.still;
  const photos = view.received.filter((still) => still.kind !== "original");
  if (photos.length === 0) return null;
  const chosen = photos.find((still) => still.id === open);
  return (
    <section class="col tight" aria-label={word.title} data-testid="stills">
      <h2>{word.title}</h2>
      <ul class="album">
        {photos.map((still) => {
          const ago = word.ago(Math.max(0, Math.round((now - still.atMs) / 1000)));
          return (
            <li key={still.id}>
              {still.url ? (
                <button
                  type="button"
                  aria-label={word.enlarge(word.kinds[still.kind], ago)}
                  onClick={() => setOpen(still.id)}
                  data-testid="still-open"
                >
                  <img src={still.url} alt="" />
                  {still.kind === "document" && <Icon name="doc" size="s" />}
                </button>
              ) : (
                <span class="coming n s" role="img" aria-label={word.coming(percent(still.share))}>
                  {percent(still.share)} %
                </span>
              )}
            </li>
          );
        })}
      </ul>
      <p class="xs soft">{word.notKept}</p>
      {chosen?.url && (
        <Enlarged
          stills={stills}
          still={chosen}
          original={view.received.find((one) => one.id === originalId(chosen.id)) ?? null}
          name={name}
          close={() => setOpen(null)}
        />
      )}
    </section>
  );
}

function Enlarged(props: {
  stills: Stills;
  still: ReceivedStill;
  original: ReceivedStill | null;
  name: string;
  close: () => void;
}) {
  const { stills, still, original, name, close } = props;
  const [asked, setAsked] = useState(false);
  const word = words.still;
  const ask = () => {
    setAsked(true);
    void stills.askOriginal(still.id);
  };
  return (
    <Dialog label={word.alt(name)} close={close} testid="still-large" wide>
      <div class="row">
        <h2 class="grow">{word.kinds[still.kind]}</h2>
        <span class="soft s">
          <Ago atMs={still.atMs} />
        </span>
      </div>
      <img class="large" src={original?.url ?? still.url ?? ""} alt={word.alt(name)} />
      {original?.url ? (
        <p class="s soft">{word.original}</p>
      ) : original ? (
        <Progress share={original.share} text={word.coming(percent(original.share))} />
      ) : null}
      <div class="row tight">
        {still.kind === "document" && !original && (
          <button type="button" class="btn alt" disabled={asked} onClick={ask} data-testid="ask-original">
            {word.askOriginal}
          </button>
        )}
        <button type="button" class="btn end" onClick={close}>
          {words.close}
        </button>
      </div>
    </Dialog>
  );
}
