// What the page loads until a talk with an agent is on the screen.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { browse, click, open, ready, serve, until } from "./lib.mjs";

const most = 60 * 1024;
let server, browser;
before(async () => {
  server = await serve();
  browser = await browse();
});
after(async () => {
  await browser?.close();
  await server?.close();
});

const files = (page) => page.evaluate(() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
  .filter((e) => e.initiatorType !== "fetch")
  .map((e) => ({ name: new URL(e.name).pathname, wire: e.encodedBodySize, plain: e.decodedBodySize })));

test("a talk with an agent is on the screen for less than 60 KB", async () => {
  const { id } = await server.rest("POST", "conversations", { title: "Small", agentId: "demo-agent" });
  await server.rest("POST", "messages", { conversationId: id, content: "It is **on its way**." }, server.agentToken);
  const page = await open(browser, server.url + "#" + id);
  await ready(page);
  await until(page, "the agent's text is there", () => document.querySelector(".md strong"));
  const loaded = await files(page), sum = loaded.reduce((n, f) => n + f.wire, 0);
  console.log(`${loaded.length} files, ${sum} bytes on the wire`);
  assert.ok(sum < most, JSON.stringify(loaded));
  const names = loaded.map((f) => f.name);
  for (const name of ["/", "/console/style.css", "/console/chat.js", "/console/markdown.js", "/console/vendor/markdown.js"]) assert.ok(names.includes(name), `${name} is not among ${names}`);
  for (const name of ["/console/panels.js", "/console/dialogs.js", "/console/beside.css", "/console/call.js", "/console/writer.js", "/console/changes.js"]) assert.ok(!names.includes(name), `${name} is loaded unasked`);
  for (const f of loaded) assert.ok(f.wire > 0 && (f.plain < 1000 || f.wire < f.plain), `${f.name} is not packed: ${f.wire} of ${f.plain}`);
  await page.close();
});

test("what cannot be loaded is told, and is loaded once it can be", async () => {
  const page = await open(browser, server.url);
  await ready(page);
  await until(page, "all is loaded", () => document.querySelector(".md strong"));
  const stays = await page.evaluateHandle(() => document.querySelector(".console"));
  await server.kill();
  for (const label of ["New", "Panels"]) {
    await click(page, label);
    await until(page, `it is told about ${label}`, () => /cannot be loaded/.test(document.querySelector(".toast")?.innerText ?? ""));
    await until(page, "it goes", () => !document.querySelector(".toast")?.innerText, null, 60_000);
  }
  assert.deepEqual(page.troubles, []);
  await server.start();
  await until(page, "it is connected", () => document.querySelector(".foot .dot.on"));
  await click(page, "New");
  await until(page, "the dialog is there", () => document.querySelector("dialog[open]"));
  await page.keyboard.press("Escape");
  await click(page, "Panels");
  await until(page, "the panels are there", () => document.querySelector(".drawer"));
  assert.ok(await stays.evaluate((e) => e.isConnected), "the page is the same");
  assert.deepEqual(page.troubles, []);
});

test("text of agents is shown as it was written while what reads it cannot be loaded", async () => {
  const page = await open(browser, "about:blank");
  await page.setRequestInterception(true);
  let refused = 0, refuse = true;
  page.on("request", (r) => { if (refuse && r.url().endsWith("/vendor/markdown.js")) { refused++; r.abort(); } else r.continue(); });
  await page.goto(server.url);
  await until(page, "it is shown", () => document.querySelector(".message .plain")?.innerText === "It is **on its way**.");
  while (refused === 0) await new Promise((r) => setTimeout(r, 50));
  refuse = false;
  await until(page, "it is Markdown", () => document.querySelector(".md strong"));
  await page.close();
});
