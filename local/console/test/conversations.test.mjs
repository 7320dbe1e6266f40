// A list of more conversations than one page has.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { browse, click, open, ready, serve, shot, until } from "./lib.mjs";

const total = 120;
let server, browser, page;
const ids = [];
before(async () => {
  server = await serve([], { LIMIT_CREATIONS: "0", LIMIT_WRITES: "0", LIMIT_READS: "0", LIMIT_AGENT_MESSAGES: "0" });
  browser = await browse();
  for (let i = 1; i <= total; i++) ids.push((await server.rest("POST", "conversations", { title: `Talk ${i}`, agentId: "demo-agent" })).id);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

const talks = (p) => p.evaluate(() => [...document.querySelectorAll(".list li .name")].map((e) => e.innerText));
const listed = async (p) => { await ready(p); await until(p, "a page of it is there", () => document.querySelectorAll(".list li").length >= 50); };
const tell = (i, content) => server.rest("POST", "messages", { conversationId: ids[i - 1], content }, server.agentToken);
const first = (p, title) => until(p, `${title} is the first`, (t) => document.querySelector(".list li .name")?.innerText === t, title);
const toEnd = (p) => p.evaluate(() => { const nav = document.querySelector(".list nav"); nav.scrollTop = nav.scrollHeight; });
const all = async (p) => {
  await until(p, "all of them are there", (n) => {
    const nav = document.querySelector(".list nav");
    nav.scrollTop = nav.scrollHeight;
    return document.querySelectorAll(".list li").length >= n;
  }, total);
  const found = await talks(p);
  assert.equal(new Set(found).size, found.length, "none is there twice");
  assert.equal(found.length, total);
  return found;
};

test("a page is read, and the others as one scrolls", async () => {
  page = await open(browser, server.url + "#" + ids[total - 1]);
  await listed(page);
  assert.deepEqual(await talks(page), Array.from({ length: 50 }, (_, i) => `Talk ${total - i}`));
  await toEnd(page);
  await until(page, "the second page is there", () => document.querySelectorAll(".list li").length === 100);
  assert.deepEqual(await all(page), Array.from({ length: total }, (_, i) => `Talk ${total - i}`));
  await shot(page, "list-end");
});

test("where something is said moves up, and is there once", async () => {
  await tell(3, "Hello from below.");
  await first(page, "Talk 3");
  const found = await all(page);
  assert.deepEqual(found.slice(0, 2), ["Talk 3", `Talk ${total}`]);
  const p = await open(browser, server.url + "#" + ids[total - 1]);
  await listed(p);
  assert.equal((await talks(p)).length, 50);
  await tell(1, "Hello from what is not read yet.");
  await first(p, "Talk 1");
  assert.deepEqual((await all(p)).slice(0, 3), ["Talk 1", "Talk 3", `Talk ${total}`]);
  await p.close();
});

test("keys go through all of it, and the focus stays where it is while others move", async () => {
  const p = await open(browser, server.url + "#" + ids[total - 1]);
  await listed(p);
  await p.focus(".list li a");
  await until(p, "the end is reached by keys", async (n) => {
    document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "End", bubbles: true, cancelable: true }));
    await new Promise(requestAnimationFrame);
    const links = [...document.querySelectorAll(".list li a")];
    return links.length === n && links.at(-1) === document.activeElement;
  }, total);
  await p.keyboard.press("ArrowUp");
  const focused = await p.evaluate(() => document.activeElement.querySelector(".name").innerText);
  const number = Number(focused.split(" ")[1]);
  await tell(number, "You have the focus.");
  await first(p, focused);
  assert.equal(await p.evaluate(() => document.activeElement.querySelector(".name")?.innerText), focused);
  await p.keyboard.press("ArrowDown");
  assert.notEqual(await p.evaluate(() => document.activeElement.querySelector(".name")?.innerText), focused);
  await p.close();
});

test("Alt and an arrow go on where the page ends, and the list follows", async () => {
  const p = await open(browser, server.url + "#" + ids[total - 1]);
  await listed(p);
  const last = (await talks(p)).at(-1);
  await p.evaluate((t) => { location.hash = [...document.querySelectorAll(".list li a")].find((a) => a.querySelector(".name").innerText === t).hash; }, last);
  await until(p, "the last one is open, and on the screen", (t) => {
    const a = document.querySelector(".list [aria-current]"), nav = document.querySelector(".list nav").getBoundingClientRect();
    return a?.querySelector(".name").innerText === t && a.getBoundingClientRect().bottom <= nav.bottom + 1;
  }, last);
  await p.keyboard.down("Alt");
  await p.keyboard.press("ArrowDown");
  await p.keyboard.up("Alt");
  await until(p, "the next one is open", (t) => { const now = document.querySelector(".list [aria-current] .name")?.innerText; return now && now !== t; }, last);
  await p.close();
});

test("what happens while a page is read is newer than the page", async () => {
  const goes = { id: ids[61], title: "Talk 62" }; // who has it open is told
  const p = await open(browser, server.url + "#" + goes.id);
  await listed(p);
  await p.setRequestInterception(true);
  let held;
  p.on("request", (r) => {
    if (/\/conversations\?.*cursor=/.test(r.url()) && !held && r.method() === "GET") held = r;
    else r.continue();
  });
  await toEnd(p);
  while (!held) await new Promise((r) => setTimeout(r, 20));
  const url = held.url(), headers = held.headers();
  const old = await (await fetch(url, { headers: { authorization: headers.authorization } })).text(); // as it was before
  const moves = JSON.parse(old).data[5];
  assert.ok(old.includes(goes.id) && moves.id !== goes.id);
  await server.rest("POST", "messages", { conversationId: moves.id, content: "Meanwhile." }, server.agentToken);
  await first(p, moves.title);
  await server.rest("DELETE", `conversations/${goes.id}`);
  await until(p, "it is gone", () => document.querySelector(".talk .empty h2")?.innerText.includes("gone"));
  await held.respond({ status: 200, contentType: "application/json", headers: { "access-control-allow-origin": "*" }, body: old });
  await until(p, "the page is there", () => document.querySelectorAll(".list li").length >= 99);
  const found = await talks(p);
  assert.equal(found[0], moves.title);
  assert.equal(found.filter((t) => t === moves.title).length, 1);
  assert.ok(!found.includes(goes.title), "it was deleted");
  await server.rest("POST", "conversations", { title: goes.title, agentId: "demo-agent" });
  await p.close();
});

test("after the connection was gone as much is shown as before, and what happened meanwhile", async () => {
  await all(page);
  await server.kill();
  await until(page, "it is gone", () => !document.querySelector(".foot .dot.on"));
  await server.start();
  const { id } = await server.rest("POST", "conversations", { title: "While you were away", agentId: "demo-agent" });
  await until(page, "all is there again", (n) => document.querySelectorAll(".list li").length >= n, total);
  await first(page, "While you were away");
  assert.ok(await page.evaluate(() => document.querySelector(".list nav").scrollTop > 1000), "it is where one was");
  await page.evaluate((to) => { location.hash = to; }, id);
  await until(page, "it is open", () => document.querySelector(".title h2")?.innerText === "While you were away" && document.querySelector(".talk textarea"));
  await new Promise((r) => setTimeout(r, 300));
  await server.rest("DELETE", `conversations/${id}`);
  await until(page, "it goes", () => !document.querySelector(".list").innerText.includes("While you were away"));
});

test("a page that cannot be read is asked for again, without a loop", async () => {
  const p = await open(browser, server.url + "#" + ids[60]);
  await listed(p);
  await p.setRequestInterception(true);
  let refused = 0, refuse = true;
  p.on("request", (r) => {
    if (refuse && /\/conversations\?.*cursor=/.test(r.url())) {
      refused++;
      r.respond({ status: 400, contentType: "application/json", headers: { "access-control-allow-origin": "*" }, body: '{"code":"validation_failed","detail":"the cursor is odd"}' });
    } else r.continue();
  });
  await toEnd(p);
  await until(p, "it is said", () => /cursor is odd/i.test(document.querySelector(".list .failed")?.innerText ?? ""));
  await toEnd(p);
  await new Promise((r) => setTimeout(r, 500));
  assert.equal(refused, 1);
  refuse = false;
  await click(p, "Try again", ".list button");
  await until(p, "the page is there", () => document.querySelectorAll(".list li").length >= 100);
  assert.deepEqual(p.troubles, []);
  await p.close();
});

test("on a phone the list that nobody sees reads no further", async () => {
  const p = await open(browser, server.url + "#" + ids[60], { width: 390, height: 800 });
  await until(p, "it is open", () => document.querySelector(".talk textarea") && document.querySelectorAll(".list li").length >= 50);
  await new Promise((r) => setTimeout(r, 500));
  assert.equal((await talks(p)).length, 50);
  await p.close();
});

test("who is taken out of a conversation has it in the list no more", async () => {
  await page.bringToFront();
  const { id } = await server.rest("POST", "conversations", { title: "Not for long", agentId: "demo-agent" });
  await server.rest("POST", "messages", { conversationId: id, content: "Hello." }, server.agentToken);
  await first(page, "Not for long");
  await click(page, "Not for long", ".list .name");
  await until(page, "it is open", () => [...document.querySelectorAll(".message")].some((e) => e.innerText.includes("Hello.")));
  await server.rest("DELETE", `conversations/${id}/participants/user/demo-user`);
  await until(page, "it goes", () => !document.querySelector(".list").innerText.includes("Not for long"));
});

test("one that was deleted meanwhile goes from the list, and who opens its address is told", async () => {
  const { id } = await server.rest("POST", "conversations", { title: "Soon gone", agentId: "demo-agent" });
  await server.rest("POST", "messages", { conversationId: id, content: "Hello." }, server.agentToken);
  await first(page, "Soon gone");
  await server.rest("DELETE", `conversations/${id}`);
  await until(page, "it goes", () => !document.querySelector(".list").innerText.includes("Soon gone"));
  await page.evaluate((to) => { location.hash = to; }, id);
  await until(page, "it is told", () => /gone/.test(document.querySelector(".talk .empty h2")?.innerText ?? ""));
});

test("nothing went wrong on the way", () => {
  assert.deepEqual(page.troubles, []);
});
