// What the server refuses for a while: the page waits, says so, and goes on by itself.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { browse, open, ready, say, serve, theLog, until, watchRows, mistakes } from "./lib.mjs";

const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
let browser;
before(async () => { browser = await browse(); });
after(() => browser?.close());

async function limited(t, limits) {
  const server = await serve(["-memory"], { LOG_LEVEL: "error", ...limits });
  t.after(() => server.close());
  const ids = [];
  for (const title of ["One", "Two", "Three", "Four"]) ids.push((await server.rest("POST", "conversations", { title, agentId: "demo-agent" })).id);
  return { server, ids };
}

test("too many messages: they say that they wait, and are all sent, in order", async (t) => {
  const { server, ids: [id] } = await limited(t, { LIMIT_USER_MESSAGES: "40/min burst 3" });
  const page = await open(browser, server.url + "#" + id, { first: watchRows });
  await ready(page);
  for (let i = 1; i <= 7; i++) await say(page, `q0.${i}`);
  await until(page, "it says so", () => /^Too much at once\. It goes on by itself in \d s\./.test(document.querySelector(".pending .small")?.innerText));
  await until(page, "all are sent", () => !document.querySelector(".pending") && document.querySelectorAll(".message .bubble").length === 7);
  const log = await theLog(server, id);
  assert.deepEqual(log.map((m) => m.content), Array.from({ length: 7 }, (_, i) => `q0.${i + 1}`));
  assert.deepEqual(await mistakes(page, [log]), []);
  assert.deepEqual(page.troubles, []);
  await page.close();
});

test("too many talks opened: the last one says that it waits, and comes", async (t) => {
  const { server, ids } = await limited(t, { LIMIT_JOINS: "20/min burst 2" });
  await server.rest("POST", "messages", { conversationId: ids[3], content: "the last one" }, server.agentToken);
  const page = await open(browser, server.url + "#" + ids[0]);
  await ready(page);
  for (const id of ids.slice(1)) {
    await sleep(100);
    await page.evaluate((id) => { location.hash = id; }, id);
  }
  await until(page, "it says so", () => /^Too much at once\. It goes on by itself/.test(document.querySelector(".talk .failed")?.innerText));
  await until(page, "it comes", () => document.querySelector(".log")?.innerText.includes("the last one") && !document.querySelector(".talk .failed"));
  assert.deepEqual(page.troubles, []);
  await page.close();
});

test("too much read: the list says that it waits, and comes", async (t) => {
  const { server } = await limited(t, { LIMIT_READS: "5/min burst 2" });
  for (let i = 0; i < 3; i++) await server.rest("GET", "conversations").catch((e) => assert.match(e.message, /rate_limited/));
  const page = await open(browser, server.url);
  await until(page, "it says so", () => /^Too much at once\. It goes on by itself in \d+ s\./.test(document.querySelector(".list .failed")?.innerText));
  await until(page, "the list is there", () => document.querySelectorAll("nav li").length === 4 && !document.querySelector(".list .failed"));
  assert.deepEqual(page.troubles, []);
  await page.close();
});

test("a token that is over is followed by the next, and nobody notices", async (t) => {
  const secret = "a secret for tests alone, of 32 bytes and more";
  const { server, ids: [id] } = await limited(t, { JWT_SECRET: secret });
  const claims = JSON.parse(Buffer.from(server.token.split(".")[1], "base64url"));
  const token = (seconds) => {
    const part = (v) => Buffer.from(JSON.stringify(v)).toString("base64url");
    const text = `${part({ alg: "HS256", typ: "JWT" })}.${part({ ...claims, exp: Math.floor(Date.now() / 1000) + seconds })}`;
    return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
  };
  let given = 0, handshakes = 0;
  const page = await open(browser, server.url + "#" + id, { first: async (page) => {
    await watchRows(page);
    await page.evaluateOnNewDocument(() => {
      window.told = [];
      new MutationObserver(() => { for (const e of document.querySelectorAll(".banner:not(.none), .failed")) window.told.push(e.innerText); }).observe(document, { subtree: true, childList: true, attributes: true });
    });
    const wire = await page.createCDPSession();
    await wire.send("Network.enable");
    wire.on("Network.webSocketCreated", () => handshakes++);
    await page.setRequestInterception(true);
    page.on("request", (r) => {
      if (!r.url().endsWith("/console/session")) return r.continue();
      // The first ones are over already, as for who wakes up a machine that slept.
      const body = { restUrl: server.url, webSocketUrl: server.url.replace("http", "ws") + "ws", local: true, agent: "demo-agent", token: token(given++ < 2 ? -60 : 5), agentToken: server.agentToken };
      return r.respond({ contentType: "application/json", body: JSON.stringify(body) });
    });
  } });
  await ready(page);
  for (let i = 0; i < 8; i++) {
    await say(page, `q0.${i}`);
    await sleep(1000);
  }
  await until(page, "all are sent", () => !document.querySelector(".pending") && document.querySelectorAll(".message .bubble").length === 8);
  console.log(`${given} tokens, ${handshakes} handshakes`);
  const log = await theLog(server, id);
  assert.deepEqual(log.map((m) => m.content), Array.from({ length: 8 }, (_, i) => `q0.${i}`));
  assert.deepEqual(await mistakes(page, [log]), []);
  assert.deepEqual(await page.evaluate(() => window.told), []);
  assert.ok(given >= 4 && handshakes <= given + 1, `${given} tokens, ${handshakes} handshakes`);
  assert.deepEqual(page.troubles, []);
  await page.close();
});
