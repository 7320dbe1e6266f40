import { asChatError, ChatError, unavailable } from "./error.js";
import { sleep } from "./timing.js";
import type * as P from "./protocol.gen.js";

type Query = Record<string, string | number | boolean | undefined>;

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

/**
 * The REST interface, with the client's token. What fails is a {@link ChatError}; what is
 * retryable is tried once more by itself, and a token that has expired replaced.
 */
export class Rest {
  readonly #o: RestOptions;

  /** @internal */
  constructor(options: RestOptions) {
    this.#o = { ...options, url: options.url.replace(/\/+$/, "") };
  }

  listConversations(query: { status?: P.ConversationStatus; agentId?: string; userId?: string; tag?: string; sort?: string; page?: number; cursor?: string; limit?: number } = {}, signal?: AbortSignal): Promise<P.ConversationPage> {
    return this.#call("GET", "conversations", signal, query);
  }
  /** Under the same key a repeat creates nothing: without one it has a key of its own. */
  createConversation(body: P.CreateConversation, idempotencyKey = newId(), signal?: AbortSignal): Promise<P.ConversationInfo> {
    return this.#call("POST", "conversations", signal, {}, body, idempotencyKey);
  }
  getConversation(id: string, signal?: AbortSignal): Promise<P.ConversationInfo> {
    return this.#call("GET", `conversations/${e(id)}`, signal);
  }
  updateConversation(id: string, body: P.UpdateConversation, signal?: AbortSignal): Promise<P.ConversationInfo> {
    return this.#call("PUT", `conversations/${e(id)}`, signal, {}, body);
  }
  deleteConversation(id: string, signal?: AbortSignal): Promise<void> {
    return this.#call("DELETE", `conversations/${e(id)}`, signal);
  }
  addParticipant(id: string, body: P.AddParticipant, signal?: AbortSignal): Promise<P.ConversationInfo> {
    return this.#call("POST", `conversations/${e(id)}/participants`, signal, {}, body);
  }
  removeParticipant(id: string, type: P.PrincipalType, participantId: string, signal?: AbortSignal): Promise<void> {
    return this.#call("DELETE", `conversations/${e(id)}/participants/${e(type)}/${e(participantId)}`, signal);
  }
  messages(query: { conversationId: string; afterSeq?: number; beforeSeq?: number; limit?: number; role?: P.Role }, signal?: AbortSignal): Promise<P.MessagePage> {
    return this.#call("GET", "messages", signal, query);
  }
  message(id: string, signal?: AbortSignal): Promise<P.Message> {
    return this.#call("GET", `messages/${e(id)}`, signal);
  }
  /** The key is the message's clientMessageId: under it, it is stored once. */
  postMessage(body: P.MessageInput, idempotencyKey = body.clientMessageId ?? newId(), signal?: AbortSignal): Promise<P.Sent> {
    return this.#call("POST", "messages", signal, {}, body, idempotencyKey);
  }
  deleteMessage(id: string, signal?: AbortSignal): Promise<void> {
    return this.#call("DELETE", `messages/${e(id)}`, signal);
  }
  presence(conversationId: string, signal?: AbortSignal): Promise<P.PresencePage> {
    return this.#call("GET", "presence", signal, { conversationId });
  }
  streams(id: string, signal?: AbortSignal): Promise<P.Streams> {
    return this.#call("GET", `conversations/${e(id)}/streams`, signal);
  }
  stream(id: string, streamId: string, signal?: AbortSignal): Promise<P.StreamSnapshot> {
    return this.#call("GET", `conversations/${e(id)}/streams/${e(streamId)}`, signal);
  }
  stopStream(id: string, streamId: string, signal?: AbortSignal): Promise<P.StreamStopping> {
    return this.#call("POST", `conversations/${e(id)}/streams/${e(streamId)}/stop`, signal);
  }
  decide(id: string, toolCallId: string, body: P.Decide, signal?: AbortSignal): Promise<P.Message> {
    return this.#call("POST", `conversations/${e(id)}/approvals/${e(toolCallId)}`, signal, {}, body);
  }
  regenerate(messageId: string, signal?: AbortSignal): Promise<P.Run> {
    return this.#call("POST", `messages/${e(messageId)}/regenerate`, signal);
  }
  agents(query: { cursor?: string; limit?: number } = {}, signal?: AbortSignal): Promise<P.AgentPage> {
    return this.#call("GET", "agents", signal, query);
  }
  agent(id: string, signal?: AbortSignal): Promise<P.Agent> {
    return this.#call("GET", `agents/${e(id)}`, signal);
  }
  createAgent(body: P.CreateAgent, signal?: AbortSignal): Promise<P.Agent> {
    return this.#call("POST", "agents", signal, {}, body);
  }
  updateAgent(id: string, body: P.UpdateAgent, signal?: AbortSignal): Promise<P.Agent> {
    return this.#call("PUT", `agents/${e(id)}`, signal, {}, body);
  }
  deleteAgent(id: string, signal?: AbortSignal): Promise<void> {
    return this.#call("DELETE", `agents/${e(id)}`, signal);
  }
  backlog(agentId: string, query: { cursor?: string; limit?: number } = {}, signal?: AbortSignal): Promise<P.BacklogPage> {
    return this.#call("GET", `agents/${e(agentId)}/backlog`, signal, query);
  }
  runs(id: string, query: { cursor?: string; limit?: number } = {}, signal?: AbortSignal): Promise<P.RunPage> {
    return this.#call("GET", `conversations/${e(id)}/runs`, signal, query);
  }
  run(id: string, signal?: AbortSignal): Promise<P.Run> {
    return this.#call("GET", `runs/${e(id)}`, signal);
  }
  stopRun(id: string, signal?: AbortSignal): Promise<P.Run> {
    return this.#call("POST", `runs/${e(id)}/stop`, signal);
  }
  summarize(id: string, signal?: AbortSignal): Promise<P.SummaryResult> {
    return this.#call("POST", `conversations/${e(id)}/summary`, signal);
  }
  usage(query: { from: string; to: string; groupBy: P.UsageGroup }, signal?: AbortSignal): Promise<P.UsageReport> {
    return this.#call("GET", "usage", signal, query);
  }
  health(query: { deep?: boolean } = {}, signal?: AbortSignal): Promise<P.HealthReport> {
    return this.#call("GET", "health", signal, query);
  }

  async #call<T>(method: string, path: string, signal?: AbortSignal, query?: Query, body?: unknown, key?: string): Promise<T> {
    const token = (fresh?: boolean) => orAborted(this.#o.token(fresh), signal);
    const used = await token();
    const once = (token: string) => this.once<T>(token, method, path, signal, query, body, key);
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
  async once<T>(token: string, method: string, path: string, signal?: AbortSignal, query: Query = {}, body?: unknown, key?: string): Promise<T> {
    const at = this.#o.url;
    let url: URL;
    try {
      url = new URL(`${at}/${path}`);
    } catch {
      throw new ChatError("wrong_url", `${at} is no address`);
    }
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const headers: Record<string, string> = { Authorization: `Bearer ${token}` };
    if (body) headers["Content-Type"] = "application/json";
    if (key) headers["Idempotency-Key"] = key;
    let response: Response;
    let text: string;
    try {
      response = await this.#o.fetch(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal: signal ?? AbortSignal.timeout(timeout) });
      text = await response.text();
    } catch (cause) {
      if (signal?.aborted) throw cause;
      throw unavailable(`${at} cannot be reached`);
    }
    const { status, ok } = response;
    if (status === 204) return undefined as T;
    const answer = parsed(text);
    if (ok && answer) return answer as T;
    const { code, detail, message = `${at} answers ${status}`, retryable, details }: { code?: P.Code; detail?: string; message?: string; retryable?: boolean; details?: Record<string, unknown> } = answer ?? {};
    const retryAfterMs = (details?.retryAfterMs as number) ?? (Number(response.headers.get("Retry-After")) * 1000 || undefined);
    if (code) throw new ChatError(code, detail ?? code, { status, retryable, details, retryAfterMs });
    // Not of the chat, but of what is before it, or of something else.
    const again = status === 429 || status > 499;
    const own = again ? "unavailable" : status === 401 ? "unauthorized" : status === 403 ? "forbidden" : "wrong_url";
    throw new ChatError(own, own === "wrong_url" ? `There is no chat at ${at}: it answers ${status}` : message, { status, retryable: again, retryAfterMs });
  }
}

const e = encodeURIComponent;

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
