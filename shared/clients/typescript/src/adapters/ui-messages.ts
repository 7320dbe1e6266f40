import type { DynamicToolUIPart, UIMessage } from "ai";
import type { Approval, Message, MessageStatus, Usage } from "../protocol.gen.js";
import { callsOf, decisionOf, resultsOf } from "./answer.js";

/** What a message of the AI SDK knows of the log. */
export interface ChatMetadata {
  /** Of an answer in several steps: of its last one. */
  messageId: string;
  seq: number;
  participantId: string;
  createdAt: string;
  /** What it answers. */
  parentId?: string;
  status: MessageStatus;
  error?: string;
  usage?: Usage;
}

export type ChatUIMessage = UIMessage<ChatMetadata>;

export function answerMetadata(m: Message): ChatMetadata {
  const { id: messageId, seq, participantId, createdAt, parentId, status, error, usage } = m;
  return {
    messageId,
    seq,
    participantId,
    createdAt,
    status,
    ...(parentId && { parentId }),
    ...(error && { error }),
    ...(usage && { usage }),
  };
}

/**
 * A log as `useChat` shows it, such as that of `GET /messages`: what an agent did for one
 * question, its calls and their results and its answer, is one message.
 */
export function toUIMessages(messages: readonly Message[]): ChatUIMessage[] {
  return readMessages(messages).messages;
}

/** Also says which of them have not ended. */
export function readMessages(messages: readonly Message[]): { messages: ChatUIMessage[]; open: ReadonlySet<ChatUIMessage> } {
  const out: ChatUIMessage[] = [];
  const ids = new Set<string>();
  /** Two people may have said something under the same id. */
  const push = (m: ChatUIMessage, id: string) => {
    if (ids.has(m.id)) m.id = id;
    ids.add(m.id);
    out.push(m);
  };
  const open = new Map<string, ChatUIMessage>(); // answers that have not ended, by agent and question
  const calls = new Map<string, DynamicToolUIPart>();
  for (const m of messages) {
    const key = `${m.participantId} ${m.parentId ?? ""}`;
    if (m.isDeleted) {
      // What it answered is gone with it: it was the end of what its agent was at.
      if (m.type !== "tool_call" && m.type !== "thinking" && m.type !== "tool_result") for (const k of open.keys()) if (k.startsWith(`${m.participantId} `)) open.delete(k);
      continue;
    }
    if (m.approval?.toolCallId) {
      decide(calls, m.approval);
    } else if (m.type === "tool_result") {
      for (const { callId, output, isError, denied } of resultsOf(m)) {
        const part = calls.get(callId);
        if (!part) continue;
        const { approval } = part;
        if (denied) become(part, { state: "output-denied" });
        else if (isError) become(part, { state: "output-error", errorText: String(output), ...(approval && { approval }) });
        else become(part, { state: "output-available", output, ...(approval && { approval }) });
      }
    } else if (m.participantType !== "agent") {
      push({ id: m.clientMessageId, role: m.participantType === "user" ? "user" : "system", parts: said(m), metadata: answerMetadata(m) }, m.id);
    } else {
      let answer = open.get(key);
      if (!answer) {
        answer = { id: m.streamId ?? m.clientMessageId, role: "assistant", parts: [] };
        open.set(key, answer);
        push(answer, m.id);
      }
      answer.metadata = answerMetadata(m);
      answer.parts.push({ type: "step-start" }, ...said(m));
      for (const { id, name, input, ask } of callsOf(m)) {
        const part = { type: "dynamic-tool", toolName: name, toolCallId: id, input, providerExecuted: true } as DynamicToolUIPart;
        become(part, ask ? { state: "approval-requested", approval: { id } } : { state: "input-available" });
        calls.set(id, part);
        answer.parts.push(part);
      }
      const goesOn = (m.type === "tool_call" || m.type === "thinking") && m.status !== "failed" && m.status !== "cancelled";
      if (!goesOn) open.delete(key);
    }
  }
  return { messages: out, open: new Set(open.values()) };
}

function become(part: DynamicToolUIPart, to: object): void {
  Object.assign(part, to);
}

function decide(calls: Map<string, DynamicToolUIPart>, approval: Approval): void {
  const part = calls.get(approval.toolCallId!);
  if (part?.approval) become(part, { state: "approval-responded", approval: { id: part.approval.id, ...decisionOf(approval) } });
}

function said(m: Message): ChatUIMessage["parts"] {
  const parts: ChatUIMessage["parts"] = [];
  const thinking = m.type === "thinking" ? m.content : m.thinking?.content;
  if (thinking) parts.push({ type: "reasoning", text: thinking, state: "done" });
  if (m.content && m.type !== "thinking") parts.push({ type: "text", text: m.content, state: "done" });
  for (const url of m.attachments ?? []) parts.push({ type: "file", url, mediaType: "application/octet-stream" });
  return parts;
}
