/** Shapes of the icons: 24×24 grid, stroked with the colour of the text. Constant markup, never built from data. */
const shapes = {
  bridge: '<path d="M2 18h20M3.5 18c2-6.5 5-9.5 8.5-9.5s6.5 3 8.5 9.5M8 9.8V18M12 8.5V18M16 9.8V18"/>',
  phone:
    '<path d="M6.6 4h2.7l1.6 4.1-2 1.5a11 11 0 0 0 5.5 5.5l1.5-2 4.1 1.6v2.7a2.1 2.1 0 0 1-2.3 2.1A15 15 0 0 1 4.5 6.3 2.1 2.1 0 0 1 6.6 4z"/>',
  hang: '<path d="M12 8.5c3.4 0 6.3 1.2 8.6 3.4.5.5.6 1.2.3 1.8l-.9 1.7a1.2 1.2 0 0 1-1.5.6l-2.6-1a1.2 1.2 0 0 1-.8-1.2l.1-1.7a9.6 9.6 0 0 0-6.4 0l.1 1.7c0 .5-.3 1-.8 1.2l-2.6 1a1.2 1.2 0 0 1-1.5-.6l-.9-1.7c-.3-.6-.2-1.3.3-1.8C5.7 9.7 8.6 8.5 12 8.5z"/>',
  mic: '<rect x="9" y="3.5" width="6" height="11" rx="3"/><path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v2.75"/>',
  micoff:
    '<path d="M15 10V6.5a3 3 0 0 0-5.8-1.1M9 9v2.5a3 3 0 0 0 4.7 2.45M5.5 11.5a6.5 6.5 0 0 0 10.6 5M18.2 13.3c.2-.6.3-1.2.3-1.8M12 18v2.75M4 4l16 16"/>',
  cam: '<rect x="3" y="6.5" width="12" height="11" rx="2.5"/><path d="m15 10.75 5.5-3v8.5l-5.5-3"/>',
  camoff:
    '<path d="M9.5 6.5h3a2.5 2.5 0 0 1 2.5 2.5v3M15 15.2a2.5 2.5 0 0 1-2.5 2.3h-7A2.5 2.5 0 0 1 3 15V9c0-1 .6-1.9 1.5-2.3M16 11l4.5-3.25v8.5l-2-1.1M4 4l16 16"/>',
  flip: '<path d="M4.5 10.5a7.7 7.7 0 0 1 13.4-3.3L20 9.5M20 4.75V9.5h-4.75M19.5 13.5a7.7 7.7 0 0 1-13.4 3.3L4 14.5M4 19.25V14.5h4.75"/>',
  chat: '<path d="M6.5 5h11A2.5 2.5 0 0 1 20 7.5v6.75a2.5 2.5 0 0 1-2.5 2.5H12L7.5 20.25v-3.5h-1A2.5 2.5 0 0 1 4 14.25V7.5A2.5 2.5 0 0 1 6.5 5z"/>',
  send: '<path d="M20.25 3.75 3.75 10.5l6.75 3 3 6.75zM10.5 13.5l4-4"/>',
  sound: '<path d="M4 9.75v4.5h3.25L12 18.25V5.75l-4.75 4zM15.5 9.25a4 4 0 0 1 0 5.5M18 6.75a7.5 7.5 0 0 1 0 10.5"/>',
  ok: '<circle cx="12" cy="12" r="8.5"/><path d="m8.25 12.25 2.6 2.6 4.9-5.2"/>',
  alert: '<circle cx="12" cy="12" r="8.5"/><path d="M12 7.75V13M12 16.1v.1"/>',
  x: '<path d="m6 6 12 12M18 6 6 18"/>',
  clock: '<circle cx="12" cy="12" r="8.5"/><path d="M12 7.25V12l3.25 2"/>',
  eye: '<path d="M2.75 12C5 8 8.2 6 12 6s7 2 9.25 6C19 16 15.8 18 12 18s-7-2-9.25-6z"/><circle cx="12" cy="12" r="2.75"/>',
  doc: '<path d="M7.5 3.75h6l4.75 4.75v9.75a2 2 0 0 1-2 2h-8.75a2 2 0 0 1-2-2V5.75a2 2 0 0 1 2-2zM13.5 3.75V8.5h4.75M9 12.5h6M9 16h4.5"/>',
  pin: '<path d="M12 20.75c4-4.2 6.25-7.5 6.25-10.75a6.25 6.25 0 0 0-12.5 0c0 3.25 2.25 6.55 6.25 10.75z"/><circle cx="12" cy="10" r="2.25"/>',
  shield: '<path d="M12 3.5 19 6v5.5c0 4.3-2.8 7.3-7 9-4.2-1.7-7-4.7-7-9V6z"/>',
  wifi: '<path d="M3.5 10a12.2 12.2 0 0 1 17 0M6.5 13.2a8 8 0 0 1 11 0M9.5 16.3a3.7 3.7 0 0 1 5 0M12 19.5v.1"/>',
  wifioff:
    '<path d="M12 6.5c3.2 0 6.2 1.25 8.5 3.5M3.5 10c1.2-1.2 2.5-2 4-2.6M6.5 13.2c1.2-1.1 2.6-1.8 4-2M9.5 16.3a3.7 3.7 0 0 1 5 0M12 19.5v.1M4 4l16 16"/>',
  pause: '<path d="M8.5 5.5v13M15.5 5.5v13"/>',
  bell: '<path d="M6 16.75V11a6 6 0 0 1 12 0v5.75l1.5 1.5h-15zM10.25 20.75h3.5"/>',
  headset:
    '<path d="M4.5 14v-2a7.5 7.5 0 0 1 15 0v2M4.5 13.5h1.75A1.25 1.25 0 0 1 7.5 14.75v3A1.25 1.25 0 0 1 6.25 19H5.75A1.25 1.25 0 0 1 4.5 17.75zM19.5 13.5h-1.75a1.25 1.25 0 0 0-1.25 1.25v3A1.25 1.25 0 0 0 17.75 19h.5a1.25 1.25 0 0 0 1.25-1.25zM19 19c-.7 1.3-2.5 2-5 2"/>',
  gear: '<path d="M4 7.5h9M17.5 7.5H20M4 16.5h2.5M11 16.5h9"/><circle cx="15.25" cy="7.5" r="2.25"/><circle cx="8.75" cy="16.5" r="2.25"/>',
} as const;

export type IconName = keyof typeof shapes;

/** An icon. Always beside its words or inside a labelled control, so hidden from screen readers. */
export function Icon({ name, size }: { name: IconName; size?: "s" | "l" }) {
  const markup = { __html: shapes[name] };
  return (
    <svg class={size ? `i ${size}` : "i"} viewBox="0 0 24 24" aria-hidden="true" dangerouslySetInnerHTML={markup} />
  );
}
