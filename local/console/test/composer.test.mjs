// Where one types: what stops, what goes along, and where the focus is.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { browse, click, open, ready, say, serve, shot, theLog, until } from "./lib.mjs";

let server, browser, page, id;
before(async () => {
  server = await serve([], { LIMIT_AGENT_MESSAGES: "0", LIMIT_USER_MESSAGES: "0" });
  browser = await browse();
  ({ id } = await server.rest("POST", "conversations", { title: "Away", agentId: "demo-agent" }));
  page = await open(browser, server.url + "#" + id);
  await ready(page);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

const stops = (p) => p.evaluate(() => !!document.querySelector(".composer .stop"));
const where = (p) => p.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.tagName);

test("what an agent gets that is not connected is not to be stopped, and that is said", async () => {
  await until(page, "it is away", () => /is away/.test(document.querySelector(".title p")?.innerText ?? ""));
  await say(page, "Are you there?");
  await until(page, "it is sent, and said", () => document.querySelector(".mark-sent") && document.querySelector(".typing").innerText === "demo-agent is not connected; it gets this when it connects.");
  assert.equal(await stops(page), false);
  await shot(page, "agent-away");
  await server.rest("POST", "messages", { conversationId: id, content: "**I am here**, says `it`." }, server.agentToken);
  await until(page, "it is said no more", () => document.querySelector(".md strong") && document.querySelector(".typing").innerText === "");
  assert.equal(await page.evaluate(() => document.querySelector(".list [aria-current] .last").innerText), "I am here, says it.");
});

test("Escape stops what the button stops", async () => {
  await page.evaluate(() => {
    const { send } = WebSocket.prototype;
    WebSocket.prototype.send = function (text) {
      if (/stop/.test(JSON.parse(text).action)) window.stopped = (window.stopped ?? 0) + 1;
      return send.call(this, text);
    };
  });
  await click(page, "Two sides"); // an agent that is there, and does not answer
  await until(page, "it is there", () => /is there/.test(document.querySelector(".title p").innerText) && document.querySelectorAll(".composer textarea").length === 2);
  await say(page, "And now?");
  await until(page, "it may be stopped", () => document.querySelector(".composer .stop")?.title === "Esc");
  assert.equal(await page.$(".stream"), null);
  await page.keyboard.press("Escape");
  await until(page, "it was", () => window.stopped === 1);
  await click(page, "Two sides");
  await until(page, "it is away", () => /is away/.test(document.querySelector(".title p").innerText), null, 60_000);
});

test("an address is typed, and goes along with what is said", async () => {
  const { id: talk } = await server.rest("POST", "conversations", { title: "Attach", agentId: "assistant" });
  await page.evaluate((to) => { location.hash = to; }, talk);
  await until(page, "it is open", () => document.querySelector(".title h2")?.innerText === "Attach" && document.activeElement.tagName === "TEXTAREA");
  await page.focus("textarea");
  await page.click("[aria-label='Attach by address']");
  await until(page, "one types the address", () => document.activeElement.type === "url");
  await page.keyboard.type("no address");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.type), "url", "what is no address goes nowhere");
  await page.evaluate(() => document.activeElement.select());
  await page.keyboard.type("https://example.org/the%20label.pdf");
  await shot(page, "attach");
  await page.keyboard.press("Enter");
  await until(page, "one types the text", () => document.activeElement.tagName === "TEXTAREA");
  await page.keyboard.type("Here it is. #tokens 2");
  await page.keyboard.press("Enter");
  await until(page, "it is sent", () => document.querySelector(".mine .attachment") && !document.querySelector(".pending"));
  assert.equal(await where(page), "Message");
  const [sent] = await theLog(server, talk);
  assert.deepEqual([sent.content, sent.attachments], ["Here it is. #tokens 2", ["https://example.org/the%20label.pdf"]]);
  await page.click("[aria-label='Attach by address']");
  await until(page, "the field is there", () => document.activeElement.type === "url");
  await page.keyboard.press("Escape");
  await until(page, "it goes", () => !document.querySelector("input[type=url]") && document.activeElement.tagName === "TEXTAREA");
});

test("the focus stays where one types, whatever is clicked", async () => {
  await until(page, "it is quiet", () => !document.querySelector(".stream"), null, 60_000);
  await page.type(".composer textarea", "By a click. #tokens 2");
  await click(page, "Send");
  await until(page, "one can go on", () => document.activeElement.tagName === "TEXTAREA" && document.activeElement.value === "");
  await until(page, "it is answered", () => document.querySelectorAll(".message:not(.mine) .bubble").length === 2 && !document.querySelector(".stream"), null, 60_000);
  await say(page, 'Pay it back. #tool shop__refund_order {"order": "1042"}');
  await until(page, "it asks, and the list says for what", () => document.querySelector(".asks") && document.querySelector(".list [aria-current] .last").innerText === "asks for refund_order");
  assert.match(await page.evaluate(() => document.querySelector(".asks h3").innerText), /of shop\?/);
  await page.reload();
  await until(page, "so it does when it is read anew", () => document.querySelector(".asks") && document.querySelector(".list [aria-current] .last").innerText === "asks for refund_order");
  await page.type(".asks .reason input", "no");
  await click(page, "Refuse", ".asks button");
  await until(page, "one can go on", () => !document.querySelector(".asks") && document.activeElement.getAttribute("aria-label") === "Message");
  await until(page, "it is refused", () => [...document.querySelectorAll(".card .state")].at(-1)?.innerText === "refused" && !document.querySelector(".stream"), null, 60_000);
  await server.rest("POST", "messages", { conversationId: id, content: "", attachments: ["https://example.org/bill.pdf"] }, server.agentToken);
  await page.evaluate((to) => { location.hash = to; }, id);
  await until(page, "the list names the file", () => document.querySelector(".list [aria-current] .last")?.innerText === "bill.pdf");
  assert.deepEqual(page.troubles, []);
});
