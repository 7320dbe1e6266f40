import { Conversation } from "./conversation.js";
import { Rest } from "./rest.js";
import type { ChatOptions, ClientEvents, ClientSnapshot } from "./types.js";

const soon = () => new Error("not there yet");

export class ChatClient {
  readonly rest: Rest;
  constructor(options: ChatOptions) {
    this.rest = new Rest({ url: options.restUrl, token: async () => options.getToken(), fetch: options.fetch ?? fetch.bind(globalThis) });
  }
  /** Idempotent: the client then keeps itself connected until {@link close}, or until it is failed. */
  connect(): void {
    throw soon();
  }
  /** Ends everything; {@link connect} may be called again. */
  close(): void {}
  subscribe(_listener: () => void): () => void {
    return () => {};
  }
  getSnapshot(): ClientSnapshot {
    throw soon();
  }
  /** Always the same object for one id. */
  conversation(id: string): Conversation {
    return new Conversation(id);
  }
  on<E extends keyof ClientEvents>(_event: E, _listener: ClientEvents[E]): () => void {
    return () => {};
  }
}
