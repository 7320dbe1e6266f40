import { isToolUIPart, type UIMessageChunk } from "ai";
import type { Call, End, Piece, Result } from "./answer.js";
import type { ChatMetadata, ChatUIMessage } from "./ui-messages.js";

/**
 * Writes an answer as the AI SDK reads it. One that goes on behind what a message shows
 * already, because something was allowed there, leaves that out.
 */
export class AnswerChunks {
  readonly #goesOn?: ChatUIMessage;
  readonly #have = new Set<string>();
  readonly #asked = new Set<string>();
  #known = 0;
  #steps = 0;
  #step?: string;
  #open?: { type: "text" | "reasoning"; id: string };
  #parts = 0;

  constructor(goesOn?: ChatUIMessage) {
    this.#goesOn = goesOn;
    for (const part of goesOn?.parts ?? []) {
      if (part.type === "step-start") this.#known++;
      else if (isToolUIPart(part)) {
        if (part.state.startsWith("output-")) this.#have.add(part.toolCallId);
        if (part.approval) this.#asked.add(part.toolCallId);
      }
    }
  }

  /** What the user decided in the message. */
  decisions(): { callId: string; approved: boolean; reason?: string }[] {
    return (this.#goesOn?.parts ?? []).flatMap((part) =>
      isToolUIPart(part) && part.state === "approval-responded" ? [{ callId: part.toolCallId, approved: part.approval.approved, ...(part.approval.reason && { reason: part.approval.reason }) }] : [],
    );
  }

  of(piece: Piece): UIMessageChunk[] {
    switch (piece.type) {
      case "step":
        return this.#begin(piece.id);
      case "thinking":
      case "text":
        return this.#skips() ? [] : this.#say(piece.type === "text" ? "text" : "reasoning", piece.delta);
      case "reset":
        if (this.#skips()) return [];
        this.#open = undefined;
        return [{ type: "reset-step" }];
      case "message":
        return this.#close();
      case "call":
        return this.#skips() ? [] : this.#call(piece.call);
      case "decision":
        return this.#asked.has(piece.callId) && !this.#have.has(piece.callId)
          ? [{ type: "tool-approval-response", approvalId: piece.callId, approved: piece.approved, ...(piece.reason && { reason: piece.reason }) }]
          : [];
      case "result":
        return this.#result(piece.result);
      case "end":
        return [];
    }
  }

  finish(end: End, messageMetadata: ChatMetadata): UIMessageChunk[] {
    const chunks: UIMessageChunk[] = [...this.#close()];
    if (this.#step) chunks.push({ type: "finish-step" });
    switch (end.how) {
      case "answered":
        return [...chunks, { type: "finish", finishReason: "stop", messageMetadata }];
      case "waiting":
        return [...chunks, { type: "finish", finishReason: "tool-calls", messageMetadata }];
      case "cancelled":
        return [...chunks, { type: "message-metadata", messageMetadata }, { type: "abort" }];
      case "failed":
        return [...chunks, { type: "message-metadata", messageMetadata }, { type: "error", errorText: end.message.error ?? end.message.content }];
    }
  }

  #begin(id: string): UIMessageChunk[] {
    const chunks: UIMessageChunk[] = this.#step === undefined ? [{ type: "start", messageId: this.#goesOn?.id ?? id }] : this.#close();
    this.#step = id;
    if (this.#skips(++this.#steps)) return chunks;
    if (this.#steps > 1) chunks.push({ type: "finish-step" });
    return [...chunks, { type: "start-step" }];
  }

  /** The step is in the message already. */
  #skips(step = this.#steps): boolean {
    return step <= this.#known;
  }

  #say(type: "text" | "reasoning", delta: string): UIMessageChunk[] {
    const chunks: UIMessageChunk[] = [];
    if (this.#open?.type !== type) {
      chunks.push(...this.#close());
      this.#open = { type, id: `${this.#step}:${this.#parts++}` };
      chunks.push({ type: `${type}-start`, id: this.#open.id });
    }
    chunks.push({ type: `${type}-delta`, id: this.#open!.id, delta });
    return chunks;
  }

  #close(): UIMessageChunk[] {
    const open = this.#open;
    this.#open = undefined;
    return open ? [{ type: `${open.type}-end`, id: open.id }] : [];
  }

  /** Neither the page nor its server runs it: to the AI SDK that is a call of the provider's. */
  #call({ id, name, input, ask }: Call): UIMessageChunk[] {
    const chunks: UIMessageChunk[] = [{ type: "tool-input-available", toolCallId: id, toolName: name, input, dynamic: true, providerExecuted: true }];
    if (ask) {
      this.#asked.add(id);
      chunks.push({ type: "tool-approval-request", approvalId: id, toolCallId: id });
    }
    return chunks;
  }

  #result({ callId, output, isError, denied }: Result): UIMessageChunk[] {
    if (this.#have.has(callId)) return [];
    if (denied) return [{ type: "tool-output-denied", toolCallId: callId }];
    if (isError) return [{ type: "tool-output-error", toolCallId: callId, errorText: String(output), providerExecuted: true }];
    return [{ type: "tool-output-available", toolCallId: callId, output, providerExecuted: true }];
  }
}
