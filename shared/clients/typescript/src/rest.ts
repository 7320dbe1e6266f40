import { asChatError, ChatError, unavailable } from "./error.js";
import type * as P from "./protocol.gen.js";

/** One page of a list; where there are more, `pagination` says how to ask for the next. */
type Query = Record<string, string | number | boolean | undefined>;

/** @internal */
export interface RestOptions {
  url: string;
  /** fresh: the last one was refused. */
  token: (fresh?: boolean) => Promise<string>;
  fetch: typeof fetch;
}

interface Call {
  query?: Query;
  body?: unknown;
  /** The call may be made twice, whatever became of it. */
  again?: boolean;
  headers?: Record<string, string>;
  signal?: AbortSignal;
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

  listConversations(
    query: { status?: P.ConversationStatus; agentId?: string; userId?: string; tag?: string; sort?: string; page?: number; cursor?: string; limit?: number } = {},
    signal?: AbortSignal,
  ): Promise<P.ConversationPage> {
    return this.#get("conversations", query, signal);
  }
  /** Under the same key a repeat creates nothing: without one it has a key of its own. */
  createConversation(body: P.CreateConversation, idempotencyKey = newId(), signal?: AbortSignal): Promise<P.ConversationInfo> {
    return this.#call("POST", "conversations", { body, again: true, headers: { "Idempotency-Key": idempotencyKey }, signal });
  }
  getConversation(id: string, signal?: AbortSignal): Promise<P.ConversationInfo> {
    return this.#get(`conversations/${e(id)}`, {}, signal);
  }
  updateConversation(id: string, body: P.UpdateConversation, signal?: AbortSignal): Promise<P.ConversationInfo> {
    return this.#call("PUT", `conversations/${e(id)}`, { body, again: true, signal });
  }
  deleteConversation(id: string, signal?: AbortSignal): Promise<void> {
    return this.#call("DELETE", `conversations/${e(id)}`, { again: true, signal });
  }
  addParticipant(id: string, body: P.AddParticipant, signal?: AbortSignal): Promise<P.ConversationInfo> {
    return this.#call("POST", `conversations/${e(id)}/participants`, { body, again: true, signal });
  }
  removeParticipant(id: string, type: P.PrincipalType, participantId: string, signal?: AbortSignal): Promise<void> {
    return this.#call("DELETE", `conversations/${e(id)}/participants/${type}/${e(participantId)}`, { again: true, signal });
  }
  messages(query: { conversationId: string; afterSeq?: number; beforeSeq?: number; limit?: number; role?: P.Role }, signal?: AbortSignal): Promise<P.MessagePage> {
    return this.#get("messages", query, signal);
  }
  message(id: string, signal?: AbortSignal): Promise<P.Message> {
    return this.#get(`messages/${e(id)}`, {}, signal);
  }
  /** The key is the message's clientMessageId: under it, it is stored once. */
  postMessage(body: P.MessageInput, idempotencyKey = body.clientMessageId ?? newId(), signal?: AbortSignal): Promise<P.Sent> {
    return this.#call("POST", "messages", { body, again: true, headers: { "Idempotency-Key": idempotencyKey }, signal });
  }
  deleteMessage(id: string, signal?: AbortSignal): Promise<void> {
    return this.#call("DELETE", `messages/${e(id)}`, { again: true, signal });
  }
  presence(conversationId: string, signal?: AbortSignal): Promise<P.PresencePage> {
    return this.#get("presence", { conversationId }, signal);
  }
  streams(id: string, signal?: AbortSignal): Promise<P.Streams> {
    return this.#get(`conversations/${e(id)}/streams`, {}, signal);
  }
  stream(id: string, streamId: string, signal?: AbortSignal): Promise<P.StreamSnapshot> {
    return this.#get(`conversations/${e(id)}/streams/${e(streamId)}`, {}, signal);
  }
  stopStream(id: string, streamId: string, signal?: AbortSignal): Promise<P.StreamStopping> {
    return this.#call("POST", `conversations/${e(id)}/streams/${e(streamId)}/stop`, { again: true, signal });
  }
  decide(id: string, toolCallId: string, body: P.Decide, signal?: AbortSignal): Promise<P.Message> {
    return this.#call("POST", `conversations/${e(id)}/approvals/${e(toolCallId)}`, { body, again: true, signal });
  }
  regenerate(messageId: string, signal?: AbortSignal): Promise<P.Run> {
    return this.#call("POST", `messages/${e(messageId)}/regenerate`, { signal });
  }
  agents(query: { cursor?: string; limit?: number } = {}, signal?: AbortSignal): Promise<P.AgentPage> {
    return this.#get("agents", query, signal);
  }
  agent(id: string, signal?: AbortSignal): Promise<P.Agent> {
    return this.#get(`agents/${e(id)}`, {}, signal);
  }
  createAgent(body: P.CreateAgent, signal?: AbortSignal): Promise<P.Agent> {
    return this.#call("POST", "agents", { body, signal });
  }
  updateAgent(id: string, body: P.UpdateAgent, signal?: AbortSignal): Promise<P.Agent> {
    return this.#call("PUT", `agents/${e(id)}`, { body, signal });
  }
  deleteAgent(id: string, signal?: AbortSignal): Promise<void> {
    return this.#call("DELETE", `agents/${e(id)}`, { again: true, signal });
  }
  backlog(agentId: string, query: { cursor?: string; limit?: number } = {}, signal?: AbortSignal): Promise<P.BacklogPage> {
    return this.#get(`agents/${e(agentId)}/backlog`, query, signal);
  }
  runs(id: string, query: { cursor?: string; limit?: number } = {}, signal?: AbortSignal): Promise<P.RunPage> {
    return this.#get(`conversations/${e(id)}/runs`, query, signal);
  }
  run(id: string, signal?: AbortSignal): Promise<P.Run> {
    return this.#get(`runs/${e(id)}`, {}, signal);
  }
  stopRun(id: string, signal?: AbortSignal): Promise<P.Run> {
    return this.#call("POST", `runs/${e(id)}/stop`, { again: true, signal });
  }
  summarize(id: string, signal?: AbortSignal): Promise<P.SummaryResult> {
    return this.#call("POST", `conversations/${e(id)}/summary`, { signal });
  }
  usage(query: { from: string; to: string; groupBy: P.UsageGroup }, signal?: AbortSignal): Promise<P.UsageReport> {
    return this.#get("usage", query, signal);
  }
  health(query: { deep?: boolean } = {}, signal?: AbortSignal): Promise<P.HealthReport> {
    return this.#get("health", query, signal);
  }

  #get<T>(path: string, query: Query, signal?: AbortSignal): Promise<T> {
    return this.#call("GET", path, { query, again: true, signal });
  }

  async #call<T>(method: string, path: string, call: Call): Promise<T> {
    const token = await this.#o.token();
    try {
      return await this.once<T>(token, method, path, call);
    } catch (cause) {
      if (call.signal?.aborted) throw cause;
      const error = asChatError(cause);
      if (error.status === 401) {
        const fresh = await this.#o.token(true);
        if (fresh === token) throw error;
        return this.once<T>(fresh, method, path, call);
      }
      // A refusal has changed nothing; of a call without an answer nobody knows.
      if (!error.retryable || !(call.again || error.status) || (error.retryAfterMs ?? 0) > maxWait) throw error;
      await new Promise((resolve) => setTimeout(resolve, error.retryAfterMs ?? 200 + Math.random() * 300));
      return this.once<T>(await this.#o.token(), method, path, call);
    }
  }

  /** @internal */
  async once<T>(token: string, method: string, path: string, call: Call = {}): Promise<T> {
    let url: URL;
    try {
      url = new URL(`${this.#o.url}/${path}`);
    } catch {
      throw new ChatError("wrong_url", `${this.#o.url} is no address`);
    }
    for (const [key, value] of Object.entries(call.query ?? {})) {
      if (value !== undefined) url.searchParams.set(key, String(value));
    }
    const headers: Record<string, string> = { Authorization: `Bearer ${token}`, ...call.headers };
    if (call.body !== undefined) headers["Content-Type"] = "application/json";
    const late = AbortSignal.timeout(timeout);
    const signal = call.signal ? AbortSignal.any([call.signal, late]) : late;
    let response: Response;
    try {
      response = await this.#o.fetch(url, { method, headers, body: call.body === undefined ? undefined : JSON.stringify(call.body), signal });
    } catch (cause) {
      if (call.signal?.aborted) throw cause;
      throw unavailable(`${url.origin} cannot be reached`);
    }
    const text = await response.text().catch(() => "");
    if (response.ok && (response.status === 204 || text === "")) return undefined as T;
    let body: { code?: P.Code; detail?: string; message?: string; retryable?: boolean; details?: Record<string, unknown> } | undefined;
    try {
      body = JSON.parse(text);
    } catch {
      // Not of the chat.
    }
    const { status } = response;
    if (response.ok && body) return body as T;
    const after = Number(response.headers.get("Retry-After")) * 1000 || undefined;
    if (body?.code) {
      throw new ChatError(body.code, body.detail ?? body.code, { status, retryable: body.retryable, details: body.details, retryAfterMs: (body.details?.retryAfterMs as number) ?? after });
    }
    if (status === 429 || status >= 500) {
      throw new ChatError(status === 429 ? "rate_limited" : "unavailable", body?.message ?? `${url.origin} answers ${status}`, { status, retryable: true, retryAfterMs: after });
    }
    if (status === 401 || status === 403) throw new ChatError(status === 401 ? "unauthorized" : "forbidden", body?.message ?? `${url.origin} answers ${status}`, { status });
    throw new ChatError("wrong_url", `There is no chat at ${this.#o.url}: it answers ${status}`, { status });
  }
}

/** As encodeURIComponent, which does it for all that ids consist of. */
const e = encodeURIComponent;

/** @internal An id that nothing else has: also where crypto.randomUUID is not, on pages without TLS. */
export function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
}
