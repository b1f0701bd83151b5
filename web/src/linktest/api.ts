import type { IceServer } from "../protocol.ts";

/** What the server answers at /api/linktest; described in /api/openapi.json. */
export interface Begun {
  id: string;
  sdp: string;
  ice_servers: IceServer[];
}

export interface Direction {
  rate_bps: number | null;
  carried_bps: number;
  loss: number;
  queue_ms: number;
  rung: number | null;
}

export interface Measure {
  state: string;
  transport: "udp" | "tcp" | null;
  rtt_ms: number | null;
  up: Direction | null;
  down: Direction | null;
  final: boolean;
}

/** `busy`: other tests are running; `offline`: the server could not be asked. */
export class TestRefused extends Error {
  constructor(readonly code: "busy" | "offline") {
    super(code);
  }
}

const TIMEOUT_MS = 15_000;

async function ask<Answer>(
  method: "GET" | "POST",
  path: string,
  body?: unknown,
  signal: AbortSignal | null = AbortSignal.timeout?.(TIMEOUT_MS) ?? null,
): Promise<Answer> {
  let response: Response;
  try {
    response = await fetch(`/api/linktest${path}`, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? null : JSON.stringify(body),
      signal,
      cache: "no-store",
    });
    if (response.ok) return (await response.json()) as Answer;
  } catch {
    throw new TestRefused("offline");
  }
  throw new TestRefused(response.status === 429 || response.status === 503 ? "busy" : "offline");
}

export const begin = () => ask<Begun>("POST", "", {});
export const answer = (id: string, sdp: string) => ask<Measure>("POST", `/${id}/answer`, { sdp });
export const measure = (id: string, signal: AbortSignal) => ask<Measure>("GET", `/${id}`, undefined, signal);
export const end = (id: string) => ask<Measure>("POST", `/${id}/end`);
