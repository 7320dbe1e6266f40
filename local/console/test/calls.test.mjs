// What a card of a tool says, and what is decided there.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { browse, click, open, ready, say, serve, shot, until } from "./lib.mjs";

let server, browser, page;
before(async () => {
  server = await serve([], { LIMIT_AGENT_MESSAGES: "0", LIMIT_USER_MESSAGES: "0" });
  browser = await browse();
  page = await open(browser, server.url);
  await ready(page);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

const asked = async (order, more = {}) => {
  await say(page, `Please pay it back. #tool shop__refund_order ${JSON.stringify({ order, ...more })}`);
  await until(page, "it asks", (o) => document.querySelector(".card.asks pre")?.innerText.includes(o), order);
};
const states = (p) => p.evaluate(() => [...document.querySelectorAll(".card .state")].map((e) => e.innerText.trim()));
const lastState = (p, text) => until(p, `the last call is "${text}"`, (t) => [...document.querySelectorAll(".card .state")].at(-1)?.innerText.trim() === t, text, 60_000);
const write = (p, text) => p.evaluate((t) => { const e = document.querySelector(".asks textarea"); e.value = t; e.dispatchEvent(new Event("input", { bubbles: true })); }, text);
const quiet = (p) => until(p, "the answer is there", () => !document.querySelector(".stream"), null, 60_000);

test("arguments are changed before they are approved", async () => {
  await asked("1042", { note: "a\u202eb" });
  assert.equal((await states(page)).at(-1), "waits for approval");
  await click(page, "Change the arguments", ".asks button");
  const text = await page.evaluate(() => document.querySelector(".asks textarea").value);
  assert.match(text, /"order": "1042"/);
  assert.match(text, /a\\u202eb/, "nothing is invisible in it");
  for (const [wrong, said] of [["{order: 1}", /no JSON/], ["", /no JSON/], ["[1]", /must be a JSON object/], ["null", /must be a JSON object/], ['"x"', /must be a JSON object/], ['{"order": 12345678901234567890}', /“order” is too large/]]) {
    await write(page, wrong);
    await click(page, "Approve as changed");
    await until(page, `${wrong} is refused`, (s) => new RegExp(s).test(document.querySelector(".asks .failed")?.innerText ?? ""), said.source);
    assert.equal(await page.evaluate(() => document.querySelector(".asks textarea").getAttribute("aria-invalid")), "true");
    assert.equal(await page.evaluate(() => document.getElementById(document.querySelector(".asks textarea").getAttribute("aria-describedby")).role), "alert");
  }
  await shot(page, "approval-edit");
  await write(page, JSON.stringify({ order: "1042", note: "x".repeat(70_000) }));
  assert.equal(await page.evaluate(() => document.querySelector(".asks .failed")), null);
  await click(page, "Approve as changed");
  await until(page, "the server's word is shown, with its field", () => /^arguments /i.test(document.querySelector(".asks .failed")?.innerText ?? ""));
  await write(page, '{"order": "1077"}');
  await page.type(".asks .reason input", "the other one");
  await click(page, "Approve as changed");
  await until(page, "it has run with what was written", () => /Order 1077 is refunded/.test(document.querySelector(".log").innerText));
  await quiet(page);
  const log = await page.evaluate(() => document.querySelector(".log").innerText);
  assert.doesNotMatch(log, /Order 1042 is refunded/);
  assert.match(log, /Approved by demo-user: the other one/);
  assert.match(log, /Arguments, changed and result/);
  assert.ok((await states(page)).includes("done"));
});

test("what was opened to be changed and was not is approved as it was asked", async () => {
  await asked("1043");
  await click(page, "Change the arguments", ".asks button");
  await write(page, '{"order": "9"}');
  await click(page, "Back to what it asked", ".asks button");
  await click(page, "Change the arguments", ".asks button");
  await click(page, "Approve");
  await until(page, "it has run", () => /Order 1043 is refunded/.test(document.querySelector(".log").innerText));
  await quiet(page);
  const id = decodeURIComponent(new URL(page.url()).hash.slice(1));
  const decisions = (await server.rest("GET", `messages?conversationId=${id}&limit=100`)).data.filter((m) => m.approval?.toolCallId);
  assert.equal(decisions.length, 2);
  assert.equal(decisions.at(-1).approval.arguments, undefined);
});

test("what somebody else has decided is told, and what was typed meanwhile harms nothing", async () => {
  await asked("1044");
  const other = await open(browser, page.url());
  await until(other, "it asks there too", () => document.querySelector(".asks"));
  await click(other, "Change the arguments", ".asks button");
  await page.bringToFront();
  await click(page, "Refuse");
  await lastState(page, "refused");
  await other.bringToFront();
  await until(other, "it asks no more", () => !document.querySelector(".asks"));
  await lastState(other, "refused");
  assert.deepEqual(other.troubles, []);
  await other.close();
  await page.bringToFront();
  await quiet(page);
});

test("a card says that a call runs while it does, and what came of it", async () => {
  await say(page, '#tool shop__slow_report {"seconds": 2}');
  await lastState(page, "runs");
  await shot(page, "call-runs");
  await lastState(page, "done");
  await quiet(page);
  await say(page, '#tool shop__slow_report {"seconds": 25}');
  await lastState(page, "runs");
  await click(page, "Stop");
  await until(page, "it does not run", () => [...document.querySelectorAll(".card .state")].at(-1).innerText.trim() !== "runs" && !document.querySelector(".stream"), null, 60_000);
  assert.match((await states(page)).at(-1), /no answer|stopped|unknown|failed/);
  await say(page, '#tool shop__get_order {"order": "no such order"}');
  await until(page, "it has an end", () => [...document.querySelectorAll(".card .state")].at(-1).innerText.trim() === "failed" || /no such order|not/.test([...document.querySelectorAll(".card")].at(-1).innerText));
  await quiet(page);
  assert.ok(!(await states(page)).includes("runs"));
});

test("a call that nothing answers is not said to run", async () => {
  const { id } = await server.rest("POST", "conversations", { title: "Calls", agentId: "demo-agent" });
  const tell = (content, more) => server.rest("POST", "messages", { conversationId: id, content, ...more }, server.agentToken);
  const question = (await server.rest("POST", "messages", { conversationId: id, content: "Do it." })).messageId;
  const call = (n, more) => tell("", { type: "tool_call", parentId: question, toolCalls: [{ id: `c${n}`, tool: `tool_${n}`, arguments: {} }], ...more });
  await call(1);
  await page.evaluate((to) => { location.hash = to; }, id);
  await lastState(page, "no answer yet");
  await tell("", { type: "tool_result", parentId: question, toolResults: [{ toolCallId: "c1", name: "tool_1", isError: true, outcome: "unknown_tool" }], content: "There is none." });
  await lastState(page, "unknown tool");
  await call(2);
  await lastState(page, "no answer yet");
  await tell("I cannot.", { parentId: question });
  await lastState(page, "no answer");
  await page.reload();
  await lastState(page, "no answer");
  assert.deepEqual(await states(page), ["unknown tool", "no answer"]);
  await shot(page, "call-no-answer");
});

test("one's own message says how it stands with it", async () => {
  const mark = (p, text) => p.evaluate((t) => [...document.querySelectorAll(".mine")].filter((e) => e.querySelector(".bubble")?.innerText.trim() === t).map((e) => e.querySelector(".mark")?.getAttribute("aria-label")), text);
  const { id } = await server.rest("POST", "conversations", { title: "Marks", agentId: "demo-agent" });
  await page.evaluate((to) => { location.hash = to; }, id);
  await until(page, "it is open", () => document.querySelector(".title h2")?.innerText === "Marks" && document.activeElement.tagName === "TEXTAREA");
  await say(page, "one");
  await until(page, "it is sent", () => document.querySelector(".mark-sent"));
  assert.deepEqual(await mark(page, "one"), ["Sent"]);
  await say(page, "two");
  await page.evaluate(() => { const t = document.querySelector(".composer textarea"); t.value = "y".repeat(70_000); t.dispatchEvent(new Event("input", { bubbles: true })); });
  await page.focus(".composer textarea");
  await page.keyboard.press("Enter");
  await until(page, "it is not sent", () => document.querySelector(".mark-failed") || /most|long|large/i.test(document.querySelector(".toast").innerText));
  if (await page.$(".mark-failed")) {
    assert.match(await page.evaluate(() => document.querySelector(".pending .failed").innerText), /^Not sent\. .+Try again Discard$/);
    await click(page, "Discard", ".pending button");
    await until(page, "it is gone", () => !document.querySelector(".pending"));
  }
  await server.kill();
  await page.evaluate(() => { const t = document.querySelector(".composer textarea"); t.value = ""; t.dispatchEvent(new Event("input", { bubbles: true })); });
  await until(page, "it is away", () => !document.querySelector(".foot .dot.on"));
  await say(page, "three");
  await until(page, "it waits", () => document.querySelector(".mark-queued"));
  assert.deepEqual(await mark(page, "three"), ["Waits to be sent"]);
  await server.start();
  await until(page, "it is sent", () => !document.querySelector(".pending") && [...document.querySelectorAll(".mine .bubble")].at(-1)?.innerText.trim() === "three", null, 60_000);
  assert.deepEqual(await mark(page, "three"), ["Sent"]);
});

test("nothing went wrong on the way", () => {
  assert.deepEqual(page.troubles, []);
  assert.deepEqual(page.elsewhere, []);
});
