import type { Message } from "./protocol.gen.js";
import type { SendInput } from "./types.js";

const soon = () => new Error("not there yet");

export class StreamWriter {
  readonly streamId: string = "";
  readonly signal: AbortSignal = new AbortController().signal;
  write(_text: string, _part = "content"): void {}
  status(_status: "thinking" | "generating" | "tool" | "waiting"): void {}
  end(_fields: SendInput = {}): Promise<Message> {
    throw soon();
  }
  abort(_reason?: string): Promise<Message | undefined> {
    throw soon();
  }
}
