import type { ServerMessage } from "./types";

export type LinkState = "idle" | "connecting" | "live" | "lost";

/** What one part of the page wants to hear. `readings: false` asks for devices and their states alone. */
export interface Wish {
  devices: string[];
  readings?: false;
}

export interface SocketEvents {
  state: (state: LinkState) => void;
  message: (message: ServerMessage) => void;
  refused: () => void;
}

export interface SocketParts {
  open: () => WebSocket;
  random: () => number;
}

const PING_EVERY = 15_000;
const SILENCE_LIMIT = 25_000;
const PROBE_DEADLINE = 3_000;
const OPEN_DEADLINE = 10_000;
const BACKOFF_FIRST = 500;
const BACKOFF_LAST = 15_000;

/**
 * One WebSocket that comes back by itself. It holds what is subscribed and the last position heard,
 * asks again with `since` after a loss, and calls a link dead that has been silent for 25 s.
 */
export class LiveSocket {
  private socket: WebSocket | null = null;
  private state: LinkState = "idle";
  private wanted = false;
  private attempts = 0;
  private nextId = 1;
  private position: string | null = null;
  private readonly wishes = new Map<number, Wish>();
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private pingTimer: ReturnType<typeof setInterval> | undefined;
  private silenceTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly events: SocketEvents,
    private readonly parts: SocketParts = { open: openSocket, random: Math.random },
  ) {}

  start(): void {
    this.wanted = true;
    if (this.socket === null) this.connect();
  }

  stop(): void {
    this.wanted = false;
    clearTimeout(this.retryTimer);
    this.drop();
    this.become("idle");
  }

  /** Forgets positions and wishes too: what the next principal may see is not what this one saw. */
  reset(): void {
    this.stop();
    this.wishes.clear();
    this.position = null;
  }

  /** Tries at once instead of waiting for the back-off: the network is back, or the page is looked at again. */
  hurry(): void {
    if (!this.wanted) return;
    if (this.socket === null) {
      this.attempts = 0;
      this.connect();
    } else if (this.state === "live") this.probe();
  }

  /** Asks for a sign of life within 3 s; without one the link counts as lost. */
  probe(): void {
    if (this.state !== "live") return;
    this.send({ type: "ping" });
    this.expect(PROBE_DEADLINE);
  }

  subscribe(wish: Wish): number {
    const id = this.nextId++;
    this.wishes.set(id, wish);
    if (this.state === "live") this.send({ type: "subscribe", id, ...wish });
    return id;
  }

  unsubscribe(id: number): void {
    if (this.wishes.delete(id) && this.state === "live") this.send({ type: "unsubscribe", id });
  }

  private connect(): void {
    clearTimeout(this.retryTimer);
    if (this.state !== "lost") this.become("connecting");
    let socket: WebSocket;
    try {
      socket = this.parts.open();
    } catch {
      this.retry();
      return;
    }
    this.socket = socket;
    let opened = false;
    this.expect(OPEN_DEADLINE);
    socket.onopen = () => {
      opened = true;
      this.attempts = 0;
      this.become("live");
      for (const [id, wish] of this.wishes) this.send(this.asking(id, wish));
      this.expect(SILENCE_LIMIT);
      this.pingTimer = setInterval(() => {
        this.send({ type: "ping" });
      }, PING_EVERY);
    };
    socket.onmessage = (event: MessageEvent<string>) => {
      this.hear(event.data);
    };
    socket.onclose = () => {
      if (this.socket !== socket) return;
      if (!opened) this.events.refused();
      this.lose();
    };
  }

  private asking(id: number, wish: Wish): object {
    const since = this.position === null ? {} : { since: this.position };
    return { type: "subscribe", id, ...wish, ...since };
  }

  private hear(data: string): void {
    this.expect(SILENCE_LIMIT);
    let message: ServerMessage;
    try {
      message = JSON.parse(data) as ServerMessage;
    } catch {
      return;
    }
    if ("at" in message && typeof message.at === "string") this.position = message.at;
    this.events.message(message);
  }

  private expect(within: number): void {
    clearTimeout(this.silenceTimer);
    this.silenceTimer = setTimeout(() => {
      this.lose();
    }, within);
  }

  private lose(): void {
    this.drop();
    if (!this.wanted) return;
    this.become("lost");
    this.retry();
  }

  private retry(): void {
    if (!this.wanted) return;
    const ceiling = Math.min(BACKOFF_LAST, BACKOFF_FIRST * 2 ** this.attempts);
    this.attempts += 1;
    this.retryTimer = setTimeout(
      () => {
        this.connect();
      },
      ceiling * (0.75 + this.parts.random() * 0.5),
    );
  }

  private drop(): void {
    clearInterval(this.pingTimer);
    clearTimeout(this.silenceTimer);
    const socket = this.socket;
    this.socket = null;
    if (socket === null) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  private send(message: object): void {
    if (this.socket?.readyState === 1) this.socket.send(JSON.stringify(message));
  }

  private become(state: LinkState): void {
    if (this.state === state) return;
    this.state = state;
    this.events.state(state);
  }
}

function openSocket(): WebSocket {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  return new WebSocket(`${scheme}//${location.host}/api/v1/ws`);
}
