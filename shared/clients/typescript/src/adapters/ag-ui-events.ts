import { EventType, type BaseEvent, type Message as AgUiMessage, type RunFinishedEvent, type RunFinishedOutcome } from "@ag-ui/client";
import type { Message } from "../protocol.gen.js";
import { callsOf, resultsOf, type Call, type End, type Piece } from "./answer.js";

/**
 * Writes an answer as AG-UI's events. What the agent's messages have already is left out:
 * an answer goes on behind that when something was allowed in it.
 */
export class AnswerEvents {
  readonly #before: readonly AgUiMessage[];
  readonly #known = new Set<string>();
  readonly #said: Message[] = [];
  readonly #asks = new Map<string, Call>(); // what waits to be allowed
  #step = "";
  #open?: { kind: "text" | "thinking"; id: string };
  #thoughts = 0;
  #spoilt = false;
  #again = false;

  constructor(before: readonly AgUiMessage[]) {
    this.#before = before;
    for (const m of before) this.#known.add(m.role === "tool" ? m.toolCallId : m.id);
  }

  of(piece: Piece): BaseEvent[] {
    switch (piece.type) {
      case "step":
        this.#step = piece.id;
        this.#thoughts = 0;
        this.#again = false;
        return this.#close();
      case "thinking":
      case "text":
        return this.#skips ? [] : this.#say(piece.type, piece.delta);
      case "reset":
        // There is no taking back: what was said is closed, and put right at the end.
        this.#again = this.#spoilt = true;
        return this.#close();
      case "message":
        this.#said.push(piece.message);
        return this.#close();
      case "call":
        if (piece.call.ask) this.#asks.set(piece.call.id, piece.call);
        return this.#skips ? [] : this.#call(piece.call);
      case "decision":
        this.#asks.delete(piece.callId);
        return [];
      case "result": {
        const { callId, output } = piece.result;
        if (!this.#said.includes(piece.message)) this.#said.push(piece.message);
        if (this.#known.has(callId)) return [];
        return [event(EventType.TOOL_CALL_RESULT, { messageId: resultId(piece.message, callId), toolCallId: callId, content: asText(output), role: "tool" })];
      }
      default:
        return [];
    }
  }

  finish(end: End, run: { threadId: string; runId: string }): BaseEvent[] {
    const events = this.#close();
    if (this.#spoilt) {
      const now = toAgUiMessages(this.#said);
      const ids = new Set(now.map((m) => m.id));
      const before = this.#before.filter((m) => !ids.has(m.id));
      // What a snapshot has not is taken away; what it has stays in its place, which may be the wrong one.
      for (const messages of [before, [...before, ...now]]) events.push(event(EventType.MESSAGES_SNAPSHOT, { messages }));
    }
    const { message } = end;
    const usage = this.#said.flatMap(({ usage: u }) => (u ? [{ inputTokens: u.promptTokens, outputTokens: u.completionTokens, totalTokens: u.totalTokens }] : []));
    if (end.how === "failed") return [...events, event(EventType.RUN_ERROR, { message: message.error ?? message.content, ...(usage.length > 0 && { usage }) })];
    const outcome: RunFinishedOutcome =
      end.how === "answered" ? { type: "success" } : end.how === "cancelled" ? { type: "cancelled" } : { type: "interrupt", interrupts: this.#interrupts(end) };
    const finished: RunFinishedEvent = { type: EventType.RUN_FINISHED, ...run, outcome, ...(usage.length > 0 && { usage }) };
    return [...events, finished as BaseEvent];
  }

  #interrupts({ message }: End) {
    return [...this.#asks.values()].map((call) => ({
      id: call.id,
      reason: "tool_approval",
      message: `${call.name} wants to be allowed`,
      toolCallId: call.id,
      responseSchema: {
        type: "object",
        properties: { approved: { type: "boolean" }, reason: { type: "string" }, arguments: { type: "object" } },
        required: ["approved"],
      },
      ...(message.approval?.expiresAt && { expiresAt: message.approval.expiresAt }),
    }));
  }

  get #skips(): boolean {
    return this.#again || this.#known.has(this.#step);
  }

  #say(kind: "text" | "thinking", delta: string): BaseEvent[] {
    const events: BaseEvent[] = [];
    if (this.#open?.kind !== kind) {
      events.push(...this.#close());
      const id = kind === "text" ? this.#step : thoughtId(this.#step, this.#thoughts++);
      this.#open = { kind, id };
      if (kind === "thinking") events.push(event(EventType.REASONING_START, { messageId: id }), event(EventType.REASONING_MESSAGE_START, { messageId: id, role: "reasoning" }));
      else events.push(event(EventType.TEXT_MESSAGE_START, { messageId: id, role: "assistant" }));
    }
    events.push(event(kind === "text" ? EventType.TEXT_MESSAGE_CONTENT : EventType.REASONING_MESSAGE_CONTENT, { messageId: this.#open!.id, delta }));
    return events;
  }

  #close(): BaseEvent[] {
    const open = this.#open;
    this.#open = undefined;
    if (!open) return [];
    if (open.kind === "text") return [event(EventType.TEXT_MESSAGE_END, { messageId: open.id })];
    return [event(EventType.REASONING_MESSAGE_END, { messageId: open.id }), event(EventType.REASONING_END, { messageId: open.id })];
  }

  #call({ id, name, input }: Call): BaseEvent[] {
    return [
      event(EventType.TOOL_CALL_START, { toolCallId: id, toolCallName: name, parentMessageId: this.#step }),
      event(EventType.TOOL_CALL_ARGS, { toolCallId: id, delta: asText(input) }),
      event(EventType.TOOL_CALL_END, { toolCallId: id }),
    ];
  }
}

export function event(type: EventType, fields: Record<string, unknown>): BaseEvent {
  return { type, ...fields } as BaseEvent;
}

/** A log as AG-UI has it, such as that of `GET /messages`. */
export function toAgUiMessages(messages: readonly Message[]): AgUiMessage[] {
  return messages.flatMap((m): AgUiMessage[] => {
    const id = m.streamId ?? m.clientMessageId;
    if (m.isDeleted || m.approval?.toolCallId) return [];
    if (m.participantType === "user") return [{ id, role: "user", content: m.content }];
    if (m.participantType === "system") return [{ id, role: "system", content: m.content }];
    if (m.type === "tool_result") {
      return resultsOf(m).map((r) => ({ id: resultId(m, r.callId), role: "tool", toolCallId: r.callId, content: asText(r.output) }));
    }
    const thought = m.type === "thinking" ? m.content : m.thinking?.content;
    const toolCalls = callsOf(m).map((c) => ({ id: c.id, type: "function" as const, function: { name: c.name, arguments: asText(c.input) } }));
    const content = m.type === "thinking" ? "" : m.content;
    const out: AgUiMessage[] = [];
    if (thought) out.push({ id: thoughtId(id, 0), role: "reasoning", content: thought });
    if (content || toolCalls.length > 0) out.push({ id, role: "assistant", ...(content && { content }), ...(toolCalls.length > 0 && { toolCalls }) });
    return out;
  });
}

function thoughtId(step: string, n: number): string {
  return n === 0 ? `${step}:thinking` : `${step}:thinking:${n}`;
}

/** One message may have the results of several calls. */
function resultId(m: Message, callId: string): string {
  return m.toolResults?.length === 1 ? m.clientMessageId : `${m.clientMessageId}:${callId}`;
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
