import type { Conversation } from "./conversation.js";
import { Core } from "./core.js";
import type { Rest } from "./rest.js";
import type { ChatOptions, ClientEvents, ClientSnapshot } from "./types.js";

/** A connection to the chat that keeps itself up, and the conversations on it. */
export class ChatClient {
  /** The REST interface, with the same token. */
  readonly rest: Rest;
  readonly #core: Core;

  constructor(options: ChatOptions) {
    this.#core = new Core(options);
    this.rest = this.#core.rest;
    this.subscribe = this.#core.listeners.add;
  }

  /** Idempotent: the client then keeps itself connected until {@link close}, or until it is failed. */
  connect(): void {
    this.#core.connection.connect();
  }

  /** Ends everything; {@link connect} may be called again. */
  close(): void {
    this.#core.connection.close();
  }

  /** Calls the listener, in a microtask, when {@link getSnapshot} has something new, until the function that it returns is called. */
  readonly subscribe: (listener: () => void) => () => void;

  /** The state of the connection; the same object while nothing changed. */
  readonly getSnapshot = (): ClientSnapshot => this.#core.snapshot;

  /** Always the same object for one id. */
  conversation(id: string): Conversation {
    return this.#core.conversation(id);
  }

  /** Calls the listener for each, until the function that it returns is called. */
  on<E extends keyof ClientEvents>(event: E, listener: ClientEvents[E]): () => void {
    return this.#core.on(event, listener);
  }
}
