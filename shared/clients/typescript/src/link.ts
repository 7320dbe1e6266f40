import { type ChatError, refusal, unavailable } from "./error.js";
import type { ErrorBody } from "./protocol.gen.js";

/** @internal A frame of the server, of whatever event. */
export interface Frame {
  event?: string;
  id?: string;
  data?: any;
  error?: ErrorBody;
  message?: string; // of API Gateway itself
}

interface Waiting {
  resolve: (f: Frame) => void;
  reject: (e: unknown) => void;
  timer: ReturnType<typeof setTimeout>;
}

/** @internal What a link tells. */
export interface LinkEvents {
  open(link: Link): void;
  frame(f: Frame, link: Link): void;
  /** It ended, by itself or by {@link Link.close}. */
  closed(link: Link): void;
  /** A reply did not come. */
  silent(link: Link): void;
  wire(dir: "in" | "out", text: string): void;
}

let requests = 0;

/** @internal One WebSocket connection: frames, replies, and what is joined on it. */
export class Link {
  /** The conversations that are joined here, with what was asked for of streams. */
  readonly rooms = new Map<string, "full" | "final">();
  /** Joins and leaves that go on, by conversation. */
  readonly syncing = new Map<string, Promise<void>>();
  /** Why the server ends it, where it said so. */
  reason?: ChatError;
  open = false;
  closed = false;
  /** When something came last. */
  heard = 0;
  /** Who is connected, as the server has said. */
  owner?: string;
  /** How many need it to stay although another has taken over. */
  holds = 0;
  readonly #ws: WebSocket;
  readonly #on: LinkEvents;
  readonly #ackTimeout: number;
  readonly #opening: ReturnType<typeof setTimeout>; // until it is known who is connected: one that does not say so is none
  readonly #waiting = new Map<string, Waiting>();

  constructor(ws: WebSocket, on: LinkEvents, ackTimeout: number) {
    this.#ws = ws;
    this.#on = on;
    this.#ackTimeout = ackTimeout;
    this.#opening = setTimeout(() => this.close(), 3 * ackTimeout);
    ws.onopen = () => {
      if (this.closed) return ws.close();
      this.open = true;
      on.open(this);
    };
    ws.onmessage = (e) => this.#received(e.data as string);
    ws.onerror = ws.onclose = () => this.close(); // of a handshake that fails, the WebSocket of Node 22 tells nothing else than an error
  }

  get idle(): boolean {
    return this.#waiting.size === 0 && this.holds === 0;
  }

  /** Sends an action and waits for the reply to it; an error is thrown. take has the reply before any frame that follows it, which may come in the same moment. */
  request(action: string, fields: object = {}, take?: (f: Frame) => void): Promise<Frame> {
    const id = `r${++requests}`;
    return new Promise((yes, reject) => {
      const resolve = (f: Frame) => {
        try {
          take?.(f);
          yes(f);
        } catch (e) {
          reject(e);
        }
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(unavailable("The server does not answer"));
        this.#on.silent(this);
      }, this.#ackTimeout);
      this.#waiting.set(id, { resolve, reject, timer });
      this.post({ action, id, ...fields });
    });
  }

  post(frame: object): void {
    if (!this.open || this.closed) return this.#fail(unavailable("There is no connection"));
    const text = JSON.stringify(frame);
    this.#ws.send(text);
    this.#on.wire("out", text);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.#opening);
    this.#fail(this.reason ?? unavailable("The connection was lost"));
    this.#ws.close();
    this.#on.closed(this);
  }

  #received(text: string): void {
    if (this.closed) return;
    this.heard = Date.now();
    this.#on.wire("in", text);
    let f: Frame;
    try {
      f = JSON.parse(text);
    } catch {
      return; // of another server
    }
    if (!f) return;
    if (f.event === "connected") clearTimeout(this.#opening);
    try {
      this.#on.frame(f, this);
    } catch {
      // Of another server, or another version: what does not have what its kind should is left
      // out, and what comes after it is not. Listeners are called apart, and their faults told.
    }
    // API Gateway does not say which frame it could not deliver.
    const id = f.event === undefined && f.message !== undefined && this.#waiting.size === 1 ? this.#waiting.keys().next().value : f.id;
    const one = id === undefined ? undefined : this.#waiting.get(id);
    if (!one) return;
    this.#waiting.delete(id!);
    clearTimeout(one.timer);
    if (f.error) one.reject(refusal(f.error));
    else if (f.event === undefined) one.reject(unavailable(`API Gateway: ${f.message}`));
    else one.resolve(f);
  }

  #fail(error: ChatError): void {
    for (const one of this.#waiting.values()) {
      clearTimeout(one.timer);
      one.reject(error);
    }
    this.#waiting.clear();
  }
}
