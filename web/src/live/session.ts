import { hedged, hedgeEveryMs } from "./hedge.ts";

/** Why there is no session: a word of the server, or `offline` when it could not be asked. */
export type SessionErrorCode =
  | "link_expired"
  | "link_invalid"
  | "session_expired"
  | "session_invalid"
  | "no_link"
  | "offline"
  | "other";

export class SessionError extends Error {
  constructor(readonly code: SessionErrorCode) {
    super(code);
  }
}

interface Kept {
  session: string;
  namespace: string;
}

interface Exchanged extends Kept {
  ticket: string;
}

const KNOWN = new Set<SessionErrorCode>(["link_expired", "link_invalid", "session_expired", "session_invalid"]);
const TIMEOUT_MS = 12_000;

async function post(
  path: string,
  body: unknown,
  session?: string,
  given?: AbortSignal,
): Promise<Record<string, unknown>> {
  const headers: Record<string, string> = { "Content-Type": "application/json" };
  if (session) headers.Authorization = `Bearer ${session}`;
  let response: Response;
  try {
    const late = AbortSignal.timeout?.(TIMEOUT_MS);
    const signal = given && late && AbortSignal.any ? AbortSignal.any([given, late]) : (late ?? given ?? null);
    response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body), signal, cache: "no-store" });
  } catch {
    throw new SessionError("offline");
  }
  const answer = (await response.json().catch(() => ({}))) as Record<string, unknown>;
  if (response.ok) return answer;
  // 5xx and 429 pass by themselves; only a refusal of the link or session is final.
  if (response.status >= 500 || response.status === 429) throw new SessionError("offline");
  const code = (answer.error as { code?: SessionErrorCode } | undefined)?.code;
  throw new SessionError(code && KNOWN.has(code) ? code : "other");
}

/**
 * Who this tab is. The link's token arrives in the address' fragment, is exchanged once for a session, and is taken out
 * of the address at once; the session lives in `sessionStorage`, so every tab is its own person and a reload keeps it.
 */
export class Session {
  private fresh: string | null;

  private constructor(
    private readonly kept: Kept,
    ticket: string | null,
    /** How long the server last took to answer; null: not known. */
    private tookMs: number | null,
  ) {
    this.fresh = ticket;
  }

  get namespace(): string {
    return this.kept.namespace;
  }

  /** Opens the session of this tab for a page (`patient` or `staff`). Throws `SessionError`. */
  static async open(page: string): Promise<Session> {
    const key = `puente.session.${page}`;
    const token = new URLSearchParams(location.hash.slice(1)).get("t");
    const stored = sessionStorage.getItem(key);
    if (token) {
      try {
        const fromMs = Date.now();
        const answer = (await post("/api/session", { link: token })) as unknown as Exchanged;
        const kept: Kept = { session: answer.session, namespace: answer.namespace };
        sessionStorage.setItem(key, JSON.stringify(kept));
        forgetFragment();
        return new Session(kept, answer.ticket, Date.now() - fromMs);
      } catch (error) {
        // Someone who presses an old link again in a tab that is already signed in just goes on.
        if (!(error instanceof SessionError) || error.code === "offline" || !stored) throw error;
        forgetFragment();
      }
    }
    if (!stored) throw new SessionError("no_link");
    return new Session(JSON.parse(stored) as Kept, null, null);
  }

  /** A ticket for the next connect: the one that came with the session, else a fresh one. Throws `SessionError`. */
  async ticket(): Promise<string> {
    const first = this.fresh;
    this.fresh = null;
    if (first) return first;
    const ask = async (signal: AbortSignal) => {
      const fromMs = Date.now();
      const answer = await post("/api/ticket", {}, this.kept.session, signal);
      this.tookMs = Date.now() - fromMs;
      return answer;
    };
    const isFinal = (error: unknown) => !(error instanceof SessionError) || error.code !== "offline";
    const answer = await hedged(ask, isFinal, hedgeEveryMs(this.tookMs));
    return String(answer.ticket);
  }

  /** Forgets who this tab was; the next load needs a link. */
  static forget(page: string): void {
    sessionStorage.removeItem(`puente.session.${page}`);
  }
}

function forgetFragment(): void {
  history.replaceState(null, "", location.pathname + location.search);
}
