import { ChatError } from "./error.js";
import type { OutgoingInput } from "./types.js";

/** The most bytes of a frame, a little under API Gateway's 32 KB; and of the content in one. */
const maxFrame = 32_000;
const maxContent = 24_576;

const id = /^[\w.@:|+=~-]{1,128}$/;

/** @internal Refuses what the server would not take for a message's id. */
export function checkId(clientMessageId: unknown): void {
  if (typeof clientMessageId === "string" && id.test(clientMessageId)) return;
  const rule = `must match ${id.source}`;
  throw new ChatError("validation_failed", `clientMessageId ${rule}`, { details: { clientMessageId: rule } });
}

/** @internal A copy as it goes over the wire, which does not change any more. */
export function copied(input: OutgoingInput): OutgoingInput {
  try {
    return JSON.parse(JSON.stringify(input));
  } catch (e) {
    throw new ChatError("validation_failed", `This is no JSON: ${(e as Error).message}`);
  }
}

/** @internal Whether that does not fit a frame. */
export function isBig(body: OutgoingInput): boolean {
  return bytes(JSON.stringify(body)) > maxFrame || bytes(body.content ?? "") > maxContent;
}

function bytes(text: string): number {
  return new TextEncoder().encode(text).length;
}
