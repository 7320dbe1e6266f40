import { asChatError, ChatError, refusal, unavailable } from "./error.js";
import { notLoaded } from "./later.js";
import { type Frame, Link, type LinkEvents } from "./link.js";
import { isHidden, watchPage } from "./page.js";
import type { Rest } from "./rest.js";
import { backoff } from "./timing.js";
import { expiry, type Tokens } from "./tokens.js";
import type { ChatOptions, ConnectionState, Timing } from "./types.js";
import { waitAfter } from "./waits.js";

/** @internal What a connection needs, and whom it tells. */
export interface ConnectionHost {
  readonly options: ChatOptions;
  readonly timing: Timing;
  readonly tokens: Tokens;
  readonly rest: Rest;
  changed(): void;
  /** A link is there: what is open is to be joined on it. */
  enter(link: Link): Promise<unknown>;
  /** The link of {@link Connection} is another now. */
  swapped(): void;
  frame(f: Frame, link: Link): void;
  pong(data: { rooms: { conversationId: string; lastSeq: number }[]; resync?: boolean; truncated?: boolean }, before: ReadonlySet<string>, link: Link): void;
  wire(dir: "in" | "out", text: string): void;
  streamsWanted(mode: "full" | "final"): void;
}

/** A connection that lived for so long was a good one: the next attempt is a first one again. */
const lived = 5_000;

/** Between two changes of connection for the sake of the token, whatever it seems to say. */
const rollsEvery = 60_000;

/** What the server ends a connection with. */
const endings = /^(unauthorized|token_expired|too_many_connections|switched_off)$/;

/** @internal Keeps one link to the server: connects, comes back, changes over before the old one ends. */
export class Connection implements LinkEvents {
  readonly wire: LinkEvents["wire"];
  state: ConnectionState = "initialized";
  error?: ChatError;
  retryAt?: number;
  /** The open one, if there is any. */
  link?: Link;
  next?: Link; // that takes over
  #opening?: Link;
  readonly #links = new Set<Link>(); // also old ones that are still needed
  token = "";
  run = 0; // what was begun before the last close goes nowhere
  #attempt = 0;
  #since = 0; // when it was connected
  due = 0; // when another link is to take over, whatever the token says
  refused = 0; // handshakes in a row, before the first that was not
  #retry?: ReturnType<typeof setTimeout>;
  #roll?: ReturnType<typeof setTimeout>;
  #beat?: ReturnType<typeof setTimeout>;
  #final?: ReturnType<typeof setTimeout>;
  #pinging?: Link;
  #unwatch?: () => void;
  readonly host: ConnectionHost;

  constructor(host: ConnectionHost) {
    this.host = host;
    this.wire = host.wire;
  }

  connect(): void {
    if (this.state === "connecting" || this.state === "connected") return;
    if (!this.#unwatch) {
      this.#attempt = this.refused = 0;
      this.#unwatch = watchPage({ online: this.#hurry, visible: this.#visible, hidden: this.#hidden });
      this.host.streamsWanted("full"); // nobody has listened since
      if (isHidden()) this.#hidden();
    }
    void this.#try();
  }

  close(): void {
    this.#end("initialized");
  }

  /** Sends a ping at once, and takes the link for dead if twice nothing comes back. */
  async ping(): Promise<void> {
    const { link } = this;
    if (!link || this.#pinging === link) return;
    clearTimeout(this.#beat);
    this.#pinging = link;
    try {
      for (let tries = 0; !link.closed; tries++) {
        const before = new Set(link.rooms.keys());
        const since = Date.now();
        try {
          this.host.pong((await link.request("ping")).data, before, link);
          break;
        } catch {
          if (tries === 0) continue;
          if (link.heard >= since) break; // it lives
          link.close();
        }
      }
    } finally {
      if (this.#pinging === link) this.#pinging = undefined;
      if (this.link) this.#pingLater();
    }
  }

  #pingLater(): void {
    clearTimeout(this.#beat);
    this.#beat = setTimeout(() => void this.ping(), this.host.timing.pingEvery);
  }

  #is(state: ConnectionState, error?: ChatError, retryAt?: number): void {
    this.state = state;
    this.error = error;
    this.retryAt = retryAt;
    this.host.changed();
  }

  // LinkEvents

  open(link: Link): void {
    this.refused = -Infinity;
    if (link !== this.#opening) return; // #rollOver goes on
    this.#opening = undefined;
    this.take(link);
  }

  frame(f: Frame, link: Link): void {
    this.host.frame(f, link);
    if (f.error && !f.id && endings.test(f.error.code)) {
      link.reason = refusal(f.error);
      link.close();
    }
  }

  silent(link: Link): void {
    if (link === this.link) void this.ping();
  }

  closed(link: Link): void {
    this.#links.delete(link);
    if (link === this.#opening) {
      this.#opening = undefined;
      void this.#whyRefused(link, this.run);
    } else if (link === this.next) {
      this.next = undefined;
    } else if (link === this.link) {
      this.link = undefined;
      if (Date.now() - this.#since >= Math.min(lived, this.host.timing.backoffMax / 2)) this.#attempt = 0;
      if (this.next?.open) this.take(this.next);
      else this.#lost(link.reason ?? unavailable("The connection was lost"));
    }
  }

  /** Makes a link the one that is used. */
  take(link: Link): void {
    const another = this.state === "connected";
    const now = Date.now();
    if (!another) this.#since = now;
    this.next = undefined;
    this.link = link;
    const { timing } = this.host;
    this.#pingLater();
    const after = timing.rolloverAfter + (2 * Math.random() - 1) * timing.rolloverJitter;
    this.due = now + after;
    const left = expiry(this.token) - now;
    const early = left - Math.min(60_000, left / 5);
    // Where the clock is ahead each token seems to be over, the newest too.
    this.rollIn(Math.min(after, another ? Math.max(early, rollsEvery) : early));
    this.host.swapped();
    this.#is("connected");
    void this.host.enter(link); // also what was opened or left while it was prepared
  }

  rollIn(ms: number): void {
    clearTimeout(this.#roll);
    this.#roll = setTimeout(() => void this.#rollOver(), Math.min(Math.max(ms, 1000), 2 ** 31 - 1));
  }

  async #try(): Promise<void> {
    const run = ++this.run;
    clearTimeout(this.#retry);
    this.#is("connecting", this.error);
    try {
      const token = await this.host.tokens.get(true);
      if (run !== this.run) return;
      if (this.error?.code === "token_expired" && token === this.token) return this.#end("failed", this.error);
      this.token = token;
      this.#opening = this.dial();
    } catch (e) {
      if (run === this.run) this.#lost(asChatError(e));
    }
  }

  dial(): Link {
    const { options, timing } = this.host;
    const Socket = options.WebSocket ?? globalThis.WebSocket;
    if (!Socket) throw new ChatError("wrong_url", "Pass a WebSocket");
    let ws: WebSocket;
    try {
      ws = new Socket(options.url, ["aiwm.v2", "bearer", this.token]);
    } catch {
      throw new ChatError("wrong_url", `${options.url} is no address`);
    }
    const link = new Link(ws, this, timing.ackTimeout);
    this.#links.add(link);
    return link;
  }

  async #whyRefused(link: Link, run: number): Promise<void> {
    const error = link.reason ?? (await import("./refused.js").catch(notLoaded).then(({ whyRefused }) => whyRefused(this)).catch(asChatError));
    if (run === this.run) this.#lost(error);
  }

  #lost(error: ChatError): void {
    this.#stopTimers();
    this.next?.close(); // one that does not take over any more would stay for ever
    if (error.code === "token_expired" && this.#attempt === 0) {
      this.#attempt++;
      this.error = error;
      void this.#try();
      return;
    }
    if (!error.retryable && !/^(token_expired|switched_off)$/.test(error.code)) return this.#end("failed", error);
    const wait = waitAfter(error, backoff(this.#attempt++, this.host.timing));
    this.#retry = setTimeout(() => void this.#try(), wait);
    this.#is("disconnected", error, Date.now() + wait);
  }

  #end(state: ConnectionState, error?: ChatError): void {
    this.run++;
    this.#stopTimers();
    clearTimeout(this.#final);
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.link = this.next = this.#opening = undefined;
    for (const link of [...this.#links]) link.close();
    this.host.tokens.forget();
    this.#is(state, error);
  }

  #stopTimers(): void {
    [this.#retry, this.#roll, this.#beat].forEach(clearTimeout);
  }

  async #rollOver(): Promise<void> {
    const { link } = this;
    if (!link || this.next) return;
    try {
      await (await import("./rollover.js")).rollOver(this, link);
    } catch {
      if (this.link === link) this.rollIn(this.host.timing.backoffMax);
    }
  }

  readonly #hurry = () => {
    if (this.state === "disconnected") void this.#try();
    else if (this.state === "connected") void this.ping();
  };

  readonly #visible = (hiddenFor: number) => {
    clearTimeout(this.#final);
    this.host.streamsWanted("full");
    if (this.state === "disconnected") void this.#try();
    else if (hiddenFor >= this.host.timing.hiddenPing) void this.ping();
  };

  readonly #hidden = () => {
    clearTimeout(this.#final);
    this.#final = setTimeout(() => this.host.streamsWanted("final"), this.host.timing.hiddenFinal);
  };
}
