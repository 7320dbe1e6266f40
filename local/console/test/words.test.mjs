// What the page says, and how often.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { browse, click, open, ready, serve, shot, until } from "./lib.mjs";

let server, browser, page;
before(async () => {
  server = await serve([], { LIMIT_AGENT_MESSAGES: "0" });
  browser = await browse();
  page = await open(browser, server.url);
  await ready(page);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

const inPage = (file, f, ...args) => page.evaluate(async ([file, f, args]) => (await import(`/console/${file}`))[f](...args), [file, f, args]);

test("what is wrong is one sentence, in people's words", async () => {
  for (const [error, said] of [
    [{ code: "validation_failed", details: { agentId: "must be an id" } }, "The agent's id must be an id."],
    [{ code: "validation_failed", details: { id: "is not a valid id", clientMessageId: "is too long" } }, "The id is not a valid id; client message id is too long."],
    [{ message: "http://127.0.0.1:1 cannot be reached" }, "http://127.0.0.1:1 cannot be reached."],
    [{ message: "it broke" }, "It broke."],
  ]) assert.equal(await inPage("hooks.js", "sentence", error), said);
  await click(page, "New");
  await until(page, "the dialog is there", () => document.querySelectorAll("dialog .choice").length >= 2);
  await page.type("dialog input:not([type])", "A title");
  const fields = await page.$$("dialog .field input");
  await fields.at(-1).type("no agent!");
  await click(page, "Begin", "dialog button");
  await until(page, "it is told", () => /^The agent's id /.test(document.querySelector("dialog .failed")?.innerText ?? ""));
  await page.keyboard.press("Escape");
});

test("a line of the list has no marks of Markdown, and what people write stays", async () => {
  for (const [content, line] of [
    ["**I am here**, *really*, with `code` and ~~no~~ [a link](https://example.org/a_b).", "I am here, really, with code and no a link."],
    ["# A heading\n\n- one\n- two\n\n> said", "A heading\none\ntwo\nsaid"],
    ["a cut **one that has no e", "a cut one that has no e"],
    ["2 * 3 * 4, snake_case_name, a ** b and 5_000_000", "2 * 3 * 4, snake_case_name, a ** b and 5_000_000"],
    ["__all__ of it", "all of it"],
  ]) {
    assert.equal(await inPage("text.js", "preview", { role: "agent", content }), line);
    assert.equal(await inPage("text.js", "preview", { role: "user", content }), content);
  }
});

test("the hour has no zero before it, where people write none", async () => {
  const pattern = await page.evaluate(() => new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" }).format(new Date(2026, 0, 2, 5, 7)));
  assert.equal(await inPage("text.js", "time", new Date(await page.evaluate(() => +new Date(2026, 0, 2, 5, 7))).toISOString()), pattern);
});

test("an empty talk names what it offers", async () => {
  assert.match(await page.evaluate(() => document.querySelector(".empty").innerText), /Type below, or take one of these, and press Enter\./);
  await shot(page, "empty-hints");
});

test("two answers are apart, and why one failed stands there once", async () => {
  const { id } = await server.rest("POST", "conversations", { title: "Answers", agentId: "demo-agent" });
  const tell = (content, more, token = server.agentToken) => server.rest("POST", "messages", { conversationId: id, content, ...more }, token);
  await tell("one", { usage: { promptTokens: 1, completionTokens: 1, totalTokens: 2 } });
  await tell("two");
  await tell("It is out of order.", { type: "error", error: "It is out of order." });
  await tell("It broke.", { type: "error", error: "The carrier does not answer." });
  await page.evaluate((to) => { location.hash = to; }, id);
  await until(page, "all are there", () => document.querySelectorAll(".log .message").length === 4 && /carrier/.test(document.querySelector(".log").innerText));
  await until(page, "as Markdown", () => document.querySelectorAll(".log .md").length === 4);
  const text = await page.evaluate(() => document.querySelector(".log").innerText);
  assert.equal(text.match(/It is out of order\./g).length, 1);
  assert.equal(text.match(/The carrier does not answer\./g).length, 1);
  assert.deepEqual(await page.evaluate(() => [...document.querySelectorAll(".log .bad, .log .failed")].map((e) => e.innerText.trim())), ["It is out of order.", "The carrier does not answer."], "that it failed is seen");
  const gap = await page.evaluate(() => { const [a, b] = document.querySelectorAll(".message"); return b.querySelector(".bubble").getBoundingClientRect().top - a.querySelector(".body").lastElementChild.getBoundingClientRect().bottom; });
  assert.ok(gap >= 14, `${gap} pixels`);
  await shot(page, "answers");
});

test("panels say what they count, and that nothing is found", async () => {
  await click(page, "Panels");
  await until(page, "there are frames", () => document.querySelectorAll(".panel .frames li").length > 0);
  await click(page, "Pause");
  await page.type(".panel input", "no frame has this");
  await until(page, "it says that none has", () => /^None of \d+ match\.$/.test(document.querySelector(".panel p[role=status]")?.innerText ?? ""));
  await click(page, "Meter", "[role=tab]");
  await until(page, "it counts", () => /Commands to Redis/.test(document.querySelector(".panel").innerText));
  const rows = await page.evaluate(() => [...document.querySelectorAll(".panel tr")].map((r) => [...r.children].map((c) => c.textContent)));
  for (const name of ["Round trips to Redis", "Commands to Redis"]) assert.match(rows.find(([n]) => n === name)[1], /^[\d,]+$/);
  assert.ok(rows.some(([n]) => n.includes("32\u00a0KB")), "the number stays with its unit");
  for (const [, , cost] of rows.slice(1, 7)) assert.match(cost, /^(\$0|< \$0\.0000001|\$\d+\.\d*[1-9]\d*)$/);
  assert.match(await page.evaluate(() => document.querySelector(".total").innerText), /list prices of AWS and Upstash/);
  await click(page, "Faults", "[role=tab]");
  await until(page, "all can be turned off", () => [...document.querySelectorAll(".panel button")].some((b) => b.innerText === "Turn all off"));
  await page.click("[aria-label='Close the panels']");
});

test("the demo agent is explained also when it has been there", async () => {
  const hint = async () => {
    await click(page, "New");
    await until(page, "the agents are there", () => document.querySelectorAll("dialog .choice").length >= 2);
    await new Promise((r) => setTimeout(r, 300)); // what is registered has been read
    const text = await page.evaluate(() => [...document.querySelectorAll("dialog .choice")].find((e) => e.innerText.includes("demo-agent")).innerText);
    await page.keyboard.press("Escape");
    await until(page, "it is closed", () => !document.querySelector("dialog"));
    return text;
  };
  assert.match(await hint(), /you on the second side/);
  await click(page, "Two sides");
  await until(page, "it is there", () => document.querySelectorAll(".composer textarea").length === 2);
  assert.match(await hint(), /you on the second side/);
  assert.deepEqual(page.troubles, []);
});
