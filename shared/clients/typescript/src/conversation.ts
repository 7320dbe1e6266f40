import type { Message } from "./protocol.gen.js";
import type { ConversationSnapshot, Outgoing, OutgoingInput } from "./types.js";
import type { StreamWriter } from "./writer.js";

const soon = () => new Error("not there yet");

export class Conversation {
  readonly id: string;
  /** @internal */
  constructor(id: string) {
    this.id = id;
  }
  open(): () => void {
    return () => {};
  }
  subscribe(_listener: () => void): () => void {
    return () => {};
  }
  getSnapshot(): ConversationSnapshot {
    throw soon();
  }
  send(_message: string | OutgoingInput): Outgoing {
    throw soon();
  }
  retry(_clientMessageId: string): void {}
  discard(_clientMessageId: string): void {}
  loadOlder(_limit = 50): Promise<boolean> {
    throw soon();
  }
  keystroke(): void {}
  blur(): void {}
  stop(_streamId?: string): Promise<void> {
    throw soon();
  }
  stopAnswer(_messageId: string): Promise<void> {
    throw soon();
  }
  approve(_toolCallId: string, _decision: { approved: boolean; reason?: string; arguments?: Record<string, unknown> }): Promise<void> {
    throw soon();
  }
  answer(_question: string | Message, _streamId?: string): Promise<StreamWriter> {
    throw soon();
  }
}
