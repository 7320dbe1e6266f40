import type { ChatClient } from "./client.js";
import { asChatError, ChatError, unavailable } from "./error.js";
import type { Upload } from "./protocol.gen.js";
import { backoff, sleep } from "./timing.js";
import type { Uploaded, UploadOptions } from "./types.js";

/** How often bytes are put that did not arrive. */
const tries = 4;

/** What browsers do not know by the name. */
const types: Readonly<Record<string, string>> = { csv: "text/csv", markdown: "text/markdown", md: "text/markdown", heic: "image/heic", m4a: "audio/mp4" };

/** @internal Begins an upload, puts the bytes, and says what to attach. */
export async function upload(client: ChatClient, conversationId: string, file: Blob, options: UploadOptions = {}): Promise<Uploaded> {
  const { signal, onProgress } = options;
  const name = named(options.name ?? (file as File).name);
  const type = options.type || file.type || types[name.split(".").pop()!.toLowerCase()] || "text/plain";
  const { size } = file;
  const to = await client.rest.createUpload({ conversationId, name, type, size }, signal);
  onProgress?.(0, size);
  for (let attempt = 0; ; attempt++) {
    try {
      await put(client, to, file, options);
      break;
    } catch (cause) {
      if (signal?.aborted) throw signal.reason;
      const error = asChatError(cause);
      if (!error.retryable || attempt + 1 >= tries) throw error;
      await sleep(backoff(attempt, client.timing));
    }
  }
  onProgress?.(size, size);
  return { id: to.id, attachment: to.attachment, name, type, size };
}

/** Puts the bytes once. Where they are there already, an answer was lost. */
async function put(client: ChatClient, to: Upload, file: Blob, options: UploadOptions): Promise<void> {
  // Of a fetch nobody tells how far it is.
  const status = await (options.onProgress && typeof XMLHttpRequest === "function" && !client.options.fetch ? byRequest(to, file, options) : byFetch(client, to, file, options));
  if (status === 412 || (status > 199 && status < 300)) return;
  if (status > 499 || status === 429) throw unavailable(`The file could not be put: ${status}`);
  throw new ChatError("forbidden", `The file was refused where it was put: ${status}`, { status });
}

async function byFetch(client: ChatClient, to: Upload, file: Blob, { signal }: UploadOptions): Promise<number> {
  const { fetch: own = fetch } = client.options;
  // A blob has a type of its own, which is not always the one that was signed.
  const { status } = await own(to.url, { method: to.method, headers: to.headers, body: file.slice(0, file.size, to.headers["content-type"]), signal });
  return status;
}

function byRequest(to: Upload, file: Blob, { signal, onProgress }: UploadOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    const r = new XMLHttpRequest();
    const stop = () => r.abort();
    r.open(to.method, to.url);
    for (const [name, value] of Object.entries(to.headers)) r.setRequestHeader(name, value);
    r.upload.onprogress = (e) => onProgress!(e.loaded, file.size);
    r.onload = () => resolve(r.status);
    r.onerror = r.onabort = () => reject(unavailable("The file could not be put"));
    r.onloadend = () => signal?.removeEventListener("abort", stop);
    signal?.addEventListener("abort", stop);
    r.send(file.slice(0, file.size, to.headers["content-type"]));
  });
}

/** A name that the server takes: that of a file, of what can be seen, and not too long. What comes after the last point stays. */
function named(name = ""): string {
  const seen = name.replace(/[^\S ]|[\p{Cc}\p{Zl}\p{Zp}\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff/\\]/gu, "_").trim();
  if (!seen || /^\.*$/.test(seen)) return "file";
  const [, start, end] = /^(.*?)(\.[^.]{1,16})?$/su.exec(seen)!;
  const room = 255 - bytes(end ?? "");
  let short = start!;
  while (bytes(short) > room) short = [...short].slice(0, -1).join("");
  return (short + (end ?? "")).trim();
}

function bytes(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** Links that are good for a while: a picture that is drawn again is not asked for again. */
const known = new WeakMap<ChatClient, Map<string, { url: Promise<string>; until: number }>>();

/** A link is renewed a little before its end. */
const margin = 60_000;

/** @internal Where the bytes of what is attached are, and for how long. */
export function documentUrl(client: ChatClient, attachment: string): Promise<string> {
  const links = known.get(client) ?? new Map<string, { url: Promise<string>; until: number }>();
  known.set(client, links);
  const had = links.get(attachment);
  if (had && had.until > Date.now()) return had.url;
  const entry = { url: Promise.resolve(""), until: Infinity };
  entry.url = client.rest.document(attachment.replace(/^document:/, "")).then(
    ({ url, expiresAt }) => {
      // The server's clock is not this one's: what it gives is five minutes.
      entry.until = Date.now() + Math.min(Math.max(Date.parse(expiresAt) - Date.now(), margin), 300_000) - margin;
      return url;
    },
    (cause) => {
      links.delete(attachment);
      throw cause;
    },
  );
  links.set(attachment, entry);
  return entry.url;
}
