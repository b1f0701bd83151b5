import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { words } from "../words/index.ts";
import { Icon, type IconName } from "./icons.tsx";

export type Tone = "good" | "warn" | "bad" | "brand";

/** Four bars; always shown beside its words. */
export function Bars({ n }: { n: number }) {
  return (
    <svg class="sig" data-n={n} viewBox="0 0 22 18" aria-hidden="true">
      <rect x="0" y="12" width="4" height="6" rx="1" />
      <rect x="6" y="8" width="4" height="10" rx="1" />
      <rect x="12" y="4" width="4" height="14" rx="1" />
      <rect x="18" y="0" width="4" height="18" rx="1" />
    </svg>
  );
}

/** One message: icon, bold first words, the rest. An `alert` interrupts a screen reader, a `status` does not. */
export function Note(props: {
  tone: Tone;
  icon: IconName;
  title: string;
  text?: string | undefined;
  role?: "status" | "alert";
  testid?: string;
}) {
  return (
    <div class="note" data-tone={props.tone} role={props.role}>
      <Icon name={props.icon} />
      <p data-testid={props.testid}>
        <b>{props.title}</b>
        {props.text && (
          <>
            <br />
            <span class="s">{props.text}</span>
          </>
        )}
      </p>
    </div>
  );
}

/** A modal dialog: focus goes in, stays, and comes back. Mounted means open. */
export function Dialog(props: {
  label: string;
  close: () => void;
  children: ComponentChildren;
  testid?: string;
  /** For a picture, that is worth the whole window. */
  wide?: boolean;
}) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = ref.current;
    if (dialog && !dialog.open) dialog.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={ref}
      class={props.wide ? "dlg broad" : "dlg"}
      aria-label={props.label}
      data-testid={props.testid}
      onCancel={(event) => {
        event.preventDefault();
        props.close();
      }}
    >
      <div class="col">{props.children}</div>
    </dialog>
  );
}

/** Which step of how many, in words and as a bar. */
export function Steps({ n, of }: { n: number; of: number }) {
  return (
    <div class="col tiny">
      <p class="s soft">{words.step(n, of)}</p>
      <div class="steps" aria-hidden="true">
        {Array.from({ length: of }, (_, i) => (
          <i key={i} class={i < n ? "on" : ""} />
        ))}
      </div>
    </div>
  );
}

/** Link that shows this page in the other language. It loads the page again, so it is not offered in a call. */
export function LanguageLink() {
  const { code, name } = words.otherLanguage;
  return (
    <a class="lnk s" href={`?lang=${code}`} lang={code} hreflang={code}>
      {name}
    </a>
  );
}

/** Puts the focus on a new screen's heading, so that a screen reader says where one is. */
export function ScreenTitle({ children, id }: { children: ComponentChildren; id?: string }) {
  const ref = useRef<HTMLHeadingElement>(null);
  useEffect(() => ref.current?.focus({ preventScroll: true }), []);
  return (
    <h1 ref={ref} tabIndex={-1} id={id}>
      {children}
    </h1>
  );
}
