import type { ThreadMessageLike } from "@assistant-ui/react";
import type { Message } from "../protocol.gen.js";
import type { ConversationSnapshot, Outgoing, StreamView } from "../types.js";
import { readMessages, type ChatUIMessage } from "./ui-messages.js";

type Parts = Exclude<ThreadMessageLike["content"], string>;
type Part = ChatUIMessage["parts"][number];

/** All that a conversation shows, as assistant-ui has it: what an agent does for one question is one message. */
export function toThreadMessages(snapshot: Pick<ConversationSnapshot, "messages" | "streams" | "outgoing">, conversationId: string, me = ""): ThreadMessageLike[] {
  // A piece may overtake the beginning of its stream, which says whose it is.
  const writing = snapshot.streams.filter((s) => s.participantId).map((s) => messageOf(s, conversationId));
  const own = snapshot.outgoing.map((o) => messageOfOwn(o, conversationId, me));
  const { messages, open } = readMessages([...snapshot.messages, ...writing, ...own]);
  return messages.map((m) => toThreadMessage(m, open.has(m)));
}

/** The backend runs its agent, and lets no run be without an end. */
export function isRun({ id, status }: ThreadMessageLike): boolean {
  return status?.type === "running" && /:\d+:\d+$/.test(id ?? "");
}

function toThreadMessage(m: ChatUIMessage, isOpen: boolean): ThreadMessageLike {
  const { metadata } = m;
  return {
    id: m.id,
    role: m.role,
    content: m.parts.flatMap(toPart),
    ...(metadata && { createdAt: new Date(metadata.createdAt), metadata: { custom: { ...metadata } } }),
    ...(m.role === "assistant" && { status: statusOf(m, isOpen) }),
  };
}

function statusOf({ parts, metadata }: ChatUIMessage, isOpen: boolean): ThreadMessageLike["status"] {
  if (metadata?.status === "failed") return { type: "incomplete", reason: "error", ...(metadata.error && { error: metadata.error }) };
  if (metadata?.status === "cancelled") return { type: "incomplete", reason: "cancelled" };
  if (metadata?.status === "sending") return { type: "running" };
  const calls = parts.filter((p) => p.type === "dynamic-tool");
  if (calls.some((p) => p.state === "approval-requested")) return { type: "requires-action", reason: "tool-calls" };
  return isOpen ? { type: "running" } : { type: "complete", reason: "stop" };
}

function toPart(part: Part): Parts {
  switch (part.type) {
    case "text":
    case "reasoning":
      return [{ type: part.type, text: part.text }];
    case "file":
      return [{ type: "file", data: part.url, mimeType: part.mediaType }];
    case "dynamic-tool": {
      const denied = part.state === "output-denied";
      const failed = part.state === "output-error";
      return [
        {
          type: "tool-call",
          toolCallId: part.toolCallId,
          toolName: part.toolName,
          args: part.input as never, // of a call whose arguments are no object, what there is
          argsText: JSON.stringify(part.input),
          ...(part.state === "output-available" && { result: part.output }),
          ...((failed || denied) && { result: failed ? part.errorText : (part.approval?.reason ?? "denied"), isError: true }),
          ...(part.approval && { approval: part.approval as { id: string; approved?: boolean; reason?: string } }),
        },
      ];
    }
    default:
      return [];
  }
}

/** An answer that is being written is a message that is being sent. */
function messageOf(s: StreamView, conversationId: string): Message {
  return {
    ...sending(s.streamId, conversationId, s.startedAt),
    participantId: s.participantId,
    participantType: "agent",
    role: "agent",
    content: s.content,
    streamId: s.streamId,
    ...(s.parentId && { parentId: s.parentId }),
    ...(s.thinking && { thinking: { content: s.thinking, visible: true } }),
  };
}

function messageOfOwn(o: Outgoing, conversationId: string, me: string): Message {
  return {
    ...sending(o.clientMessageId, conversationId, new Date(o.at).toISOString()),
    participantId: me,
    participantType: "user",
    role: "user",
    content: o.content,
    ...(o.status === "failed" && { status: "failed", error: o.error?.message }),
  };
}

function sending(id: string, conversationId: string, createdAt = new Date().toISOString()) {
  return { id, conversationId, clientMessageId: id, seq: 0, type: "text", status: "sending", createdAt, updatedAt: createdAt } as const;
}
