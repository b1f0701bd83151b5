import { useState } from "preact/hooks";
import { words } from "../words/index.ts";
import { Icon } from "./icons.tsx";
import { Dialog } from "./parts.tsx";

/** The way to 911, on every screen of the patient. It never closes anything: the visit goes on meanwhile. */
export function EmergencyButton({ label }: { label?: string }) {
  const [open, setOpen] = useState(false);
  const word = words.emergency;
  return (
    <>
      <button type="button" class="btn bad alt slim end sos" onClick={() => setOpen(true)}>
        <Icon name="phone" size="s" /> {label ?? word.button}
      </button>
      {open && (
        <Dialog label={word.title} close={() => setOpen(false)}>
          <h1>{word.title}</h1>
          <p>{word.signs}</p>
          <a class="btn bad big wide" href="tel:911">
            <Icon name="phone" /> {word.call}
          </a>
          <p class="s">{word.where}</p>
          <p class="s">{word.spanish}</p>
          <button type="button" class="btn quiet wide" onClick={() => setOpen(false)}>
            {word.back}
          </button>
        </Dialog>
      )}
    </>
  );
}

/** The reminder that stays in sight while somebody waits or has left. */
export function EmergencyNote() {
  const word = words.emergency;
  return (
    <section class="note" data-tone="bad">
      <Icon name="alert" />
      <div class="col tiny">
        <b>{word.title}</b>
        <p class="s">{word.signs}</p>
        <a class="btn bad alt slim fit" href="tel:911">
          <Icon name="phone" size="s" /> {word.call}
        </a>
      </div>
    </section>
  );
}
