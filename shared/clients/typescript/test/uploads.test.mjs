// Files, without a server and on a real one.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { fake } from "./support/fake.mjs";
import { Server, until } from "./support/server.mjs";

const T = { timeout: 30_000 };
const file = (content, name, type) => new File([content], name, { type });

// A fetch that is REST and the bucket: put answers what comes of each attempt.
function cloud(put = () => new Response("", { status: 200 })) {
  const asked = [];
  const puts = [];
  const fetch = async (url, init) => {
    if (String(url).startsWith("https://bucket/")) {
      puts.push({ url: String(url), method: init.method, headers: init.headers, type: init.body.type, bytes: await init.body.text(), signal: init.signal });
      return put(puts.length, init);
    }
    asked.push(JSON.parse(init.body ?? "null") ?? String(url.pathname));
    if (init.method === "GET") return Response.json({ id: "upl_1", name: "a", type: "image/png", size: 1, url: `https://bucket/get-${asked.length}`, expiresAt: new Date(Date.now() + 300_000).toISOString() });
    return Response.json({ id: "upl_1", attachment: "document:upl_1", method: "PUT", url: "https://bucket/put", headers: { "content-type": "image/png", "if-none-match": "*" }, expiresAt: "" }, { status: 201 });
  };
  return { ...fake({ fetch, timing: { backoffBase: 5 } }), asked, puts };
}

test("a file is put where the server says, as it says, with no token", T, async () => {
  const c = cloud();
  const progress = [];
  const up = await c.client.upload("c", file("abc", "a.png", "image/png;x=y"), { onProgress: (n, of) => progress.push([n, of]) });
  assert.deepEqual(up, { id: "upl_1", attachment: "document:upl_1", name: "a.png", type: "image/png;x=y", size: 3 });
  assert.deepEqual(c.asked, [{ conversationId: "c", name: "a.png", type: "image/png;x=y", size: 3 }]);
  const [{ method, headers, bytes, type }] = c.puts;
  assert.deepEqual({ method, headers, bytes, type, n: c.puts.length }, { method: "PUT", headers: { "content-type": "image/png", "if-none-match": "*" }, bytes: "abc", type: "image/png", n: 1 });
  assert.deepEqual(progress, [[0, 3], [3, 3]]);
});

test("what did not arrive is put again, and what is there already is there", T, async () => {
  for (const lost of [() => Promise.reject(new TypeError("terminated")), () => new Response("", { status: 503 }), () => new Response("", { status: 500 })]) {
    const c = cloud((n) => (n < 3 ? lost() : new Response("", { status: 412 })));
    await c.client.upload("c", file("abc", "a.png", "image/png"));
    assert.deepEqual([c.asked.length, c.puts.length], [1, 3]);
  }
  const c = cloud(() => Promise.reject(new TypeError("terminated")));
  await assert.rejects(c.client.upload("c", file("abc", "a.png", "image/png")), { name: "ChatError", code: "unavailable", retryable: true });
  assert.equal(c.puts.length, 4);
});

test("what is refused is not put again", T, async () => {
  for (const status of [400, 403, 404, 411]) {
    const c = cloud(() => new Response("<Error/>", { status }));
    await assert.rejects(c.client.upload("c", file("abc", "a.png", "image/png")), { name: "ChatError", code: "forbidden", status });
    assert.equal(c.puts.length, 1);
  }
});

test("a signal ends it, before and while bytes are put", T, async () => {
  const c = cloud((_, { signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))));
  await assert.rejects(c.client.upload("c", file("abc", "a.png", "image/png"), { signal: AbortSignal.abort() }), { name: "AbortError" });
  assert.equal(c.puts.length, 0);
  const end = new AbortController();
  const up = c.client.upload("c", file("abc", "a.png", "image/png"), { signal: end.signal });
  await until(() => c.puts.length === 1);
  end.abort();
  await assert.rejects(up, { name: "AbortError" });
});

test("a name is one that the server takes, and a type is told by it", T, async () => {
  for (const [name, type, want, is] of [
    ["a.png", "", "a.png", "text/plain"],
    ["notes.md", "", "notes.md", "text/markdown"],
    ["LIST.CSV", "", "LIST.CSV", "text/csv"],
    ["../../etc/passwd", "text/plain", ".._.._etc_passwd", "text/plain"],
    ["a\\b\u202egnp.exe", "image/png", "a_b_gnp.exe", "image/png"],
    ["a\u0000\n b.png ", "image/png", "a__ b.png", "image/png"],
    ["a\u00a0b.png", "image/png", "a_b.png", "image/png"],
    ["👩‍👧 ❤️.png", "image/png", "👩‍👧 ❤️.png", "image/png"],
    ["..", "image/png", "file", "image/png"],
    ["", "image/png", "file", "image/png"],
    [`${"é".repeat(200)}.png`, "image/png", `${"é".repeat(125)}.png`, "image/png"],
    [`${"😀".repeat(100)}.jpeg`, "image/jpeg", `${"😀".repeat(62)}.jpeg`, "image/jpeg"],
  ]) {
    const c = cloud();
    await c.client.upload("c", file("x", name, type));
    assert.deepEqual([c.asked[0].name, c.asked[0].type], [want, is], name);
  }
  const c = cloud();
  await c.client.upload("c", new Blob(["x"]), { name: "v.webm", type: "audio/webm;codecs=opus" });
  assert.deepEqual(c.asked, [{ conversationId: "c", name: "v.webm", type: "audio/webm;codecs=opus", size: 1 }]);
});

test("a link is asked for once while it is good, and again after a failure", T, async (t) => {
  const c = cloud();
  const [one, two] = await Promise.all([c.client.documentUrl("document:upl_1"), c.client.documentUrl("document:upl_1")]);
  assert.deepEqual([one, two, c.asked], ["https://bucket/get-1", one, ["/documents/upl_1"]]);
  t.mock.timers.enable({ apis: ["Date"], now: Date.now() + 239_000 });
  assert.equal(await c.client.documentUrl("document:upl_1"), one);
  t.mock.timers.setTime(Date.now() + 2_000);
  assert.equal(await c.client.documentUrl("document:upl_1"), "https://bucket/get-2");
  t.mock.timers.reset();
  let fail = true;
  const f = fake({ fetch: async () => (fail ? Response.json({ code: "not_found", detail: "there is no such document" }, { status: 404 }) : Response.json({ url: "u", expiresAt: "" })) });
  await assert.rejects(f.client.documentUrl("document:upl_2"), { code: "not_found" });
  fail = false;
  assert.equal(await f.client.documentUrl("document:upl_2"), "u");
});

describe("on a server", () => {
  let server;
  before(async () => {
    server = await Server.start({ env: { LIMIT_USER_MESSAGES: "0", LIMIT_CREATIONS: "0" } });
  });
  after(() => server.close());

  test("what one uploads the others read, until its message is deleted", T, async () => {
    const [a, b] = ["a", "b"].map((id) => server.client(id));
    const { id } = await a.rest.createConversation({ title: "files", agentId: "agent" });
    await a.rest.addParticipant(id, { type: "user", id: "b" });
    for (const client of [a, b]) client.connect();
    const [ca, cb] = [a.conversation(id), b.conversation(id)];
    ca.open();
    cb.open();
    await until(() => [ca, cb].every((c) => c.getSnapshot().state === "joined"));
    const photo = await a.upload(id, file("a photo", "Ü ../x.png", "image/png"));
    const spoken = await a.upload(id, new Blob(["hello"], { type: "audio/webm;codecs=opus" }), { name: "voice.webm" });
    await assert.rejects(b.documentUrl(photo.attachment), { code: "not_found" });
    const sent = await ca.send({ content: "look", attachments: [photo.attachment] }).done;
    const heard = await ca.send({ attachments: [spoken.attachment], voice: { durationMs: 1500, waveform: btoa("\x00\xff") } }).done;
    assert.deepEqual(heard.voice, { durationMs: 1500, waveform: "AP8=" });
    await until(() => cb.getSnapshot().messages.length === 2);
    assert.deepEqual(cb.getSnapshot().messages.map((m) => [m.attachments, m.voice]), [[[photo.attachment], undefined], [[spoken.attachment], heard.voice]]);
    const response = await fetch(await b.documentUrl(photo.attachment));
    assert.deepEqual([await response.text(), response.headers.get("content-type"), response.headers.get("content-disposition").includes("attachment")], ["a photo", "image/png", true]);
    assert.equal((await b.rest.document(photo.id)).name, "Ü .._x.png");
    await assert.rejects(ca.send({ content: "again", attachments: [photo.attachment] }).done, { code: "validation_failed" });
    await ca.deleteMessage(sent.id);
    await assert.rejects(b.rest.document(photo.id), { code: "not_found" });
  });

  test("what is too large, or of another kind, is refused before a byte is put", T, async () => {
    const a = server.client("c");
    const { id } = await a.rest.createConversation({ title: "files", agentId: "agent" });
    await assert.rejects(a.upload(id, new Blob([new Uint8Array(26 << 20)], { type: "image/png" })), (e) => e.code === "validation_failed" && "size" in e.details);
    await assert.rejects(a.upload(id, file("<svg/>", "a.svg", "image/svg+xml")), (e) => e.code === "validation_failed" && "type" in e.details);
    await assert.rejects(a.upload("nowhere", file("x", "a.png", "image/png")), { code: "not_found" });
  });
});
