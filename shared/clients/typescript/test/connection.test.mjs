import assert from "node:assert/strict";
import { test } from "node:test";
import { Tokens } from "../dist/tokens.js";
import { fake, joined, jwt, sleep, until } from "./support/fake.mjs";

const T = { timeout: 30_000 };
const open = (f) => f.sockets.filter((s) => s.readyState === 1).length;
const joins = (socket, id) => socket.sent("join").filter((j) => j.conversationId === id);

// A second link soon, whose first join is answered when the test calls what this gives.
async function changingOver(timing) {
  let answer;
  const f = fake({
    timing: { rolloverAfter: 50, rolloverJitter: 0, ...timing },
    on: {
      join: (j, s) => {
        const reply = { event: "joined", id: j.id, data: { conversationId: j.conversationId, lastSeq: 0, members: [] } };
        if (f.sockets.indexOf(s) !== 1 || answer) return reply;
        answer = () => (s.rooms.add("c"), s.in(reply));
        return false;
      },
    },
  });
  const { c, close } = await joined(f);
  await until(() => answer, 10_000);
  return { f, c, close, answer };
}

test("what is opened while a second link is prepared is joined on it", T, async () => {
  const { f, answer } = await changingOver();
  const d = f.client.conversation("d");
  d.open();
  await until(() => d.getSnapshot().state === "joined");
  answer();
  await until(() => f.sockets[0].readyState === 3, 10_000, "the first link is let go");
  await until(() => d.getSnapshot().state === "joined");
  assert.equal(joins(f.sockets[1], "d").length, 1);
  f.client.close();
});

test("what is left while a second link is prepared is not joined on it", T, async () => {
  let second;
  const f = fake({
    timing: { rolloverAfter: 50, rolloverJitter: 0 },
    on: {
      join: (j, s) => {
        const reply = { event: "joined", id: j.id, data: { conversationId: j.conversationId, lastSeq: 0, members: [] } };
        if (f.sockets.indexOf(s) === 0 || j.conversationId === "c") return reply;
        return (second = () => s.in(reply)), false;
      },
    },
  });
  const { close } = await joined(f);
  await joined(f, "d");
  await until(() => second && f.sockets[1].rooms.has("c"), 10_000);
  close();
  await until(() => f.sockets[0].sent("leave").length);
  second();
  await until(() => f.sockets[1].sent("leave").some((l) => l.conversationId === "c"));
  f.client.close();
});

test("a pong finds what is open and was not joined", T, async () => {
  const f = fake({ timing: { pingEvery: 200 }, on: { leave: (l, s) => (setTimeout(() => s.in(f.error(l, "rate_limited", true, { retryAfterMs: 50 })), 50), false) } });
  const { c, close } = await joined(f);
  close();
  await until(() => f.sockets[0].sent("leave").length);
  c.open(); // while the leave, which is refused, is on its way
  await sleep(100);
  await until(() => c.getSnapshot().state === "joined");
  f.client.close();
});

test("a link that was to take over from one that died is not left over", T, async () => {
  const f = fake({ timing: { rolloverAfter: 50, rolloverJitter: 0 }, opened: (_, n) => n !== 2 });
  await joined(f);
  await until(() => f.sockets[1], 10_000);
  f.sockets[0].close();
  await until(() => f.sockets[2] && f.client.getSnapshot().state === "connected");
  f.sockets[1].accept();
  await sleep(200);
  assert.equal(open(f), 1);
  f.client.close();
  await until(() => open(f) === 0);
});

test("close ends the old link too that a writer needs", T, async () => {
  const f = fake({ me: { type: "agent", agentId: "ag" }, timing: { rolloverAfter: 50, rolloverJitter: 0 } });
  const { c } = await joined(f);
  const answer = await c.answer("q");
  answer.write("x");
  await until(() => f.sockets[1]?.sent("join").length, 10_000);
  f.client.close();
  await until(() => open(f) === 0);
});

test("a getToken that never settles is asked again after close and connect", T, async () => {
  let asked = 0;
  const f = fake({ getToken: () => (++asked === 1 ? new Promise(() => {}) : "t") });
  f.client.connect();
  await until(() => asked === 1);
  f.client.close();
  f.client.connect();
  await until(() => f.client.getSnapshot().state === "connected");
  f.client.close();
});

test("a getToken that never settles is given up, and what it says after that does not count", T, async () => {
  const settle = [];
  const tokens = new Tokens(() => new Promise((resolve) => settle.push(resolve)), 20);
  await assert.rejects(tokens.get(), { code: "unavailable", retryable: true });
  const second = tokens.get();
  await until(() => settle.length === 2);
  settle[0]("old");
  settle[1]("new");
  assert.equal(await second, "new");
  assert.equal(tokens.last, "new");
  const third = tokens.get(true);
  await until(() => settle.length === 3);
  tokens.forget();
  settle[2]("of who has signed out");
  await third;
  assert.equal(tokens.last, undefined);
});

test("a clock that is ahead makes no call of getToken for each call of REST", T, async () => {
  let asked = 0;
  const over = (seconds) => jwt({ n: ++asked, exp: Math.floor(Date.now() / 1000) + seconds });
  const refused = new Set();
  const fetch = async (_, { headers }) => (refused.has(headers.Authorization) ? Response.json({ code: "token_expired", detail: "x", retryable: false }, { status: 401 }) : Response.json({ status: headers.Authorization }));
  const { client } = fake({ getToken: () => over(-60), fetch });
  const { status } = await client.rest.health();
  await client.rest.health();
  assert.equal(asked, 1);
  refused.add(status);
  await client.rest.health();
  assert.equal(asked, 2, "where it is over for the server too");
});

test("a token that is about to expire is replaced before it does", T, async () => {
  let asked = 0;
  const tokens = new Tokens(() => jwt({ n: ++asked, exp: Date.now() / 1000 + 7 }));
  const first = await tokens.get();
  assert.equal(await tokens.get(), first);
  await sleep(2100);
  assert.notEqual(await tokens.get(), first);
});

test("a clock that is ahead, for which each token is over, makes no loop of connections", T, async () => {
  const over = () => jwt({ exp: Math.floor(Date.now() / 1000) - 60 });
  const same = over();
  let asked = 0;
  for (const [getToken, most] of [[() => (asked++, over()), 2], [() => (asked++, same), 1]]) {
    asked = 0;
    const f = fake({ getToken });
    await joined(f);
    await sleep(3500);
    f.client.close();
    assert.ok(asked >= 2, "it asks for another token");
    assert.ok(f.sockets.length <= most, `${f.sockets.length} connections`);
  }
});

// The waits before the next attempt, of a server that ends each connection after so many ms.
async function waits(t, livesFor, timing) {
  t.mock.method(Math, "random", () => 1);
  const all = [];
  const f = fake({ timing, opened: (s) => void setTimeout(() => s.close(), livesFor) });
  f.client.subscribe(() => {
    const { state, retryAt } = f.client.getSnapshot();
    if (state === "disconnected") all.push(retryAt - Date.now());
  });
  f.client.connect();
  await until(() => all.length === 4, 20_000);
  f.client.close();
  return all;
}

test("a server that takes connections and ends them at once is asked less and less often", T, async (t) => {
  const all = await waits(t, 20, { backoffBase: 200, backoffMax: 20_000 });
  for (let i = 1; i < all.length; i++) assert.ok(all[i] > 1.5 * all[i - 1], String(all));
});

test("after a connection that lived the first wait is a short one again", T, async (t) => {
  const all = await waits(t, 300, { backoffBase: 100, backoffMax: 400 });
  assert.ok(all.every((ms) => ms <= 100), String(all));
});

test("an absurd retryAfterMs makes no loop", T, async () => {
  for (const action of ["send", "join"]) {
    const f = fake({ on: { [action]: (s) => f.error(s, "rate_limited", true, { retryAfterMs: 1e11 }) } });
    f.client.connect();
    const c = f.client.conversation("c");
    c.open();
    if (action === "send") c.send("x").done.catch(() => {});
    await until(() => f.sockets[0]?.sent(action).length);
    await sleep(500);
    const { length } = f.sockets[0].sent(action);
    f.client.close();
    assert.ok(length <= 3, `${length} of ${action} in half a second`);
  }
});

test("connect while it waits tries at once", T, async () => {
  const f = fake({ timing: { backoffBase: 1e6, backoffMax: 1e6 }, opened: (s, n) => (n === 1 ? void setTimeout(() => s.close()) : true) });
  f.client.connect();
  await until(() => f.client.getSnapshot().state === "disconnected");
  f.client.connect();
  await until(() => f.client.getSnapshot().state === "connected");
  f.client.connect();
  assert.equal(f.sockets.length, 2);
  f.client.close();
});

test("answers are streamed again to a page that was hidden when the connection ended for good", T, async () => {
  const page = (globalThis.document = Object.assign(new EventTarget(), { visibilityState: "visible" }));
  const turns = (state) => ((page.visibilityState = state), page.dispatchEvent(new Event("visibilitychange")));
  const wish = (f, n) => f.sockets[n]?.sent("join").at(-1)?.streams;
  const end = async (f) => {
    f.sockets.at(-1).in({ event: "error", error: { code: "unauthorized", message: "x", retryable: false } });
    await until(() => f.client.getSnapshot().state === "failed");
  };
  try {
    const f = fake({ timing: { hiddenFinal: 20 } });
    await joined(f);
    turns("hidden");
    await until(() => wish(f, 0) === "final");
    await end(f);
    turns("visible");
    f.client.connect();
    await until(() => wish(f, 1) === "full");
    await end(f);
    turns("hidden");
    f.client.connect(); // and one that is hidden now is so after a while
    await until(() => wish(f, 2) === "final");
    f.client.close();
  } finally {
    delete globalThis.document;
  }
});

test("a handshake of which nothing but an error is told has failed", T, async () => {
  const f = fake({ timing: { ackTimeout: 20_000 }, opened: (s) => (setTimeout(() => s.onerror?.({})), false) });
  f.client.connect();
  await until(() => f.sockets.length > 2, 10_000, "further attempts");
  f.client.close();
});
