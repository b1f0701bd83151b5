import type { ComponentChildren } from "preact";
import { EmergencyButton } from "../ui/emergency.tsx";
import { Icon } from "../ui/icons.tsx";
import { words } from "../words/index.ts";

/** Every screen before and after the call: mark and emergency above, one column, the primary act below. */
export function Frame(props: {
  children: ComponentChildren;
  dock?: ComponentChildren;
  testid?: string;
  link?: "trying";
}) {
  return (
    <>
      <header class="bar">
        <span class="mark">
          <Icon name="bridge" /> {words.app}
        </span>
        <EmergencyButton />
      </header>
      <main class="page" data-testid={props.testid}>
        {props.children}
      </main>
      {props.dock && <div class="dock">{props.dock}</div>}
    </>
  );
}
