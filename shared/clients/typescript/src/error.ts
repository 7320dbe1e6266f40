import type { Code, ErrorBody } from "./protocol.gen.js";

/**
 * A refusal, or that nothing could be reached. `code` is one of the protocol's, or of the
 * client's own: `wrong_url`, `queue_full`, `discarded`, `closed`.
 */
export class ChatError extends Error {
  declare readonly code: Code | "wrong_url" | "queue_full" | "discarded" | "closed";
  /** The same may be tried again, as it was. */
  declare readonly retryable: boolean;
  /** Of `validation_failed`: a text for each field. */
  declare readonly details?: Record<string, unknown>;
  /** Of HTTP. */
  declare readonly status?: number;
  /** Of `rate_limited`: when to try again; never more than ten minutes, whatever was said. */
  declare readonly retryAfterMs?: number;

  constructor(code: ChatError["code"], message: string, more: Partial<Pick<ChatError, "retryable" | "details" | "status" | "retryAfterMs">> = {}) {
    super(message);
    const { retryable = false, details, status, retryAfterMs } = more;
    Object.assign(this, { name: "ChatError", code, retryable, details, status, retryAfterMs: sane(details?.retryAfterMs ?? retryAfterMs) });
  }
}

/** The longest wait that is believed. */
const longest = 600_000;

/** What a timer can wait for: of more than it can count it makes nothing, and a loop of that. */
function sane(ms: unknown): number | undefined {
  return typeof ms === "number" && !Number.isNaN(ms) ? Math.min(Math.max(ms, 0), longest) : undefined;
}

/** @internal */
export function refusal(body: ErrorBody): ChatError {
  return new ChatError(body.code, body.message, body);
}

/** @internal */
export function unavailable(message: string): ChatError {
  return new ChatError("unavailable", message, { retryable: true });
}

/** @internal */
export function asChatError(e: unknown): ChatError {
  return e instanceof ChatError ? e : unavailable(e instanceof Error ? e.message : String(e));
}
