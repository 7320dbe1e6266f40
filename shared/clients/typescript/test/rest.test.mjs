import assert from "node:assert/strict";
import { test } from "node:test";
import { ChatError } from "../dist/error.js";
import { fake, joined, sleep, until } from "./support/fake.mjs";

const T = { timeout: 30_000 };
const never = new Promise(() => {});

// An answer whose connection ends in the middle of its body.
function cut(status) {
  const body = new ReadableStream({
    start(c) {
      c.enqueue(new TextEncoder().encode('{"data":['));
      setTimeout(() => c.error(new TypeError("terminated")), 5);
    },
  });
  return new Response(body, { status });
}

test("a signal ends a call that waits for a token, or to try again", T, async () => {
  const busy = async () => Response.json({ code: "rate_limited", detail: "x", retryable: true, details: { retryAfterMs: 4000 } }, { status: 429 });
  for (const options of [{ getToken: () => never }, { fetch: busy }]) {
    const f = fake(options);
    const call = f.client.rest.health({}, AbortSignal.timeout(50));
    await assert.rejects(Promise.race([call, sleep(3000).then(() => "it goes on")]), { name: "TimeoutError" });
  }
  const f = fake();
  await assert.rejects(f.client.rest.health({}, AbortSignal.abort()), { name: "AbortError" });
});

test("an answer that is cut in its body may be asked for again; one that is no JSON is of no chat", T, async () => {
  for (const [answer, code, retryable] of [
    [() => cut(200), "unavailable", true],
    [() => cut(503), "unavailable", true],
    [() => new Response("<html>", { status: 200 }), "wrong_url", false],
    [() => new Response("", { status: 200 }), "wrong_url", false],
  ]) {
    const f = fake({ fetch: async () => answer() });
    await assert.rejects(f.client.rest.health(), { code, retryable });
  }
});

test("a connection that is refused while REST is cut off is tried again", T, async () => {
  const f = fake({ opened: (s, n) => (n === 1 ? (setTimeout(() => s.close()), false) : true), fetch: async () => cut(200) });
  f.client.connect();
  await until(() => ["failed", "connected"].includes(f.client.getSnapshot().state));
  assert.equal(f.client.getSnapshot().state, "connected");
  f.client.close();
});

test("a message that is too big for a frame does not fail for good when the answer is cut", T, async () => {
  const f = fake({ fetch: async () => cut(201) });
  const { c } = await joined(f);
  c.send("ä".repeat(20_000)).done.catch(() => {});
  await until(() => f.asked.length > 1);
  assert.notEqual(c.getSnapshot().outgoing[0].status, "failed");
  f.client.close();
});

test("retryAfterMs is a time that can be waited", () => {
  const of = (retryAfterMs) => new ChatError("rate_limited", "x", { retryable: true, details: { retryAfterMs } }).retryAfterMs;
  for (const [said, is] of [[50, 50], [0, 0], [-1, 0], [1e11, 600_000], [Infinity, 600_000], [NaN, undefined], ["50", undefined], [null, undefined], [undefined, undefined]]) assert.equal(of(said), is, String(said));
  assert.equal(new ChatError("rate_limited", "x", { retryAfterMs: 1e11 }).retryAfterMs, 600_000);
});
