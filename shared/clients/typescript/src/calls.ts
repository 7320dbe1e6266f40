import { asChatError, ChatError, unavailable } from "./error.js";
import type { Code } from "./protocol.gen.js";
import { type Calls, newId, type RestOptions } from "./rest.js";
import { sleep } from "./timing.js";

const maxWait = 5000;
/** A little longer than API Gateway waits for a function. */
const timeout = 35_000;

/** Where each call goes: the colons are its ids, in their order, and `in` says that it has a query or a body; `key`, that a key may follow that. */
const routes: Readonly<Record<keyof Calls, string>> = {
  createConversation: "POST conversations in key",
  postMessage: "POST messages in key",
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
  reads: "GET conversations/:/reads",
  read: "PUT conversations/:/read in",
  unread: "PUT conversations/:/unread in",
  reactions: "GET messages/:/reactions",
  react: "PUT messages/:/reactions/:",
  unreact: "DELETE messages/:/reactions/:",
  createUpload: "POST uploads in",
  document: "GET documents/:",
  iceServers: "GET calls/ice",
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

/** @internal */
export async function call(options: RestOptions, name: keyof Calls, args: any[]): Promise<any> {
  const [method, path, input, keyed] = routes[name].split(" ") as [string, string, string?, string?];
  const at = path.replace(/:/g, () => encodeURIComponent(args.shift()));
  const said = input && args.shift();
  const key = keyed && (args.shift() ?? said.clientMessageId ?? newId());
  return send(options, method, at, said, args[0], key);
}

async function send<T>(options: RestOptions, method: string, path: string, input?: object, signal?: AbortSignal, key?: string): Promise<T> {
  const token = (fresh?: boolean) => orAborted(options.token(fresh), signal);
  const used = await token();
  const once = (token: string) => attempt<T>(options, token, method, path, input, signal, key);
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
export async function attempt<T>(options: RestOptions, token: string, method: string, path: string, input?: object, signal?: AbortSignal, key?: string): Promise<T> {
  const at = options.url;
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
    response = await options.fetch(url, { method, headers, body, signal: signal ?? AbortSignal.timeout(timeout) });
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
  const { code, message = `${at} answers ${status}`, detail = code, retryable = !code && again, details }: { code?: Code; detail?: string; message?: string; retryable?: boolean; details?: Record<string, unknown> } = answer ?? {};
  const why = code ? detail! : own === "wrong_url" ? `There is no chat at ${at}: it answers ${status}` : message;
  throw new ChatError(code ?? own, why, { status, retryable, details, retryAfterMs: Number(response.headers.get("Retry-After")) * 1000 || undefined });
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
