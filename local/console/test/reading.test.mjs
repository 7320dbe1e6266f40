// What is unread, and who has read, between two devices of one user and an agent.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { browse, click, open, ready, say, serve, shot, until } from "./lib.mjs";

let server, browser, mine, other;
const ids = [];
before(async () => {
  server = await serve([], { LIMIT_AGENT_MESSAGES: "0", LIMIT_USER_MESSAGES: "0", LIMIT_READS: "0" });
  browser = await browse();
  for (const title of ["First", "Second"]) ids.push((await server.rest("POST", "conversations", { title, agentId: "demo-agent" })).id);
  [mine, other] = await Promise.all([0, 1].map(async () => {
    const page = await open(browser, server.url + "#" + ids[0], { context: await browser.createBrowserContext() });
    await ready(page);
    return page;
  }));
});
after(async () => {
  await browser?.close();
  await server?.close();
});

const tell = (n, content) => server.rest("POST", "messages", { conversationId: ids[n], content }, server.agentToken);
const counts = (page, n, want) => until(page, `${["First", "Second"][n]} has ${want || "nothing"} unread`, ([href, want]) => (document.querySelector(`.list a[href="#${href}"] .count`)?.innerText.split(/\s/)[0] ?? "") === want, [ids[n], want]);
const go = (page, n) => page.click(`.list a[href="#${ids[n]}"]`);
const shows = (page, text) => until(page, `it says ${text}`, (text) => [...document.querySelectorAll(".bubble")].some((e) => e.innerText.trim() === text), text);
const look = (page, state) => page.evaluate((state) => {
  Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
  document.dispatchEvent(new Event("visibilitychange"));
}, state);

test("what is said elsewhere counts, and what is opened on one device is read on the other", async () => {
  for (const text of ["One.", "Two.", "Three."]) await tell(1, text);
  for (const page of [mine, other]) await counts(page, 1, "3");
  assert.equal(await mine.title(), "(1) First · aiwm-chat");
  await shot(mine, "unread");
  await go(mine, 1);
  await shows(mine, "Three.");
  await until(mine, "a line says what is new", () => document.querySelector(".new")?.nextElementSibling?.innerText.includes("One."));
  for (const page of [mine, other]) await counts(page, 1, "");
  assert.equal((await server.rest("GET", `conversations/${ids[1]}`)).lastReadSeq, 3);
  assert.equal(await mine.title(), "Second · aiwm-chat");
});

test("what comes while nobody looks is unread, until somebody does", async () => {
  await look(mine, "hidden");
  await tell(1, "Four.");
  await shows(mine, "Four.");
  await counts(other, 1, "1");
  await counts(mine, 1, "1");
  await look(mine, "visible");
  for (const page of [mine, other]) await counts(page, 1, "");
});

test("a message can be unread again, and stays it while the talk is open", async () => {
  await until(mine, "its menu is there", () => document.querySelectorAll(".message")[1]?.querySelector(".has-menu button"));
  await mine.evaluate(() => document.querySelectorAll(".message")[1].querySelector(".has-menu button").focus());
  await mine.keyboard.press("Enter");
  await click(mine, "Mark unread", ".menu button");
  for (const page of [mine, other]) await counts(page, 1, "3");
  await until(mine, "the line has moved", () => document.querySelector(".new")?.nextElementSibling?.innerText.includes("Two."));
  await go(mine, 0);
  await go(mine, 1);
  for (const page of [mine, other]) await counts(page, 1, "");
});

test("one sees who has read what one said last, and not before", async () => {
  await say(mine, "Have you seen this?");
  await shows(mine, "Have you seen this?");
  await until(mine, "it is sent", () => document.querySelectorAll(".mark-sent").length === 1 && !document.querySelector(".pending"));
  assert.equal(await mine.$(".readers"), null);
  await server.rest("PUT", `conversations/${ids[1]}/read`, { seq: 5 }, server.agentToken);
  await until(mine, "the agent has read it", () => document.querySelector(".readers")?.innerText === "Read by demo-agent");
  await shot(mine, "read-by");
  await mine.reload();
  await until(mine, "also when it is opened anew", () => document.querySelector(".readers")?.innerText === "Read by demo-agent");
  await say(mine, "And this?");
  await shows(mine, "And this?");
  await until(mine, "nobody has read that", () => !document.querySelector(".readers"));
  assert.deepEqual([...mine.troubles, ...other.troubles], []);
});
