// The head of a talk: it is one line high, and says and offers only what is known.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { browse, click, open, ready, serve, shot, until } from "./lib.mjs";

let server, browser, page, id;
before(async () => {
  server = await serve();
  browser = await browse();
  ({ id } = await server.rest("POST", "conversations", { title: "A title that is rather long for the head of any talk", agentId: "demo-agent" }));
  page = await open(browser, server.url + "#" + id);
  await ready(page);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

const status = (p) => p.evaluate(() => document.querySelector(".talk .head p")?.innerText.trim());

test("two sides leave the head as high as it is, whatever stands beside them", async () => {
  await until(page, "the head is there", () => document.querySelector(".title p"));
  assert.match(await page.evaluate(() => [...document.querySelectorAll("button")].find((b) => b.innerText.trim() === "Two sides").title), /adds demo-agent to this conversation/);
  const height = await page.evaluate(() => document.querySelector(".talk > .head").offsetHeight);
  await click(page, "Two sides");
  await until(page, "both sides are there", () => document.querySelectorAll(".talk .title p").length === 2 && document.querySelectorAll(".composer textarea").length === 2);
  for (const panels of [false, true]) {
    if (panels) await click(page, "Panels");
    for (const width of [375, 821, 900, 1000, 1280]) {
      await page.setViewport({ width, height: 800 });
      await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
      const look = await page.evaluate(() => ({
        heads: [...document.querySelectorAll(".talk > .head")].map((e) => e.offsetHeight),
        titles: [...document.querySelectorAll(".talk .title")].map((e) => e.offsetWidth),
        wide: document.documentElement.scrollWidth,
        placeholder: getComputedStyle(document.querySelector(".composer textarea"), "::placeholder").whiteSpace,
      }));
      const where = `${width} px${panels ? " with panels" : ""}: ${JSON.stringify(look)}`;
      assert.ok(look.heads.every((h) => h <= height + 1), where);
      assert.ok(look.titles.every((w) => w >= 80), where);
      assert.ok(look.wide <= width, where);
      assert.equal(look.placeholder, "nowrap", where);
      await shot(page, `two-sides-${width}${panels ? "-panels" : ""}`);
    }
  }
  await page.setViewport({ width: 1280, height: 860 });
  await page.click("[aria-label='Close the panels']");
  await click(page, "Two sides");
});

test("who is there is said while it is known", async () => {
  await page.evaluate((to) => { location.hash = to; }, (await server.rest("POST", "conversations", { title: "Presence", agentId: "assistant" })).id);
  await until(page, "the assistant is there", () => document.querySelector(".title p")?.innerText.trim() === "assistant is there");
  await page.click(".people-of");
  await until(page, "so the participants say", () => [...document.querySelectorAll(".people li")].some((e) => /assistant\s+agent, online/.test(e.innerText)));
  assert.equal(await page.evaluate(() => document.querySelector(".row-of .field span").innerText), "Kind");
  const [text, edge] = await page.evaluate(() => {
    const range = document.createRange();
    range.selectNodeContents(document.querySelector(".people li button"));
    return [range.getBoundingClientRect().right, document.querySelector(".sheet .row-of").getBoundingClientRect().right];
  });
  assert.ok(Math.abs(text - edge) < 3, `${text} is not at ${edge}`);
  await page.keyboard.press("Escape");
  await server.kill();
  await until(page, "nobody knows", () => document.querySelector(".title p")?.innerText.trim() === "assistant" && !document.querySelector(".head .dot.on"));
  await server.start();
  await until(page, "it is known again", () => document.querySelector(".title p")?.innerText.trim() === "assistant is there", null, 60_000);
});

test("a shelf that cannot be read leaves the list and the head as they are", async () => {
  await until(page, "the list is there", () => document.querySelectorAll(".list li").length >= 2);
  const before = await page.evaluate(() => [...document.querySelectorAll(".list .name")].map((e) => e.innerText));
  const title = await page.evaluate(() => document.querySelector(".title h2").innerText);
  await server.kill();
  for (const shelf of ["Archived", "Open", "Closed"]) {
    await click(page, shelf);
    await until(page, `${shelf}: it is told`, () => document.querySelector(".list .failed"));
    await until(page, `${shelf}: the list stays`, (n) => document.querySelectorAll(".list li").length === n, before.length);
    assert.equal(await page.evaluate(() => document.querySelector(".title h2")?.innerText), title);
    assert.ok(await page.evaluate(() => [...document.querySelectorAll(".head button")].some((b) => b.innerText.trim() === "Two sides")), "two sides are offered");
    assert.equal(await page.evaluate(() => document.querySelector(".tabs [aria-pressed=true]").innerText), "Open");
  }
  await server.start();
  await until(page, "it is connected", () => document.querySelector(".foot .dot.on") && !document.querySelector(".list .failed"), null, 60_000);
  await click(page, "Archived");
  await until(page, "the shelf is read", () => document.querySelector(".tabs [aria-pressed=true]").innerText === "Archived" && /None/.test(document.querySelector(".list nav").innerText));
  await click(page, "Open");
  await until(page, "and the other one", (n) => document.querySelectorAll(".list li").length === n, before.length);
});

test("of what is not known nothing is offered", async () => {
  const p = await open(browser, server.url + "#no-such-conversation");
  await until(p, "it is told", () => /is gone/.test(document.querySelector(".talk .empty")?.innerText ?? ""));
  const offered = () => p.evaluate(() => [...document.querySelectorAll(".talk .head button")].filter((b) => b.offsetWidth > 0).map((b) => b.getAttribute("aria-label") ?? b.innerText));
  assert.deepEqual(await offered(), []);
  assert.equal(await status(p), undefined);
  assert.doesNotMatch(await p.evaluate(() => document.querySelector(".talk .head").innerText), /…/);

  await p.evaluate(() => sessionStorage.setItem("aiwm-console-token", "x.y.z"));
  await p.goto(server.url + "#" + id);
  await p.reload();
  await until(p, "the token is refused", () => /refused/.test(document.querySelector(".banner")?.innerText ?? ""));
  assert.deepEqual(await offered(), []);
  await shot(p, "refused-token");
  await click(p, "Use the demo user");
  await until(p, "it is connected", () => document.querySelector(".foot .dot.on") && document.querySelector(".foot .who").innerText.includes("demo-user"));
  await until(p, "and the talk is there", () => document.querySelector(".title h2")?.innerText.startsWith("A title"));
  await p.close();
});

test("what is reopened is on the shelf that is shown", async () => {
  await page.click("[aria-label=More]");
  await click(page, "Close", ".menu button");
  await until(page, "the focus is on what opens it again", () => document.activeElement.innerText === "Reopen it");
  await click(page, "Closed");
  await until(page, "it is there", () => document.querySelector(".tabs [aria-pressed=true]").innerText === "Closed" && document.querySelectorAll(".list li").length === 1);
  await click(page, "Reopen it");
  await until(page, "the open ones are shown", () => document.querySelector(".tabs [aria-pressed=true]").innerText === "Open" && document.querySelector(".list [aria-current]"));
  await until(page, "one can type", () => document.activeElement.tagName === "TEXTAREA");
  assert.deepEqual(page.troubles, []);
  assert.deepEqual(page.elsewhere, []);
});

test("a connection that lasts a moment is none: what is told of it does not blink", async () => {
  const p = await open(browser, server.url + "#" + id);
  await ready(p);
  await p.evaluate(() => { // each one that opens is ended at once
    const Real = WebSocket;
    window.WebSocket = class extends Real { constructor(...a) { super(...a); this.addEventListener("open", () => { window.opened = (window.opened ?? 0) + 1; this.close(); }); } };
  });
  await server.kill();
  await server.start();
  await until(p, "it is told", () => /No connection/.test(document.querySelector(".banner").innerText), null, 60_000);
  await p.evaluate(() => {
    window.opened = 0;
    window.blinks = 0;
    new MutationObserver(() => { if (!document.querySelector(".banner").innerText) window.blinks++; }).observe(document.querySelector(".banner"), { subtree: true, childList: true, characterData: true });
  });
  await until(p, "some more have opened", () => { dispatchEvent(new Event("online")); return window.opened >= 3; }, null, 60_000);
  assert.equal(await p.evaluate(() => window.blinks), 0);
  await p.close();
});
