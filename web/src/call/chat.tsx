import { useEffect, useRef, useState } from "preact/hooks";
import type { ChatLine } from "../protocol.ts";
import { Icon } from "../ui/icons.tsx";
import { hourText } from "../ui/time.ts";
import { words } from "../words/index.ts";

const MAX_CHARACTERS = 2000;

/** The written part of a visit: what everybody has, then what is still on its way. */
export function Chat(props: {
  me: "patient" | "nurse";
  lines: ChatLine[];
  unsent: ChatLine[];
  say: (text: string) => void;
  focus?: boolean;
}) {
  const log = useRef<HTMLDivElement>(null);
  const input = useRef<HTMLInputElement>(null);
  const [text, setText] = useState("");
  const count = props.lines.length + props.unsent.length;
  useEffect(() => {
    if (count > 0) log.current?.scrollTo({ top: log.current.scrollHeight });
  }, [count]);
  useEffect(() => {
    if (props.focus) input.current?.focus();
  }, [props.focus]);
  const submit = (event: Event) => {
    event.preventDefault();
    const line = text.trim();
    if (!line) return;
    setText("");
    props.say(line);
  };
  return (
    <>
      <div ref={log} class="col grow px pane0 lines" role="log" aria-live="polite" data-testid="chat-log">
        {count === 0 && <p class="s soft">{words.chat.empty}</p>}
        {props.lines.map((line) => (
          <Line key={line.id} line={line} mine={line.sender === props.me} state={words.chat.sent} />
        ))}
        {props.unsent.map((line) => (
          <Line key={line.id} line={line} mine state={words.chat.sending} />
        ))}
      </div>
      <form class="row tight px py" onSubmit={submit}>
        <label class="grow">
          <span class="vh">{words.chat.label}</span>
          <input
            ref={input}
            class="in"
            placeholder={words.chat.placeholder}
            maxLength={MAX_CHARACTERS}
            autoComplete="off"
            enterkeyhint="send"
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
            data-testid="chat-input"
          />
        </label>
        <button class="btn slim" type="submit" aria-label={words.chat.send} data-testid="chat-send">
          <Icon name="send" />
        </button>
      </form>
    </>
  );
}

function Line({ line, mine, state }: { line: ChatLine; mine: boolean; state: string }) {
  return (
    <p class={mine ? "msg me s" : "msg s"}>
      {line.text}
      <br />
      <span class="xs soft n">
        {hourText(line.at_ms, words.lang)}
        {mine && ` · ${state}`}
      </span>
    </p>
  );
}
