import { asChatError, ChatError, unavailable } from "./error.js";
import { sleep } from "./timing.js";
import type * as P from "./protocol.gen.js";

/** @internal */
export interface RestOptions {
  url: string;
  /** fresh: the last one was refused. */
  token: (fresh?: boolean) => Promise<string>;
  fetch: typeof fetch;
}

const maxWait = 5000;
/** A little longer than API Gateway waits for a function. */
const timeout = 35_000;

/** Each call: what is asked for, ids in their places, and after them what is in `in`: the query of a GET, or else the body. Under a signal it can be ended. */
interface Calls {
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
  reactions: (messageId: string, signal?: AbortSignal) => Promise<P.ReactionList>;
  react: (messageId: string, key: string, signal?: AbortSignal) => Promise<P.Reactions>;
  unreact: (messageId: string, key: string, signal?: AbortSignal) => Promise<P.Reactions>;
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

/** Where each of them goes: the colons are its ids, in their order, and `in` says that it has a query or a body. */
const routes: Record<keyof Calls, string> = {
  listConversations: "GET conversations in",
  getConversation: "GET conversations/:",
  updateConversation: "PUT conversations/: in",
  deleteConversation: "DELETE conversations/:",
  addParticipant: "POST conversations/:/participants in",
  removeParticipant: "DELETE conversations/:/participants/:/:",
  messages: "GET messages in",
  message: "GET messages/:",
  editMessage: "PUT messages/: in",
  deleteMessage: "DELETE messages/:",
  reactions: "GET messages/:/reactions",
  react: "PUT messages/:/reactions/:",
  unreact: "DELETE messages/:/reactions/:",
  presence: "GET presence?conversationId=:",
  streams: "GET conversations/:/streams",
  stream: "GET conversations/:/streams/:",
  stopStream: "POST conversations/:/streams/:/stop",
  decide: "POST conversations/:/approvals/: in",
  regenerate: "POST messages/:/regenerate",
  agents: "GET agents in",
  agent: "GET agents/:",
  createAgent: "POST agents in",
  updateAgent: "PUT agents/: in",
  deleteAgent: "DELETE agents/:",
  backlog: "GET agents/:/backlog in",
  runs: "GET conversations/:/runs in",
  run: "GET runs/:",
  stopRun: "POST runs/:/stop",
  summarize: "POST conversations/:/summary",
  usage: "GET usage in",
  health: "GET health in",
};

export interface Rest extends Calls {}

/**
 * The REST interface, with the client's token. What fails is a {@link ChatError}; what is
 * retryable is tried once more by itself, and a token that has expired replaced.
 */
export class Rest {
  readonly #o: RestOptions;

  /** @internal */
  constructor(options: RestOptions) {
    this.#o = { ...options, url: options.url.replace(/\/+$/, "") };
    for (const [name, route] of Object.entries(routes)) {
      const [method, path, input] = route.split(" ") as [string, string, string?];
      const call = (...args: any[]) => {
        const at = path.replace(/:/g, () => encodeURIComponent(args.shift()));
        return this.#call(method, at, input && args.shift(), args[0]);
      };
      Object.assign(this, { [name]: call });
    }
  }

  /** Under the same key a repeat creates nothing: without one it has a key of its own. */
  createConversation(body: P.CreateConversation, idempotencyKey = newId(), signal?: AbortSignal): Promise<P.ConversationInfo> {
    return this.#call("POST", "conversations", body, signal, idempotencyKey);
  }

  /** The key is the message's clientMessageId: under it, it is stored once. */
  postMessage(body: P.MessageInput, idempotencyKey = body.clientMessageId ?? newId(), signal?: AbortSignal): Promise<P.Sent> {
    return this.#call("POST", "messages", body, signal, idempotencyKey);
  }

  async #call<T>(method: string, path: string, input?: object, signal?: AbortSignal, key?: string): Promise<T> {
    const token = (fresh?: boolean) => orAborted(this.#o.token(fresh), signal);
    const used = await token();
    const once = (token: string) => this.once<T>(token, method, path, input, signal, key);
    try {
      return await once(used);
    } catch (cause) {
      if (signal?.aborted) throw cause;
      const error = asChatError(cause);
      const { status } = error;
      const wait = Math.max(error.retryAfterMs ?? 0, 200 + Math.random() * 300);
      if (status === 401) {
        const fresh = await token(true);
        if (fresh === used) throw error;
        return once(fresh);
      }
      // A refusal has changed nothing; of a call without an answer nobody knows.
      if (!error.retryable || !(status || key || method !== "POST") || wait > maxWait) throw error;
      await orAborted(sleep(wait), signal);
      return once(await token());
    }
  }

  /** @internal */
  async once<T>(token: string, method: string, path: string, input?: object, signal?: AbortSignal, key?: string): Promise<T> {
    const at = this.#o.url;
    let url: URL;
    try {
      url = new URL(`${at}/${path}`);
    } catch {
      throw new ChatError("wrong_url", `${at} is no address`);
    }
    const headers: Record<string, string> = { Authorization: `Bearer ${token}` };
    let body: string | undefined;
    if (method === "GET") {
      for (const [name, value] of Object.entries(input ?? {})) if (value !== undefined) url.searchParams.set(name, value);
    } else if (input) {
      body = JSON.stringify(input);
      headers["Content-Type"] = "application/json";
    }
    if (key) headers["Idempotency-Key"] = key;
    let response: Response;
    let text: string;
    try {
      response = await this.#o.fetch(url, { method, headers, body, signal: signal ?? AbortSignal.timeout(timeout) });
      text = await response.text();
    } catch (cause) {
      if (signal?.aborted) throw cause;
      throw unavailable(`${at} cannot be reached`);
    }
    const { status, ok } = response;
    if (status === 204) return undefined as T;
    const answer = parsed(text);
    if (ok && answer) return answer;
    // Without a code it is not of the chat, but of what is before it, or of something else.
    const again = status === 429 || status > 499;
    const own = again ? "unavailable" : status === 401 ? "unauthorized" : status === 403 ? "forbidden" : "wrong_url";
    const { code, message = `${at} answers ${status}`, detail = code, retryable = !code && again, details }: { code?: P.Code; detail?: string; message?: string; retryable?: boolean; details?: Record<string, unknown> } = answer ?? {};
    const why = code ? detail! : own === "wrong_url" ? `There is no chat at ${at}: it answers ${status}` : message;
    throw new ChatError(code ?? own, why, { status, retryable, details, retryAfterMs: Number(response.headers.get("Retry-After")) * 1000 || undefined });
  }
}

function parsed(text: string) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What a signal ends for who waits, although what is waited for does not know of it. */
function orAborted<T>(what: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (!signal) return what;
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop);
    void what.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

/** @internal An id that nothing else has: also where crypto.randomUUID is not, on pages without TLS. */
export function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
}
