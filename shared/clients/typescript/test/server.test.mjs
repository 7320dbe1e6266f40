// The client on a real server without faults.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import WebSocket from "ws";
import { ChatClient } from "../dist/index.js";
import { Proxy } from "./support/proxy.mjs";
import { Server, sleep, theLog, token, until, watch } from "./support/server.mjs";

let server;
before(async () => {
  server = await Server.start({ env: { LIMIT_USER_MESSAGES: "0", LIMIT_CREATIONS: "0" } });
});
after(() => server.close());

let made = 0;
// talk makes a conversation of two users of its own and an agent, each with a client.
async function talk(options = {}) {
  const n = ++made;
  const [a, b] = [`a${n}`, `b${n}`].map((id) => server.client(id, options));
  const agent = server.client(`agent${n}`, { agent: true });
  const { id } = await a.rest.createConversation({ title: `talk ${n}`, agentId: `agent${n}` });
  await a.rest.addParticipant(id, { type: "user", id: `b${n}` });
  for (const client of [a, b]) client.connect();
  const [ca, cb] = [a.conversation(id), b.conversation(id)];
  const faults = [watch(ca), watch(cb)];
  ca.open();
  cb.open();
  await until(() => ca.getSnapshot().state === "joined" && cb.getSnapshot().state === "joined");
  return { id, a, b, ca, cb, agent, agentId: `agent${n}`, faults, n };
}
const contents = (c) => c.getSnapshot().messages.map((m) => m.content);
const connected = (client) => until(() => client.getSnapshot().state === "connected");

describe("talking", () => {
  test("messages are shown at once, sent in order, and seen by the other", async () => {
    const { id, a, ca, cb, faults } = await talk();
    const said = Array.from({ length: 30 }, (_, i) => `m${i}`);
    const out = said.map((text) => ca.send(text));
    assert.deepEqual(ca.getSnapshot().outgoing.map((o) => o.content), said);
    const stored = await Promise.all(out.map((o) => o.done));
    assert.deepEqual(stored.map((m) => m.seq), said.map((_, i) => i + 1));
    assert.deepEqual(contents(ca), said);
    assert.deepEqual(ca.getSnapshot().outgoing, []);
    await until(() => contents(cb).length === 30);
    assert.deepEqual(contents(cb), said);
    // What one makes of one's own message is what the log has.
    assert.deepEqual(ca.getSnapshot().messages, await theLog(a.rest, id));
    assert.deepEqual(faults.flat(), []);
  });

  test("the same snapshot while nothing changed", async () => {
    const { a, ca } = await talk();
    assert.equal(ca.getSnapshot(), ca.getSnapshot());
    assert.equal(a.getSnapshot(), a.getSnapshot());
    assert.equal(a.conversation(ca.id), ca);
    const before = ca.getSnapshot();
    ca.send("x");
    assert.notEqual(ca.getSnapshot(), before);
    assert.equal(before.outgoing.length, 0);
  });

  test("long ones go over REST, and come cut and then whole", async () => {
    const { ca, cb } = await talk();
    const long = "ü".repeat(30_000); // 60 KB
    const m = await ca.send(long).done;
    assert.equal(m.content, long);
    await until(() => contents(cb)[0] === long);
    await until(() => contents(ca)[0] === long);
  });

  test("what is refused is failed, says why, may be sent again or taken back, and stops nothing", async () => {
    const { ca } = await talk();
    const bad = ca.send({ content: "x", attachments: ["ftp://nowhere"] });
    const good = ca.send("fine");
    await assert.rejects(bad.done, (e) => e.code === "validation_failed" && /attachments/.test(JSON.stringify(e.details)));
    await good.done;
    const [failed] = ca.getSnapshot().outgoing;
    assert.equal(failed.status, "failed");
    ca.retry(failed.clientMessageId);
    const again = ca.getSnapshot().outgoing[0];
    assert.equal(again.clientMessageId, failed.clientMessageId);
    await assert.rejects(again.done, { code: "validation_failed" });
    ca.discard(failed.clientMessageId);
    assert.deepEqual(ca.getSnapshot().outgoing, []);
    assert.deepEqual(contents(ca), ["fine"]);
  });

  test("older messages, to the first", async () => {
    const { a, ca, id, n } = await talk();
    for (let i = 0; i < 120; i++) await a.rest.postMessage({ conversationId: id, content: `m${i + 1}` });
    const late = server.client(`b${n}`);
    late.connect();
    const c = late.conversation(id);
    const faults = watch(c);
    c.open();
    await until(() => c.getSnapshot().messages.length === 50);
    assert.equal(c.getSnapshot().hasOlder, true);
    assert.equal(c.getSnapshot().messages[0].content, "m71");
    assert.equal(await c.loadOlder(), true);
    assert.equal(await c.loadOlder(), false);
    assert.equal(await c.loadOlder(), false);
    assert.deepEqual(contents(c), Array.from({ length: 120 }, (_, i) => `m${i + 1}`));
    assert.equal(c.getSnapshot().hasOlder, false);
    assert.deepEqual(faults, []);
    await until(() => contents(ca).length === 120);
  });

  test("deleted in place", async () => {
    const { a, ca, cb } = await talk();
    const m = await ca.send("oops").done;
    await ca.send("kept").done;
    await until(() => contents(cb).length === 2);
    await a.rest.deleteMessage(m.id);
    await until(() => cb.getSnapshot().messages[0].isDeleted && ca.getSnapshot().messages[0].isDeleted);
    assert.deepEqual(contents(cb), ["", "kept"]);
  });

  test("typing: told now and then, over by itself, by a message and by blur", async () => {
    const { a, ca, cb, n } = await talk({ timing: { typingEvery: 60_000, typingStop: 400 } });
    const sent = [];
    a.on("frame", ({ dir, text }) => dir === "out" && text.includes('"typing"') && sent.push(JSON.parse(text).state));
    for (let i = 0; i < 20; i++) {
      ca.keystroke();
      await sleep(10);
    }
    await until(() => cb.getSnapshot().typing.length === 1);
    assert.deepEqual(cb.getSnapshot().typing, [{ type: "user", id: `a${n}` }]);
    await until(() => cb.getSnapshot().typing.length === 0);
    assert.deepEqual(sent, ["start", "stop"]);
    ca.keystroke();
    ca.blur();
    ca.blur();
    ca.keystroke();
    await ca.send("x").done;
    await sleep(600);
    assert.deepEqual(sent, ["start", "stop", "start", "stop", "start", "stop"]);
  });

  test("who is there, and who is online", async () => {
    const { a, b, ca, cb, n } = await talk();
    await until(() => ca.getSnapshot().members.length === 2);
    assert.equal(ca.getSnapshot().presence[`user:b${n}`], "online");
    await ca.loadPresence();
    assert.equal(ca.getSnapshot().presence[`agent:agent${n}`], "offline");
    b.close();
    await until(() => ca.getSnapshot().members.length === 1 && ca.getSnapshot().presence[`user:b${n}`] === "offline");
    b.connect();
    await until(() => ca.getSnapshot().members.length === 2);
    await a.rest.updateConversation(ca.id, { title: "new" });
    await until(() => cb.getSnapshot().conversation?.title === "new");
  });

  test("removed, and added again; deleted; never a participant", async () => {
    const { a, ca, cb, id, n, b } = await talk();
    const heard = [];
    b.on("activity", (d) => heard.push(d.event));
    await a.rest.removeParticipant(id, "user", `b${n}`);
    await until(() => cb.getSnapshot().state === "gone");
    await a.rest.addParticipant(id, { type: "user", id: `b${n}` });
    await until(() => cb.getSnapshot().state === "joined");
    await ca.send("back").done;
    await until(() => contents(cb).at(-1) === "back");
    await a.rest.deleteConversation(id);
    await until(() => cb.getSnapshot().state === "gone" && ca.getSnapshot().state === "gone");
    assert.deepEqual([...new Set(heard)].sort(), ["conversation:added", "conversation:deleted", "conversation:left", "conversation:updated"].filter((e) => heard.includes(e)).sort());
    assert.ok(heard.includes("conversation:left") && heard.includes("conversation:added") && heard.includes("conversation:deleted"));
    const c = b.conversation("6b066931df8108959405013d");
    c.open();
    await until(() => c.getSnapshot().state === "gone");
    assert.equal(c.getSnapshot().error.code, "not_found");
  });

  test("open is counted, and a room that is left at last is left", async () => {
    const { a, id } = await talk();
    const frames = [];
    a.on("frame", ({ dir, text }) => dir === "out" && frames.push(JSON.parse(text).action));
    const { id: other } = await a.rest.createConversation({ title: "o", agentId: "x" });
    const c = a.conversation(other);
    const close = [c.open(), c.open()];
    await until(() => c.getSnapshot().state === "joined");
    close[0]();
    close[0]();
    await sleep(700);
    assert.equal(c.getSnapshot().state, "joined");
    close[1]();
    const again = c.open();
    await sleep(700);
    assert.deepEqual(frames, ["join"], "opened anew at once: nothing is sent");
    again();
    await until(() => frames.includes("leave"));
    assert.equal(c.getSnapshot().state, "idle");
    assert.notEqual(id, other);
  });

  test("one's own message of another device is not shown twice", async () => {
    const { ca, n, id } = await talk();
    const second = server.client(`a${n}`);
    second.connect();
    const c = second.conversation(id);
    const faults = watch(c);
    c.open();
    await until(() => c.getSnapshot().state === "joined");
    await Promise.all([ca.send("one").done, c.send("two").done]);
    await until(() => contents(ca).length === 2 && contents(c).length === 2);
    assert.deepEqual(faults, []);
  });
});

describe("agents", () => {
  test("an answer is shown as it is written, and its message takes its place", async () => {
    const { ca, cb, agent, faults } = await talk();
    const words = Array.from({ length: 50 }, (_, i) => `word${i} 😀 `);
    agent.on("question", async (q) => {
      const answer = await agent.conversation(q.conversationId).answer(q);
      answer.status("thinking");
      answer.write("hm", "thinking");
      for (const word of words) {
        // Cut between the halves of the pair, as models do.
        answer.write(word.slice(0, -2));
        answer.write(word.slice(-2));
        await sleep(20);
      }
      await answer.end({ usage: { promptTokens: 1, completionTokens: 2, totalTokens: 3 } });
    });
    agent.connect();
    const grew = [];
    cb.subscribe(() => {
      for (const s of cb.getSnapshot().streams) if (grew.at(-1) !== s.content) grew.push(s.content);
    });
    const q = await ca.send("hello").done;
    const m = await until(() => cb.getSnapshot().messages[1]);
    assert.equal(m.content, words.join(""));
    assert.equal(m.parentId, q.id);
    assert.equal(m.thinking.content, "hm");
    assert.deepEqual(m.usage, { promptTokens: 1, completionTokens: 2, totalTokens: 3 });
    assert.ok(grew.length > 3, `${grew.length} pieces`);
    for (const text of grew) assert.ok(m.content.startsWith(text), text);
    assert.deepEqual(cb.getSnapshot().streams, []);
    assert.deepEqual(faults.flat(), []);
  });

  test("a long answer, of more than a frame", async () => {
    const { ca, cb, agent } = await talk();
    const text = "Ünïcödé 😀\n".repeat(6000); // 66,000 units
    agent.on("question", async (q) => {
      const answer = await agent.conversation(q.conversationId).answer(q);
      for (let i = 0; i < text.length; i += 3001) {
        answer.write(text.slice(i, i + 3001));
        await sleep(20);
      }
      const m = await answer.end();
      assert.equal(m.content, text);
    });
    agent.connect();
    ca.send("long");
    await until(() => contents(cb)[1] === text && contents(ca)[1] === text);
  });

  test("stop reaches the agent, and what it breaks off is cancelled", async () => {
    const { ca, cb, agent } = await talk();
    agent.on("question", async (q) => {
      const answer = await agent.conversation(q.conversationId).answer(q);
      while (!answer.signal.aborted) {
        answer.write("more ");
        await sleep(20);
      }
      await answer.abort("asked to");
    });
    agent.connect();
    const q = await ca.send("go on").done;
    await until(() => cb.getSnapshot().streams[0]?.content.length > 20);
    await cb.stop(cb.getSnapshot().streams[0].streamId);
    const m = await until(() => ca.getSnapshot().messages[1]);
    assert.equal(m.status, "cancelled");
    assert.match(m.content, /^(more )+/);
    // Also before the answer has begun.
    await ca.stopAnswer(q.id);
  });

  test("nothing written, nothing said", async () => {
    const { id, agent, ca } = await talk();
    agent.connect();
    await connected(agent);
    const q = await ca.send("x").done;
    const answer = await agent.conversation(id).answer(q.id);
    assert.equal(await answer.abort(), undefined);
    answer.write("late");
    await assert.rejects(answer.end(), { code: "closed" });
    // And one that is said all at once.
    const short = await agent.conversation(id).answer(q.id);
    assert.equal((await short.end({ content: "at once" })).content, "at once");
    await until(() => contents(ca)[1] === "at once");
  });

  test("an answer goes on when the connection is cut under it", async () => {
    const { id, ca, cb, agentId } = await talk();
    const proxy = await Proxy.start(server.port);
    const agent = server.client(agentId, { agent: true, url: proxy.url, timing: { ackTimeout: 1000, backoffBase: 50 } });
    agent.connect();
    await connected(agent);
    const q = await ca.send("go").done;
    const answer = await agent.conversation(id).answer(q);
    let text = "";
    for (let i = 0; i < 150; i++) {
      if (i === 30 || i === 80) proxy.cut();
      text += `w${i} `;
      answer.write(`w${i} `);
      await sleep(20);
    }
    const m = await answer.end();
    assert.equal(m.content, text);
    await until(() => contents(cb)[1] === text);
    await proxy.close();
  });

  test("each question once, also after coming back, and those that waited", async () => {
    const { ca, agent } = await talk();
    const asked = [];
    agent.on("question", (q) => asked.push(q.content));
    for (let i = 0; i < 3; i++) await ca.send(`q${i}`).done;
    agent.connect();
    await until(() => asked.length === 3);
    agent.close();
    await ca.send("q3").done;
    agent.connect();
    await until(() => asked.length === 4);
    await sleep(300);
    assert.deepEqual(asked.sort(), ["q0", "q1", "q2", "q3"]);
  });
});

describe("the connection", () => {
  const quick = { ackTimeout: 800, backoffBase: 30, backoffMax: 200, gapPatience: 100 };

  test("cut, refused for a while, and back: nothing lost, nothing twice, and nothing that was said meanwhile", async () => {
    const { id, a, ca, faults, n } = await talk();
    const proxy = await Proxy.start(server.port);
    const b = server.client(`b${n}`, { url: proxy.url, restUrl: proxy.restUrl, timing: quick });
    b.connect();
    const c = b.conversation(id);
    faults.push(watch(c));
    c.open();
    await until(() => c.getSnapshot().state === "joined");
    for (let round = 0; round < 5; round++) {
      proxy.refuse = true;
      proxy.cut();
      await until(() => b.getSnapshot().state === "disconnected");
      assert.ok(b.getSnapshot().retryAt >= Date.now() - 1000 && b.getSnapshot().error);
      for (let i = 0; i < 5; i++) {
        ca.send(`a${round}.${i}`);
        c.send(`b${round}.${i}`);
      }
      assert.equal(c.getSnapshot().outgoing.length, 5);
      await sleep(100);
      proxy.refuse = false;
      await until(() => c.getSnapshot().outgoing.length === 0 && contents(c).length === 10 * (round + 1));
    }
    const log = await theLog(a.rest, id);
    await until(() => contents(ca).length === log.length);
    assert.deepEqual(c.getSnapshot().messages, log);
    assert.deepEqual(log.filter((m) => m.content[0] === "b").map((m) => m.content), Array.from({ length: 25 }, (_, i) => `b${Math.floor(i / 5)}.${i % 5}`));
    assert.deepEqual(faults.flat(), []);
    b.close();
    await proxy.close();
  });

  test("a network that swallows everything is noticed, and the message arrives once", async () => {
    const { id, n, ca } = await talk();
    const proxy = await Proxy.start(server.port);
    const b = server.client(`b${n}`, { url: proxy.url, timing: quick });
    b.connect();
    const c = b.conversation(id);
    c.open();
    await until(() => c.getSnapshot().state === "joined");
    proxy.hang = true;
    const said = c.send("through");
    await until(() => b.getSnapshot().state !== "connected");
    proxy.hang = false;
    await said.done;
    await until(() => contents(c).length === 1 && contents(ca).length === 1);
    assert.deepEqual(contents(ca), ["through"]);
    b.close();
    await proxy.close();
  });

  test("a refused token fails, with one attempt", async () => {
    const proxy = await Proxy.start(server.port);
    const bad = server.client("x", { url: proxy.url, restUrl: server.restUrl, getToken: () => token("x", { key: "another secret, as long as it has to be" }) });
    bad.connect();
    await until(() => bad.getSnapshot().state === "failed");
    assert.equal(bad.getSnapshot().error.code, "unauthorized");
    await sleep(500);
    assert.equal(proxy.connections, 1);
    await proxy.close();
  });

  test("an expired token is replaced; one that stays expired fails", async () => {
    let asked = 0;
    const client = server.client("x", { getToken: () => token("x", { ttl: asked++ ? 600 : -600 }) });
    client.connect();
    await connected(client);
    assert.equal(asked, 2);
    const old = token("x", { ttl: -600 });
    const stuck = server.client("x", { getToken: () => old });
    stuck.connect();
    await until(() => stuck.getSnapshot().state === "failed");
    assert.equal(stuck.getSnapshot().error.code, "token_expired");
    await assert.rejects(stuck.rest.listConversations(), { code: "token_expired", status: 401 });
  });

  test("REST replaces an expired token too", async () => {
    let asked = 0;
    const client = server.client("x", { getToken: () => token("x", { ttl: asked++ ? 600 : 10 - 600 }) });
    assert.deepEqual((await client.rest.listConversations()).data, []);
    assert.equal(asked, 2);
  });

  test("a new connection before the token expires, and nothing missed", async () => {
    const { id, n, ca } = await talk();
    let asked = 0;
    const b = server.client(`b${n}`, { getToken: () => token(`b${n}`, { ttl: asked++ ? 3600 : 4 }) });
    const states = new Set();
    b.subscribe(() => states.add(b.getSnapshot().state));
    b.connect();
    const c = b.conversation(id);
    const faults = watch(c);
    c.open();
    await until(() => c.getSnapshot().state === "joined");
    let said = 0;
    while (asked < 2) {
      await ca.send(`m${said++}`).done;
      await sleep(20);
    }
    for (let i = 0; i < 20; i++) await ca.send(`m${said++}`).done;
    await until(() => contents(c).length === said);
    assert.ok(!states.has("disconnected"));
    assert.deepEqual(faults, []);
  });

  test("two hours: a second connection takes over before the first goes, and nothing is missed or shown twice", async () => {
    const { id, n, ca } = await talk();
    let opened = 0;
    let most = 0;
    const open = new Set();
    class Counted extends WebSocket {
      constructor(...args) {
        super(...args);
        this.on("open", () => {
          opened++;
          open.add(this);
          most = Math.max(most, open.size);
        });
        this.on("close", () => open.delete(this));
      }
    }
    const b = server.client(`b${n}`, { WebSocket: Counted, timing: { rolloverAfter: 1000, rolloverJitter: 0 } });
    const states = new Set();
    b.subscribe(() => states.add(b.getSnapshot().state));
    b.connect();
    const c = b.conversation(id);
    const faults = watch(c);
    c.open();
    await until(() => c.getSnapshot().state === "joined");
    let said = 0;
    for (const end = Date.now() + 4500; Date.now() < end; ) {
      await Promise.all([ca.send(`a${said++}`).done, c.send(`b${said++}`).done]);
      assert.equal(c.getSnapshot().state, "joined");
    }
    await until(() => contents(c).length === said && contents(ca).length === said);
    assert.deepEqual(c.getSnapshot().messages, ca.getSnapshot().messages);
    assert.ok(opened >= 4, `${opened} connections`);
    assert.equal(most, 2);
    assert.deepEqual(faults, []);
    assert.ok(!states.has("disconnected"));
    b.close();
    await until(() => open.size === 0);
  });

  test("a lost frame, also the last: the gap is filled, and a pong tells of the end", async () => {
    const { id, n, ca } = await talk();
    let losing = 0;
    class Lossy extends WebSocket {
      set onmessage(heard) {
        super.onmessage = (e) => {
          if (losing > 0 && e.data.includes('"message:new"')) return losing--;
          heard(e);
        };
      }
    }
    const b = server.client(`b${n}`, { WebSocket: Lossy, timing: { ...quick, pingEvery: 1500 } });
    b.connect();
    const c = b.conversation(id);
    const faults = watch(c);
    c.open();
    await until(() => c.getSnapshot().state === "joined");
    losing = 3;
    for (let i = 0; i < 5; i++) await ca.send(`m${i}`).done;
    await until(() => contents(c).length === 5);
    assert.equal(losing, 0);
    losing = 1;
    await ca.send("last").done;
    await until(() => contents(c).length === 6);
    assert.equal(losing, 0);
    assert.deepEqual(faults, []);
  });

  test("a wrong address: one sentence, and no loop", async () => {
    let hits = 0;
    const html = createServer((_, response) => {
      hits++;
      response.writeHead(404, { "Content-Type": "text/html" }).end("<h1>Not here</h1>");
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => html.once("listening", resolve));
    const { port } = html.address();
    const nothing = server.client("x", { url: `ws://127.0.0.1:${port}/ws`, restUrl: `http://127.0.0.1:${port}` });
    nothing.connect();
    await until(() => nothing.getSnapshot().state === "failed");
    assert.equal(nothing.getSnapshot().error.code, "wrong_url");
    assert.match(nothing.getSnapshot().error.message, /There is no chat at http:\/\/127.0.0.1:\d+: it answers 404/);
    const before = hits;
    await sleep(300);
    assert.equal(hits, before);

    const halfRight = server.client("x", { url: `ws://127.0.0.1:${port}/ws`, timing: quick });
    halfRight.connect();
    await until(() => halfRight.getSnapshot().state === "failed");
    assert.equal(halfRight.getSnapshot().error.code, "wrong_url");
    html.close();

    for (const options of [{ url: "no address" }, { restUrl: "no address" }, { WebSocket: undefined }].slice(0, globalThis.WebSocket ? 2 : 3)) {
      const none = server.client("x", { ...options, ...(options.restUrl ? { url: `ws://127.0.0.1:${port}/ws` } : {}) });
      none.connect();
      await until(() => none.getSnapshot().state === "failed");
      assert.equal(none.getSnapshot().error.code, "wrong_url");
    }
  });

  test("too many connections of a user: the oldest fails and does not come back by itself", async () => {
    const small = await Server.start({ env: { LIMIT_USER_CONNECTIONS: "2" } });
    const clients = [1, 2, 3].map(() => small.client("u"));
    for (const c of clients) {
      c.connect();
      await connected(c);
      await sleep(100);
    }
    await until(() => clients[0].getSnapshot().state === "failed");
    assert.equal(clients[0].getSnapshot().error.code, "too_many_connections");
    assert.equal(clients[2].getSnapshot().state, "connected");
    await small.close();
  });

  test("over the limit a message waits, says so, and is sent", async () => {
    const small = await Server.start({ env: { LIMIT_USER_MESSAGES: "60/min burst 2" } });
    const a = small.client("u");
    a.connect();
    const { id } = await a.rest.createConversation({ title: "t", agentId: "x" });
    const c = a.conversation(id);
    c.open();
    const out = [1, 2, 3, 4].map((i) => c.send(`m${i}`));
    await until(() => c.getSnapshot().outgoing.some((o) => o.status === "queued" && o.error?.code === "rate_limited" && o.error.retryAfterMs > 0));
    await Promise.all(out.map((o) => o.done));
    assert.deepEqual(contents(c), ["m1", "m2", "m3", "m4"]);
    await small.close();
  });

  test("killed and started again under it, with a message that waited through a reload", async () => {
    const lasting = await Server.start({ data: true });
    const store = new Map();
    const storage = { get length() { return store.size; }, key: (i) => [...store.keys()][i] ?? null, getItem: (k) => store.get(k) ?? null, setItem: (k, v) => store.set(k, v), removeItem: (k) => store.delete(k) };
    const a = lasting.client("u", { storage, timing: quick });
    a.connect();
    const { id } = await a.rest.createConversation({ title: "t", agentId: "x" });
    const c = a.conversation(id);
    const faults = watch(c);
    c.open();
    await c.send("before").done;
    await lasting.kill();
    await until(() => a.getSnapshot().state === "disconnected");
    c.send("meanwhile");
    assert.equal(store.size, 1);
    await lasting.run();
    await until(() => contents(c).length === 2);
    assert.equal(store.size, 0);
    await lasting.kill();
    await until(() => a.getSnapshot().state === "disconnected");
    c.send("through a reload");
    a.close();
    const reloaded = lasting.client("u", { storage, timing: quick });
    const d = reloaded.conversation(id);
    faults.push(...watch(d));
    d.open();
    reloaded.connect();
    await lasting.run();
    await until(() => contents(d).length === 3);
    assert.deepEqual(contents(d), ["before", "meanwhile", "through a reload"]);
    assert.equal(store.size, 0);
    assert.deepEqual(faults, []);
    await lasting.close();
  });

  test("close ends everything, and connect begins again", async () => {
    const client = new ChatClient({ url: server.url, restUrl: server.restUrl, getToken: () => token("z"), WebSocket });
    assert.equal(client.getSnapshot().state, "initialized");
    client.connect();
    client.connect();
    client.close();
    assert.equal(client.getSnapshot().state, "initialized");
    await sleep(200);
    assert.equal(client.getSnapshot().state, "initialized");
    client.connect();
    await connected(client);
    await until(() => client.getSnapshot().me);
    assert.deepEqual(client.getSnapshot().me, { type: "user", id: "z" });
    client.close();
    client.close();
    assert.equal(client.getSnapshot().state, "initialized");
  });
});

describe("a page", () => {
  test("hidden: no pieces after a while; seen again: with them, and what came", async () => {
    const { id, n, ca, agent } = await talk();
    const page = Object.assign(new EventTarget(), { visibilityState: "visible" });
    const see = (visibilityState) => {
      page.visibilityState = visibilityState;
      page.dispatchEvent(new Event("visibilitychange"));
    };
    globalThis.document = page;
    const b = server.client(`b${n}`, { timing: { hiddenFinal: 100, hiddenPing: 50 } });
    try {
      const sent = [];
      const heard = [];
      b.on("frame", ({ dir, text }) => (dir === "out" ? sent : heard).push(JSON.parse(text)));
      b.connect();
      const c = b.conversation(id);
      c.open();
      await until(() => c.getSnapshot().state === "joined");
      see("hidden");
      await until(() => sent.some((f) => f.action === "join" && f.streams === "final"));
      agent.connect();
      await connected(agent);
      const answer = await agent.conversation(id).answer(await ca.send("x").done);
      answer.write("some text");
      await until(() => ca.getSnapshot().streams[0]?.content);
      assert.ok(!heard.some((f) => f.event === "stream:delta"));
      see("visible");
      await until(() => c.getSnapshot().streams[0]?.content === "some text");
      await until(() => sent.some((f) => f.action === "ping"));
      await answer.end();
      await until(() => contents(c)[1] === "some text");
    } finally {
      b.close();
      delete globalThis.document;
    }
  });
});
