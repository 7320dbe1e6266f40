import type { Approval, Message } from "../protocol.gen.js";
import type { ConversationSnapshot } from "../types.js";

/**
 * What becomes of a question, in the order in which it is to be shown. A step is one thing
 * that its agent says, with the calls that it makes there.
 */
export type Piece =
  | { type: "step"; id: string; agent: string }
  | { type: "thinking" | "text"; id: string; delta: string }
  /** What was said in this step is void, and comes again: its agent began anew. */
  | { type: "reset"; id: string }
  /** The step is in the log. */
  | { type: "message"; id: string; message: Message }
  | { type: "call"; call: Call; message: Message }
  | { type: "decision"; callId: string; approved: boolean; reason?: string }
  | { type: "result"; result: Result; message: Message }
  | End;

/** `waiting`: for a decision, after which it goes on. */
export type End = { type: "end"; how: "answered" | "waiting" | "failed" | "cancelled"; message: Message };

export interface Call {
  id: string;
  name: string;
  input: unknown;
  /** It is made only when somebody allows it. */
  ask: boolean;
}

export interface Result {
  callId: string;
  output: unknown;
  isError: boolean;
  /** It was not made, because nobody allowed it. */
  denied: boolean;
}

/** Which answer is read. */
export interface Question {
  /** Its message; without it the answer is what was not asked for, of `streamId`. */
  id?: string;
  /** What is in the log up to there is not of this answer. */
  after: number;
  streamId?: string;
  /** Of several runs that answer it this one; the ids of all that it says begin with its own. */
  run?: string;
}

type View = Pick<ConversationSnapshot, "messages" | "streams">;

/** Says what is new of the answer to a question, each time that it is shown the conversation. */
export class AnswerReader {
  /** Set when nothing more is to come, but for a decision. */
  end?: End;
  agent?: string;
  readonly calls = new Map<string, Call>();
  readonly question: Question;
  readonly #steps = new Map<string, Step>();
  readonly #results = new Set<string>();
  readonly #decided = new Set<string>();
  #seen: number;
  #lost: readonly string[] = [];
  #out: Piece[] = [];

  constructor(question: Question) {
    this.question = question;
    this.#seen = question.after;
  }

  /** Steps of which there was a stream, and now neither that nor a message. */
  get lost(): readonly string[] {
    return this.#lost;
  }

  get began(): boolean {
    return this.#steps.size > 0;
  }

  read({ messages, streams }: View): Piece[] {
    this.#out = [];
    const from = messages.findIndex((m) => m.seq > this.#seen);
    for (const m of from < 0 ? [] : messages.slice(from)) {
      if (this.#over) break;
      this.#seen = m.seq;
      this.#message(m);
    }
    const open = new Set<string>();
    for (const s of this.#over ? [] : streams) {
      // A piece may overtake the beginning, which says whose it is.
      if (!s.participantId || !this.#mine(s.participantId, s.parentId, s.streamId)) continue;
      open.add(s.streamId);
      const step = this.#step(s.streamId, s.participantId);
      if (!step.done) this.#say(step, s.thinking, s.content);
    }
    this.#lost = [...this.#steps.values()].filter((step) => !step.done && !open.has(step.id)).map((step) => step.id);
    if (!this.#over) this.#wait();
    return this.#out;
  }

  /** A run that waits goes on when it is decided. */
  get #over(): boolean {
    return this.end !== undefined && this.end.how !== "waiting";
  }

  #mine(agent: string, parentId: string | undefined, id: string): boolean {
    if (this.agent !== undefined && agent !== this.agent) return false;
    if (this.question.run !== undefined) return id.startsWith(`${this.question.run}:`);
    if (this.question.id === undefined) return id === this.question.streamId;
    return parentId === undefined || parentId === this.question.id;
  }

  #message(m: Message): void {
    const { approval } = m;
    if (approval?.toolCallId) {
      if (!this.calls.has(approval.toolCallId) || m.participantType !== "system") return;
      this.#decided.add(approval.toolCallId);
      this.#wakeUp();
      this.#out.push({ type: "decision", callId: approval.toolCallId, ...decisionOf(approval) });
      return;
    }
    const id = m.streamId ?? m.clientMessageId;
    if (m.participantType !== "agent" || !this.#mine(m.participantId, m.parentId, id)) return;
    if (m.type === "tool_result") {
      for (const result of resultsOf(m)) {
        if (!this.calls.has(result.callId) || this.#results.has(result.callId)) continue;
        this.#results.add(result.callId);
        this.#out.push({ type: "result", result, message: m });
      }
      return;
    }
    this.#wakeUp();
    const step = this.#step(id, m.participantId);
    const told = m.type === "thinking";
    this.#say(step, told ? m.content : (m.thinking?.content ?? ""), told || m.type === "error" ? "" : m.content, true);
    step.done = m;
    this.#out.push({ type: "message", id, message: m });
    for (const call of callsOf(m)) {
      this.calls.set(call.id, call);
      this.#out.push({ type: "call", call, message: m });
    }
    if (m.status === "failed" || m.type === "error") this.#finish("failed", m);
    else if (m.status === "cancelled") this.#finish("cancelled", m);
    else if (m.type === "text") this.#finish("answered", m);
  }

  #step(id: string, agent: string): Step {
    let step = this.#steps.get(id);
    if (!step) {
      this.agent = agent;
      this.#steps.set(id, (step = { id, thinking: "", text: "" }));
      this.#out.push({ type: "step", id, agent });
    }
    return step;
  }

  /** In the log all that was thought is before what was said: what comes of it later waits for the message. */
  #say(step: Step, thinking: string, text: string, isWhole = false): void {
    const late = step.text !== "" && text.startsWith(step.text) && thinking.length > step.thinking.length && thinking.startsWith(step.thinking);
    if (late && !isWhole) thinking = step.thinking;
    if ((late && isWhole) || !thinking.startsWith(step.thinking) || !text.startsWith(step.text)) {
      this.#out.push({ type: "reset", id: step.id });
      step.thinking = step.text = "";
    }
    for (const [type, all] of [["thinking", thinking], ["text", text]] as const) {
      if (all.length > step[type].length) this.#out.push({ type, id: step.id, delta: all.slice(step[type].length) });
      step[type] = all;
    }
  }

  /** Nothing more comes by itself once only calls that are to be allowed have no result. */
  #wait(): void {
    if (this.end || this.#lost.length > 0 || [...this.#steps.values()].some((step) => !step.done)) return;
    const open = [...this.calls.values()].filter((call) => !this.#results.has(call.id));
    if (open.length === 0 || !open.every((call) => call.ask)) return;
    const last = [...this.#steps.values()].at(-1)?.done;
    if (last && open.some((call) => !this.#decided.has(call.id))) this.#finish("waiting", last);
  }

  #wakeUp(): void {
    this.end = undefined;
  }

  #finish(how: End["how"], message: Message): void {
    this.end = { type: "end", how, message };
    this.#out.push(this.end);
  }
}

interface Step {
  id: string;
  thinking: string;
  text: string;
  done?: Message;
}

type Fields = Record<string, unknown>;

/** The calls of a message: those of agents that the backend runs, and such as OpenAI's are. */
export function callsOf(m: Message): Call[] {
  if (m.type !== "tool_call" && m.type !== "text") return [];
  const asks = m.approval?.status === "pending";
  return (m.toolCalls ?? []).map((c: Fields, i) => {
    const f = (typeof c.function === "object" && c.function ? c.function : {}) as Fields;
    const input = c.arguments ?? f.arguments ?? c.input ?? {};
    return {
      id: text(c.id) ?? text(c.toolCallId) ?? `${m.id}:${i}`,
      name: text(c.name) ?? text(c.toolName) ?? text(f.name) ?? "tool",
      input: typeof input === "string" ? parsed(input) : input,
      ask: asks && c.approval === true,
    };
  });
}

/** One that nobody took, because it expired, was stopped or overtaken, says so as its reason. */
export function decisionOf({ status, reason }: Approval): { approved: boolean; reason?: string } {
  const why = reason ?? (status === "approved" || status === "denied" ? undefined : status);
  return { approved: status === "approved", ...(why && { reason: why }) };
}

export function resultsOf(m: Message): Result[] {
  return (m.toolResults ?? []).flatMap((r: Fields) => {
    const callId = text(r.toolCallId) ?? text(r.tool_call_id) ?? text(r.id);
    if (callId === undefined) return [];
    const output = r.output ?? r.result ?? r.content ?? m.content;
    const denied = ["denied", "expired", "superseded", "stopped"].includes(String(r.outcome));
    return [{ callId, output, isError: r.isError === true, denied }];
  });
}

function text(v: unknown): string | undefined {
  return typeof v === "string" && v !== "" ? v : undefined;
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
}
