import { io, type Socket } from "socket.io-client";
import { onNetworkChange } from "../media/network.ts";
import {
  type ChatLine,
  type Closing,
  type ConnectAuth,
  LIVE_PATH,
  type LimitsView,
  type LinkTestView,
  type Ok,
  type PatientEmits,
  type Peer,
  type Refused,
  type StaffEmits,
  type StillAsked,
  type StillView,
} from "../protocol.ts";
import { retryDelayMs } from "./backoff.ts";
import { type Session, SessionError, type SessionErrorCode } from "./session.ts";

/** How the page is joined to the server: `up`, trying, or stopped for good because another page took over. */
export type LinkState = "up" | "trying" | "replaced";

type Emits = PatientEmits & StaffEmits;
type Payload<E extends keyof Emits> = Parameters<Emits[E]>[0];
type Answer<E extends keyof Emits> = Parameters<Parameters<Emits[E]>[1]>[0];

interface Sequenced {
  seq: number;
}

/** What a connection tells its page. `first` marks the snapshot that follows a connect. */
export interface Listener<Snapshot, Queue> {
  snapshot(snapshot: Snapshot, first: boolean): void;
  queue(queue: Queue): void;
  chat(line: ChatLine): void;
  peer(peer: Peer): void;
  limits(limits: LimitsView): void;
  /** Only patients have one. */
  linkTest?(link: LinkTestView): void;
  still(still: StillView): void;
  stillAsked(asked: StillAsked): void;
  stillRefused(): void;
  link(state: LinkState): void;
  sessionLost(code: SessionErrorCode): void;
}

const CONNECT_TIMEOUT_MS = 12_000;
const REQUEST_TIMEOUT_MS = 10_000;
const DELIVER_FOR_MS = 90_000;

const unavailable = (message: string): Refused => ({
  ok: false,
  error: { code: "unavailable", message, retry_ms: null },
});

/**
 * The live connection of a page: connects with a fresh ticket, comes back after every loss, and hands on snapshots.
 *
 * Socket.IO's own reconnection is not used, because each try needs its own ticket and the id of the leg in hand.
 */
export class Connection<Snapshot extends Sequenced, Queue> {
  private socket: Socket | null = null;
  private seq = 0;
  private awaitingFirst = true;
  private attempt = 0;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private stopped = false;
  private waiters: (() => void)[] = [];
  state: LinkState = "trying";

  constructor(
    private readonly session: Session,
    private readonly legInHand: () => string | null,
    private readonly listener: Listener<Snapshot, Queue>,
  ) {
    onNetworkChange(() => this.moved());
  }

  start(): void {
    this.stopped = false;
    document.addEventListener("visibilitychange", this.nudge);
    this.later(0);
  }

  stop(): void {
    this.stopped = true;
    document.removeEventListener("visibilitychange", this.nudge);
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    this.drop();
  }

  /** Asks once. Never throws: without a connection or an answer in time it is refused as `unavailable`. */
  request<E extends keyof Emits & string>(
    event: E,
    payload: Payload<E>,
    timeoutMs = REQUEST_TIMEOUT_MS,
  ): Promise<Answer<E> | Refused> {
    const socket = this.socket;
    if (!socket?.connected) return Promise.resolve(unavailable("not connected"));
    return new Promise((resolve) => {
      socket.timeout(timeoutMs).emit(event, payload, (error: Error | null, answer: Answer<E>) => {
        if (!error) return resolve(answer);
        // The transport looks open but nobody answers: a network that changed under it. Do not wait for the heartbeat.
        if (socket === this.socket && socket.connected) this.lost();
        resolve(unavailable("no answer"));
      });
    });
  }

  /**
   * Asks until the server has said yes or no, across reconnects, for a minute and a half. For acts that must not be
   * lost and that the protocol makes safe to repeat.
   */
  async deliver<E extends keyof Emits & string>(event: E, payload: Payload<E>): Promise<Answer<E> | Refused> {
    const giveUpAt = Date.now() + DELIVER_FOR_MS;
    for (;;) {
      const answer = (await this.request(event, payload)) as Ok | Refused;
      if (answer.ok || this.stopped) return answer as Answer<E>;
      const passing = ["unavailable", "closing", "rate_limited"].includes(answer.error.code);
      if (!passing || Date.now() > giveUpAt) return answer as Answer<E>;
      await Promise.race([this.up(), pause(5000)]);
      await pause(answer.error.retry_ms ?? 300);
    }
  }

  private up(): Promise<void> {
    if (this.socket?.connected) return pause(1000);
    return new Promise((resolve) => this.waiters.push(resolve));
  }

  private readonly nudge = (): void => {
    if (document.visibilityState === "hidden" || this.stopped || this.socket?.connected) return;
    this.attempt = 0;
    this.later(0);
  };

  /** The server can be asked: its first snapshot has said how things stand. Before that much may be out of date. */
  get ready(): boolean {
    return this.state === "up" && !this.awaitingFirst;
  }

  /** Something else shows that the network is back: tries now what was to be tried later. */
  hurry(): void {
    if (this.timer === null) return;
    this.attempt = 0;
    this.later(0);
  }

  /** The device has come onto another network: the socket of the one before is dead and does not know it yet. */
  private moved(): void {
    if (this.stopped || this.state === "replaced") return;
    this.attempt = 0;
    this.drop();
    this.tell("trying");
    this.later(0);
  }

  private later(delayMs: number): void {
    if (this.stopped) return;
    if (this.timer) clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.timer = null;
      this.connect();
    }, delayMs);
  }

  private connect(): void {
    this.drop();
    // The ticket is fetched while the socket opens: that is three of ten round trips until something is heard.
    const ticket = this.session.ticket();
    const socket = io(location.origin + this.session.namespace, {
      path: LIVE_PATH,
      transports: ["websocket"],
      reconnection: false,
      forceNew: true,
      timeout: CONNECT_TIMEOUT_MS,
      auth: (give) =>
        void ticket.then(
          (text) => give(this.auth(text)),
          () => undefined,
        ),
    });
    this.socket = socket;
    this.listen(socket);
    ticket.catch((error: unknown) => {
      if (socket !== this.socket) return;
      const code = error instanceof SessionError ? error.code : "other";
      if (code === "offline") return this.lost();
      this.stop();
      this.listener.sessionLost(code);
    });
  }

  private auth(ticket: string): ConnectAuth & Record<string, unknown> {
    return { v: 1, ticket, seq: this.seq, leg: this.legInHand() };
  }

  private listen(socket: Socket): void {
    const mine = (act: () => void) => {
      if (socket === this.socket) act();
    };
    socket.on("connect", () =>
      mine(() => {
        this.attempt = 0;
        this.awaitingFirst = true;
        this.tell("up");
        for (const wake of this.waiters.splice(0)) wake();
      }),
    );
    socket.on("connect_error", (error: Error & { data?: unknown }) => mine(() => this.refused(error)));
    socket.on("disconnect", () => mine(() => this.lost()));
    socket.on("snapshot", (snapshot: Snapshot) => mine(() => this.take(snapshot)));
    socket.on("queue", (queue: Queue) => mine(() => this.listener.queue(queue)));
    socket.on("chat", (line: ChatLine) => mine(() => this.listener.chat(line)));
    socket.on("peer", (peer: Peer) => mine(() => this.listener.peer(peer)));
    socket.on("limits", (limits: LimitsView) => mine(() => this.listener.limits(limits)));
    socket.on("link", (link: LinkTestView) => mine(() => this.listener.linkTest?.(link)));
    socket.on("still", (still: StillView) => mine(() => this.listener.still(still)));
    socket.on("still.asked", (asked: StillAsked) => mine(() => this.listener.stillAsked(asked)));
    socket.on("still.refused", () => mine(() => this.listener.stillRefused()));
    socket.on("closing", (closing: Closing) =>
      mine(() => {
        // Leave at once so that the server can go; the calls go on over the relay meanwhile.
        this.drop();
        this.tell("trying");
        this.later(closing.retry_ms + Math.random() * 500);
      }),
    );
    socket.on("replaced", () =>
      mine(() => {
        this.stop();
        this.tell("replaced");
      }),
    );
  }

  private take(snapshot: Snapshot): void {
    const first = this.awaitingFirst;
    // After a connect whatever comes is the truth: a server that lost its store counts from the start again.
    if (!first && snapshot.seq <= this.seq) return;
    this.awaitingFirst = false;
    this.seq = snapshot.seq;
    this.listener.snapshot(snapshot, first);
  }

  private refused(error: Error & { data?: unknown }): void {
    const data = error.data as { code?: string; error?: { code?: string }; retry_ms?: number } | undefined;
    const code = data?.code ?? data?.error?.code ?? error.message;
    // A ticket that ran out on the way: the next try brings a fresh one, and the session is asked whether it still holds.
    if (code === "ticket_expired" && this.attempt === 0) {
      this.attempt = 1;
      this.later(0);
    } else {
      this.lost(data?.retry_ms);
    }
  }

  private lost(delayMs?: number): void {
    this.drop();
    if (this.stopped) return;
    this.tell("trying");
    this.later(delayMs ?? retryDelayMs(this.attempt));
    this.attempt += 1;
  }

  private drop(): void {
    const socket = this.socket;
    this.socket = null;
    if (!socket) return;
    socket.off();
    socket.disconnect();
  }

  private tell(state: LinkState): void {
    if (this.state === state) return;
    this.state = state;
    this.listener.link(state);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
