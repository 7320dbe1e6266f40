// A message is deleted from the page.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { browse, click, open, ready, serve, shot, theLog, until } from "./lib.mjs";

let server, browser, page, id;
before(async () => {
  server = await serve();
  browser = await browse();
  ({ id } = await server.rest("POST", "conversations", { title: "Erasing", agentId: "demo-agent" }));
  for (const [content, token] of [["mine"], ["the agent's", server.agentToken], ["my last"]]) await server.rest("POST", "messages", { conversationId: id, content }, token);
  page = await open(browser, server.url + "#" + id);
  await ready(page);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

const bubbles = (p) => p.evaluate(() => [...document.querySelectorAll(".bubble")].map((e) => e.innerText.trim()));
/** Goes to an item of the menu that is open, and takes it. */
const choose = async (p, item) => {
  await until(p, "the menu is there, and has the focus", () => document.activeElement.closest(".menu"));
  while (!(await p.evaluate((t) => document.activeElement.innerText === t, item))) await p.keyboard.press("Tab");
  await p.keyboard.press("Enter");
};
const erase = async (p, text, { really = true } = {}) => {
  await until(p, `${text} is there`, (t) => [...document.querySelectorAll(".bubble")].some((e) => e.innerText.trim() === t), text);
  const button = await p.evaluateHandle((t) => [...document.querySelectorAll(".message")].find((e) => e.querySelector(".bubble")?.innerText.trim() === t).querySelector(".has-menu button"), text);
  await button.asElement().focus();
  await p.keyboard.press("Enter");
  await until(p, "the menu is there, and has the focus", () => document.activeElement.closest(".menu"));
  const { left, right, top, bottom } = await p.evaluate(() => document.querySelector(".menu").getBoundingClientRect().toJSON());
  const [width, height] = await p.evaluate(() => [innerWidth, innerHeight]);
  assert.ok(left >= 0 && top >= 0 && right <= width && bottom <= height, "all of it is on the screen");
  await shot(p, `message-menu-${width}`);
  await choose(p, "Delete…");
  await until(p, "it asks", (t) => document.querySelector("dialog[open]")?.innerText.includes(t), text);
  await click(p, really ? "Delete" : "Cancel", "dialog button");
  await until(p, "it asks no more", () => !document.querySelector("dialog"));
};

test("what was asked and not confirmed changes nothing, and Escape closes the menu", async () => {
  await erase(page, "mine", { really: false });
  assert.deepEqual(await bubbles(page), ["mine", "the agent's", "my last"]);
  await until(page, "the focus is where it was", () => document.activeElement.closest(".message .has-menu"));
  await page.keyboard.press("Enter");
  await until(page, "the menu is there", () => document.activeElement.closest(".menu"));
  await page.keyboard.press("Escape");
  await until(page, "it goes, and the focus is back", () => !document.querySelector(".menu") && document.activeElement.closest(".message .has-menu"));
});

test("one's own goes, for all, and from the list", async () => {
  const other = await open(browser, page.url());
  await ready(other);
  await page.bringToFront();
  await erase(page, "my last");
  for (const p of [page, other]) {
    await until(p, "it is gone", () => document.querySelector(".log .note")?.innerText === "A message was deleted" && document.querySelectorAll(".bubble").length === 2);
    await until(p, "also from the list", () => document.querySelector(".list [aria-current] .last").innerText === "a deleted message");
  }
  await until(page, "one types on", () => document.activeElement.tagName === "TEXTAREA");
  assert.equal((await theLog(server, id)).at(-1).content, "");
  assert.deepEqual(other.troubles, []);
  await other.close();
});

test("the creator deletes what the agent has said, on a phone too", async () => {
  await page.setViewport({ width: 375, height: 700 });
  await erase(page, "the agent's");
  await until(page, "it is gone", () => document.querySelectorAll(".bubble").length === 1);
  await page.setViewport({ width: 1280, height: 860 });
  assert.deepEqual(await bubbles(page), ["mine"]);
});

test("nobody is offered what is not theirs", async () => {
  await server.rest("POST", "messages", { conversationId: id, content: "the agent's second" }, server.agentToken);
  await click(page, "Two sides");
  await until(page, "the agent's side is there", () => document.querySelectorAll(".talk").length === 2 && document.querySelectorAll(".talk")[1].querySelectorAll(".bubble").length === 2 && document.querySelectorAll(".talk")[1].querySelector(".mine"));
  const offered = async (side, text) => {
    const button = await page.evaluateHandle(([n, t]) => [...document.querySelectorAll(".talk")[n].querySelectorAll(".message")].find((m) => m.querySelector(".bubble")?.innerText.trim() === t).querySelector(".has-menu button"), [side, text]);
    await button.asElement().focus();
    await page.keyboard.press("Enter");
    await until(page, "the menu is there", () => document.activeElement.closest(".menu"));
    const items = await page.evaluate(() => [...document.querySelectorAll(".menu button")].map((b) => b.innerText));
    await page.keyboard.press("Escape");
    await until(page, "it goes", () => !document.querySelector(".menu"));
    return items;
  };
  const all = ["React…", "Edit", "Delete…"];
  assert.deepEqual([await offered(0, "mine"), await offered(0, "the agent's second")], [all, ["React…", "Mark unread", "Delete…"]]); // who created the conversation
  assert.deepEqual([await offered(1, "mine"), await offered(1, "the agent's second")], [["React…", "Mark unread"], all]);
});

test("what cannot be deleted is told", async () => {
  await server.kill();
  const button = await page.$(".talk .mine .has-menu button");
  await button.focus();
  await page.keyboard.press("Enter");
  await choose(page, "Delete…");
  await until(page, "it asks", () => document.querySelector("dialog[open]"));
  await click(page, "Delete", "dialog button");
  await until(page, "it is told", () => document.querySelector("dialog .failed")?.innerText);
  assert.deepEqual(page.troubles, []);
});
