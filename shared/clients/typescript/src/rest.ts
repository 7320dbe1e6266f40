import { notLoaded } from "./later.js";
import type * as P from "./protocol.gen.js";

/** @internal */
export interface RestOptions {
  url: string;
  /** fresh: the last one was refused. */
  token: (fresh?: boolean) => Promise<string>;
  fetch: typeof fetch;
}

/** Each call: what is asked for, ids in their places, and after them what is in `in`: the query of a GET, or else the body. Under a signal it can be ended. */
export interface Calls {
  /** Under the same key a repeat creates nothing: without one it has a key of its own. */
  createConversation: (body: P.CreateConversation, idempotencyKey?: string, signal?: AbortSignal) => Promise<P.ConversationInfo>;
  /** The key is the message's clientMessageId: under it, it is stored once. */
  postMessage: (body: P.MessageInput, idempotencyKey?: string, signal?: AbortSignal) => Promise<P.Sent>;
  listConversations: (query?: { status?: P.ConversationStatus; agentId?: string; userId?: string; tag?: string; sort?: string; page?: number; cursor?: string; limit?: number }, signal?: AbortSignal) => Promise<P.ConversationPage>;
  getConversation: (id: string, signal?: AbortSignal) => Promise<P.ConversationInfo>;
  updateConversation: (id: string, body: P.UpdateConversation, signal?: AbortSignal) => Promise<P.ConversationInfo>;
  deleteConversation: (id: string, signal?: AbortSignal) => Promise<void>;
  addParticipant: (id: string, body: P.AddParticipant, signal?: AbortSignal) => Promise<P.ConversationInfo>;
  removeParticipant: (id: string, type: P.PrincipalType, participantId: string, signal?: AbortSignal) => Promise<void>;
  messages: (query: { conversationId: string; afterSeq?: number; beforeSeq?: number; changedAfter?: string; limit?: number; role?: P.Role }, signal?: AbortSignal) => Promise<P.MessagePage>;
  message: (id: string, signal?: AbortSignal) => Promise<P.Message>;
  editMessage: (id: string, body: P.EditBody, signal?: AbortSignal) => Promise<P.Message>;
  deleteMessage: (id: string, signal?: AbortSignal) => Promise<void>;
  reads: (id: string, signal?: AbortSignal) => Promise<P.ReadMarks>;
  read: (id: string, body: P.ReadBody, signal?: AbortSignal) => Promise<P.ReadUpdate>;
  unread: (id: string, body: P.UnreadBody, signal?: AbortSignal) => Promise<P.ReadUpdate>;
  reactions: (messageId: string, signal?: AbortSignal) => Promise<P.ReactionList>;
  react: (messageId: string, key: string, signal?: AbortSignal) => Promise<P.Reactions>;
  unreact: (messageId: string, key: string, signal?: AbortSignal) => Promise<P.Reactions>;
  createUpload: (body: P.CreateUpload, signal?: AbortSignal) => Promise<P.Upload>;
  /** Of what was uploaded, without `document:`. */
  document: (id: string, signal?: AbortSignal) => Promise<P.DocumentLink>;
  iceServers: (signal?: AbortSignal) => Promise<P.ICEServers>;
  presence: (conversationId: string, signal?: AbortSignal) => Promise<P.PresencePage>;
  streams: (id: string, signal?: AbortSignal) => Promise<P.Streams>;
  stream: (id: string, streamId: string, signal?: AbortSignal) => Promise<P.StreamSnapshot>;
  stopStream: (id: string, streamId: string, signal?: AbortSignal) => Promise<P.StreamStopping>;
  decide: (id: string, toolCallId: string, body: P.Decide, signal?: AbortSignal) => Promise<P.Message>;
  regenerate: (messageId: string, signal?: AbortSignal) => Promise<P.Run>;
  agents: (query?: { cursor?: string; limit?: number }, signal?: AbortSignal) => Promise<P.AgentPage>;
  agent: (id: string, signal?: AbortSignal) => Promise<P.Agent>;
  createAgent: (body: P.CreateAgent, signal?: AbortSignal) => Promise<P.Agent>;
  updateAgent: (id: string, body: P.UpdateAgent, signal?: AbortSignal) => Promise<P.Agent>;
  deleteAgent: (id: string, signal?: AbortSignal) => Promise<void>;
  backlog: (agentId: string, query?: { cursor?: string; limit?: number }, signal?: AbortSignal) => Promise<P.BacklogPage>;
  runs: (id: string, query?: { cursor?: string; limit?: number }, signal?: AbortSignal) => Promise<P.RunPage>;
  run: (id: string, signal?: AbortSignal) => Promise<P.Run>;
  stopRun: (id: string, signal?: AbortSignal) => Promise<P.Run>;
  summarize: (id: string, signal?: AbortSignal) => Promise<P.SummaryResult>;
  usage: (query: { from: string; to: string; groupBy: P.UsageGroup }, signal?: AbortSignal) => Promise<P.UsageReport>;
  health: (query?: { deep?: boolean }, signal?: AbortSignal) => Promise<P.HealthReport>;
}

const names = [
  "createConversation", "postMessage", "listConversations", "getConversation", "updateConversation", "deleteConversation", "addParticipant", "removeParticipant",
  "messages", "message", "editMessage", "deleteMessage", "reads", "read", "unread", "reactions", "react", "unreact", "presence", "iceServers",
  "streams", "stream", "stopStream", "decide", "regenerate", "agents", "agent", "createAgent",
  "updateAgent", "deleteAgent", "backlog", "runs", "run", "stopRun", "summarize", "usage",
  "health", "createUpload", "document",
] as const satisfies readonly (keyof Calls)[];

/** A call that has no name is not there. */
names satisfies readonly [keyof Calls] extends readonly [(typeof names)[number]] ? unknown : never;

export interface Rest extends Calls {}

/**
 * The REST interface, with the client's token. What fails is a {@link ChatError}; what is
 * retryable is tried once more by itself, and a token that has expired replaced.
 */
export class Rest {
  readonly #options: RestOptions;

  /** @internal */
  constructor(options: RestOptions) {
    this.#options = { ...options, url: options.url.replace(/\/+$/, "") };
    for (const name of names) Object.assign(this, { [name]: (...args: unknown[]) => this.#load((calls) => calls.call(this.#options, name, args)) });
  }

  /** @internal Whether the server takes a token: one attempt. */
  check(token: string): Promise<unknown> {
    return this.#load((calls) => calls.attempt(this.#options, token, "GET", "conversations", { limit: 1 }));
  }

  /** What is said and heard goes over the connection: what else there is to ask for is loaded with the first call, of which that is a part. */
  #load<T>(use: (calls: typeof import("./calls.js")) => Promise<T>): Promise<T> {
    return import("./calls.js").catch(notLoaded).then(use);
  }
}

/** @internal An id that nothing else has: also where crypto.randomUUID is not, on pages without TLS. */
export function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
}
