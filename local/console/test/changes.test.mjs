// Reactions, edits and deletions, between two browsers and two devices of one user.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { browse, click, open, ready, say, serve, shot, texts, until } from "./lib.mjs";

let server, browser, id, mine, other;
before(async () => {
  server = await serve([], { LIMIT_AGENT_MESSAGES: "0", LIMIT_USER_MESSAGES: "0" });
  browser = await browse();
  ({ id } = await server.rest("POST", "conversations", { title: "Changes", agentId: "demo-agent" }));
  await server.rest("POST", "messages", { conversationId: id, content: "How are you?" }, server.agentToken);
  [mine, other] = await Promise.all([0, 1].map(async () => {
    const page = await open(browser, server.url + "#" + id, { context: await browser.createBrowserContext() });
    await ready(page);
    return page;
  }));
});
after(async () => {
  await browser?.close();
  await server?.close();
});

const chips = (page) => page.evaluate(() => [...document.querySelectorAll(".reactions > .chip")].map((e) => `${e.innerText.replace(/\s+/g, " ").trim()}${e.ariaPressed === "true" ? " mine" : ""}`).join());
const shows = (page, what, want) => until(page, `${what} ${want}`, (want) => [...document.querySelectorAll(".reactions > .chip")].map((e) => `${e.innerText.replace(/\s+/g, " ").trim()}${e.ariaPressed === "true" ? " mine" : ""}`).join() === want, want);
const menu = async (page, n, item) => {
  await until(page, "its menu is there", (n) => document.querySelectorAll(".message")[n]?.querySelector(".has-menu button"), n);
  await page.evaluate((n) => document.querySelectorAll(".message")[n].querySelector(".has-menu button").focus(), n);
  await page.keyboard.press("Enter");
  await click(page, item, ".menu button");
};
const has = (page, text) => until(page, `it says ${text}`, (text) => [...document.querySelectorAll(".bubble")].some((e) => e.innerText.trim() === text), text);

test("a reaction is chosen by keyboard, counted for both, and taken back by a click", async () => {
  await menu(mine, 0, "React…");
  await until(mine, "the first is chosen", () => document.activeElement.ariaLabel === "React with 👍");
  await mine.keyboard.press("Enter");
  await shows(mine, "the page has", "👍 1 mine");
  await shows(other, "the other has", "👍 1 mine");
  assert.equal(await mine.evaluate(() => document.activeElement.tagName), "TEXTAREA");
  await server.rest("PUT", `messages/${(await server.rest("GET", `messages?conversationId=${id}`)).data[0].id}/reactions/%F0%9F%91%8D`, undefined, server.agentToken);
  await shows(mine, "the page has", "👍 2 mine");
  await menu(mine, 0, "React…");
  await mine.focus(".picker input");
  await mine.keyboard.type(":party:");
  await mine.keyboard.press("Enter");
  await shows(mine, "the page has", "👍 2 mine,:party: 1 mine");
  await shot(mine, "reactions");
  await mine.click(".reactions > .chip");
  await shows(mine, "the page has", "👍 1,:party: 1 mine");
  await shows(other, "the other has", "👍 1,:party: 1 mine");
  await menu(mine, 0, "React…");
  await until(mine, "the first is chosen", () => document.activeElement.ariaLabel === "React with 👍");
  await mine.keyboard.press("Escape");
  await until(mine, "nothing is chosen", () => !document.querySelector(".picker"));
  assert.equal(await chips(mine), "👍 1,:party: 1 mine");
});

test("what one said last is edited from an empty composer, and what was being written comes back", async () => {
  await say(mine, "Fien, thanks");
  await has(other, "Fien, thanks");
  await until(mine, "it is sent", () => document.querySelector(".mark-sent"));
  await mine.keyboard.press("ArrowUp");
  await until(mine, "it is edited", () => document.querySelector(".composer textarea").value === "Fien, thanks");
  await mine.keyboard.down("Control");
  await mine.keyboard.press("a");
  await mine.keyboard.up("Control");
  await mine.keyboard.type("Fine, thanks");
  await mine.keyboard.press("Enter");
  for (const page of [mine, other]) {
    await has(page, "Fine, thanks");
    await until(page, "it says so", () => [...document.querySelectorAll(".mine .small")].some((e) => e.innerText === "edited"));
  }
  await until(mine, "the composer is empty", () => document.querySelector(".composer textarea").value === "" && !document.querySelector(".composer .reason"));
  await mine.keyboard.type("a draft");
  await menu(mine, 1, "Edit");
  await until(mine, "it is edited", () => document.querySelector(".composer textarea").value === "Fine, thanks" && document.activeElement.tagName === "TEXTAREA");
  await mine.keyboard.press("Escape");
  await until(mine, "the draft is back", () => document.querySelector(".composer textarea").value === "a draft");
});

test("an edit of what was edited meanwhile shows both, and replaces nothing unasked", async () => {
  await menu(mine, 1, "Edit");
  await until(mine, "it is edited", () => document.querySelector(".composer textarea").value === "Fine, thanks");
  await mine.keyboard.type("!");
  const { data } = await server.rest("GET", `messages?conversationId=${id}`);
  await server.rest("PUT", `messages/${data[1].id}`, { content: "Fine, thank you", edits: 1 });
  await has(mine, "Fine, thank you");
  await mine.keyboard.press("Enter");
  await until(mine, "both are there", () => document.querySelector(".composer blockquote")?.innerText === "Fine, thank you" && document.querySelector(".composer textarea").value === "Fine, thanks!");
  await shot(mine, "edit-conflict");
  assert.equal((await server.rest("GET", `messages/${data[1].id}`)).content, "Fine, thank you");
  await mine.keyboard.press("Enter");
  for (const page of [mine, other]) await has(page, "Fine, thanks!");
});

test("what is deleted is deleted for both, also while it is edited", async () => {
  await menu(mine, 1, "Edit");
  const { data } = await server.rest("GET", `messages?conversationId=${id}`);
  await server.rest("DELETE", `messages/${data[1].id}`);
  for (const page of [mine, other]) await until(page, "it is gone", () => document.querySelectorAll(".note").length === 1);
  await mine.keyboard.type("?");
  await mine.keyboard.press("Enter");
  await until(mine, "it is said, and the words are a draft", () => document.querySelector(".toast")?.innerText === "The message was deleted." && document.querySelector(".composer textarea").value === "Fine, thanks!?" && !document.querySelector(".composer .reason"));
  assert.deepEqual(await texts(mine), ["How are you?"]);
  for (const page of [mine, other]) assert.deepEqual(page.troubles, []);
});
