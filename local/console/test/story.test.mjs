// The story of a newcomer, by clicks and keys.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { browse, click, open, ready, say, serve, shot, texts, until } from "./lib.mjs";

let server, browser, page;
before(async () => {
  server = await serve();
  browser = await browse();
});
after(async () => {
  await browser?.close();
  await server?.close();
});

const count = (text) => [...document.querySelectorAll(".message:not(.stream) .bubble")].filter((e) => e.innerText.trim() === text).length;
// An answer whose function is killed goes on within a minute and a half.
const quiet = async () => {
  await new Promise((r) => setTimeout(r, 500));
  await until(page, "it is quiet", () => !document.querySelector(".stream"), null, 120_000);
};
const once = async (p, text) => {
  await until(p, `"${text}" is there once`, (t) => [...document.querySelectorAll(".message:not(.stream):not(.pending) .bubble")].filter((e) => e.innerText.trim() === t).length === 1, text);
  assert.equal(await p.evaluate(count, text), 1, text);
};

test("the greeting says first where to look", () => {
  assert.match(server.greeting, /^aiwm-chat is running\n\n {2}Open {10}http:\/\/127\.0\.0\.1:\d+\/\n/);
});

test("who opens it is signed in, has a conversation, and types at once", async () => {
  const start = Date.now();
  page = await open(browser, server.url);
  const paint = await page.evaluate(() => new Promise((resolve) => {
    new PerformanceObserver((l) => resolve(l.getEntries().at(-1).startTime)).observe({ type: "largest-contentful-paint", buffered: true });
    setTimeout(() => resolve(performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? NaN), 2000);
  }));
  const first = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime);
  await ready(page);
  console.log(`first paint after ${Math.round(first)} ms, the largest after ${Math.round(paint)} ms, ready to type after ${Date.now() - start} ms`);
  assert.ok(first < 5000, `first paint after ${first} ms`);
  await until(page, "the agent is named", () => document.querySelector(".talk .head")?.innerText.includes("assistant"));
  await shot(page, "empty-light");
});

test("a question is answered, piece by piece", async () => {
  await page.keyboard.type("Is my order on its way? #tokens 60");
  await page.keyboard.press("Enter");
  await until(page, "an answer is being written", () => document.querySelector(".message.stream .bubble"));
  const early = await page.evaluate(() => document.querySelector(".message.stream .bubble")?.innerText.length ?? 1e9);
  await until(page, "the answer is there", () => document.querySelectorAll(".message:not(.stream) .bubble").length === 2 && !document.querySelector(".stream"));
  const [question, answer] = await texts(page);
  assert.equal(question, "Is my order on its way? #tokens 60");
  assert.ok(answer.length > early, "it has grown");
  assert.equal(await page.evaluate(() => document.querySelector("textarea").value), "");
});

test("Shift+Enter is a new line, and Enter while composing sends nothing", async () => {
  await page.focus("textarea");
  await page.keyboard.type("one");
  await page.keyboard.down("Shift");
  await page.keyboard.press("Enter");
  await page.keyboard.up("Shift");
  await page.keyboard.type("two");
  assert.equal(await page.evaluate(() => document.querySelector("textarea").value), "one\ntwo");
  const before = (await texts(page)).length;
  const client = await page.createCDPSession();
  await page.evaluate(() => { document.querySelector("textarea").select(); });
  await client.send("Input.imeSetComposition", { text: "に", selectionStart: 1, selectionEnd: 1 });
  await page.evaluate(() => {
    const e = new KeyboardEvent("keydown", { key: "Enter", isComposing: true, bubbles: true, cancelable: true });
    window.refused = document.querySelector("textarea").dispatchEvent(e);
  });
  await client.send("Input.dispatchKeyEvent", { type: "rawKeyDown", key: "Process", code: "Enter", windowsVirtualKeyCode: 229 });
  await client.send("Input.insertText", { text: "日本" });
  await new Promise((r) => setTimeout(r, 300));
  assert.equal((await texts(page)).length, before);
  assert.equal(await page.evaluate(() => document.querySelector("textarea").value), "日本");
  await page.evaluate(() => { const t = document.querySelector("textarea"); t.value = ""; t.dispatchEvent(new Event("input", { bubbles: true })); });
});

test("Esc stops an answer", async () => {
  await say(page, "Tell me all. #tokens 400 #slow 30");
  await until(page, "some of it is there", () => (document.querySelector(".message.stream .bubble")?.innerText.length ?? 0) > 40);
  await shot(page, "streaming");
  await page.keyboard.press("Escape");
  await until(page, "it has stopped", () => !document.querySelector(".stream") && document.querySelector(".log")?.innerText.includes("Stopped"));
});

test("a tool that asks waits, and runs when it is approved", async () => {
  await say(page, 'Please pay it back. #tool shop__refund_order {"order": "1042"}');
  await until(page, "it asks", () => document.querySelector(".card.asks pre")?.innerText.includes("1042"));
  await shot(page, "approval-light");
  await page.type(".asks input", "of course");
  await click(page, "Approve");
  await until(page, "it has run", () => /Order 1042 is refunded/.test(document.querySelector(".log").innerText) && !document.querySelector(".stream") && !document.querySelector(".asks"));
  const text = await page.evaluate(() => document.querySelector(".log").innerText);
  assert.match(text, /Approved by demo-user: of course/);
  await say(page, 'And this one. #tool shop__refund_order {"order": "1043"}');
  await until(page, "it asks again", () => document.querySelector(".card.asks pre")?.innerText.includes("1043"));
  await click(page, "Refuse");
  await until(page, "it is refused", () => /Refused by demo-user/.test(document.querySelector(".log").innerText) && !document.querySelector(".asks"));
});

test("a second tab stays in step", async () => {
  const second = await open(browser, page.url());
  await ready(second);
  await once(second, "Is my order on its way? #tokens 60");
  await second.bringToFront();
  await say(second, "from the second tab #tokens 5");
  await page.bringToFront();
  await once(page, "from the second tab #tokens 5");
  await until(page, "the answer is there", () => !document.querySelector(".stream"));
  await page.focus("textarea");
  await say(page, "from the first tab #tokens 5");
  await once(second, "from the first tab #tokens 5");
  await second.close();
});

test("what is typed while there is no network goes out once", async () => {
  await quiet();
  const client = await page.createCDPSession();
  const cut = { offline: true, latency: 0, downloadThroughput: 0, uploadThroughput: 0 };
  await client.send("Network.enable");
  await client.send("Network.emulateNetworkConditions", cut);
  await page.evaluate(() => dispatchEvent(new Event("offline")));
  await server.kill(); // emulation leaves WebSockets alone
  for (let i = 1; i <= 3; i++) await say(page, `while away ${i} #tokens 3`);
  await until(page, "they wait", () => document.querySelectorAll(".pending").length === 3);
  await until(page, "it says so", () => /offline|No connection/i.test(document.querySelector(".banner").innerText));
  await shot(page, "offline");
  await new Promise((r) => setTimeout(r, 3000));
  await server.start();
  await client.send("Network.emulateNetworkConditions", { ...cut, offline: false, downloadThroughput: -1, uploadThroughput: -1 });
  for (let i = 1; i <= 3; i++) await once(page, `while away ${i} #tokens 3`);
  await until(page, "nothing waits", () => !document.querySelector(".pending") && document.querySelector(".foot .dot.on"));
});

test("the server is killed and started again: nothing is lost or shown twice", async () => {
  await quiet();
  const before = await page.evaluate(() => [...document.querySelectorAll(".row")].length);
  assert.ok(before > 0);
  for (let turn = 1; turn <= 2; turn++) {
    await say(page, `before the end ${turn} #tokens 3`);
    await server.kill();
    await say(page, `after it ${turn} #tokens 3`);
    await server.start();
    await once(page, `before the end ${turn} #tokens 3`);
    await once(page, `after it ${turn} #tokens 3`);
  }
  const id = decodeURIComponent(new URL(page.url()).hash.slice(1));
  const log = (await server.rest("GET", `messages?conversationId=${id}&limit=100`)).data.filter((m) => m.participantType === "user").map((m) => m.content);
  assert.deepEqual(log.filter((t) => /before the end|after it|while away/.test(t)), ["while away 1 #tokens 3", "while away 2 #tokens 3", "while away 3 #tokens 3", ...[1, 2].flatMap((n) => [`before the end ${n} #tokens 3`, `after it ${n} #tokens 3`])]);
  await page.reload();
  await ready(page);
  await once(page, "after it 2 #tokens 3");
});

test("nothing went wrong on the way", () => {
  assert.deepEqual(page.troubles, []);
  assert.deepEqual(page.elsewhere, []);
});
