// What happens while something else does, and what the browser refuses.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { browse, click, open, ready, say, serve, theLog, until } from "./lib.mjs";

let server, browser, page;
const ids = {};
before(async () => {
  server = await serve([], { LIMIT_AGENT_MESSAGES: "0", LIMIT_USER_MESSAGES: "0", LIMIT_WRITES: "0", LIMIT_READS: "0" });
  browser = await browse();
  for (const title of ["First", "Second"]) {
    ids[title] = (await server.rest("POST", "conversations", { title, agentId: "assistant" })).id;
    for (let i = 1; i <= 30; i++) await server.rest("POST", "messages", { conversationId: ids[title], content: `${title} ${i} #tokens 1`, clientMessageId: `${title}-${i}` });
  }
  for (let left = 2; left > 0; ) { // until all are answered
    await new Promise((r) => setTimeout(r, 100));
    left = 0;
    for (const id of Object.values(ids)) if ((await theLog(server, id)).length < 60) left++;
  }
  page = await open(browser, server.url + "#" + ids.First);
  await ready(page);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

const go = async (title) => {
  await page.evaluate((id) => { location.hash = id; }, ids[title]);
  await until(page, `${title} is open`, (t) => document.querySelector(".title h2")?.innerText === t && document.querySelector(".talk textarea"), title);
};
const menu = async (item) => {
  await page.click("[aria-label=More]");
  await click(page, item, ".menu button");
};

test("what is asked about one conversation is not asked about the next", async () => {
  await go("First");
  await menu("Delete…");
  await until(page, "it asks", () => /First/.test(document.querySelector("dialog")?.innerText ?? ""));
  await page.keyboard.down("Alt");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowUp");
  await page.keyboard.up("Alt");
  await new Promise((r) => setTimeout(r, 300));
  assert.match(await page.evaluate(() => document.querySelector("dialog")?.innerText + document.querySelector(".title h2").innerText), /First[^]*First$/);
  await page.evaluate((id) => { location.hash = id; }, ids.Second); // the browser's own Back does so
  await until(page, "it asks no more", () => !document.querySelector("dialog"));
  await go("First");
  assert.equal(await page.$("dialog"), null);
});

test("a dialog stays while a text in it is selected with the mouse beyond its edge", async () => {
  await menu("Rename");
  await until(page, "it is open", () => document.querySelector("dialog input"));
  const box = await (await page.$("dialog input")).boundingBox();
  await page.mouse.move(box.x + 60, box.y + 10);
  await page.mouse.down();
  await page.mouse.move(10, box.y + 10, { steps: 4 });
  await page.mouse.up();
  await new Promise((r) => setTimeout(r, 200));
  assert.ok(await page.$("dialog"), "it is there");
  await page.mouse.click(10, 10);
  await until(page, "a click beside it closes it", () => !document.querySelector("dialog"));
});

test("two sides are of one conversation", async () => {
  await click(page, "Two sides");
  await until(page, "both are there", () => document.querySelectorAll(".talk textarea").length === 2);
  await go("Second");
  await until(page, "one side is there", () => document.querySelectorAll(".talk").length === 1);
  await new Promise((r) => setTimeout(r, 500));
  assert.doesNotMatch(await page.evaluate(() => document.querySelector(".sides").innerText), /gone/);
  assert.equal(await page.evaluate(() => document.querySelector(".wide").getAttribute("aria-pressed")), "false");
});

test("what was typed is there again where it was typed", async () => {
  await page.type(".composer textarea", "half a sentence");
  await go("First");
  assert.equal(await page.evaluate(() => document.querySelector("textarea").value), "");
  await go("Second");
  assert.equal(await page.evaluate(() => document.querySelector("textarea").value), "half a sentence");
  await page.evaluate(() => { const t = document.querySelector("textarea"); t.value = ""; t.dispatchEvent(new Event("input", { bubbles: true })); });
});

test("who goes to and fro sees the one that is open, and a late scroll harms nothing", async () => {
  await page.evaluate(async ([a, b]) => {
    for (let i = 0; i < 20; i++) {
      const log = document.querySelector(".log");
      location.hash = i % 2 ? a : b;
      await new Promise((r) => setTimeout(r, i * 5));
      log?.dispatchEvent(new Event("scroll"));
    }
  }, [ids.First, ids.Second]);
  await until(page, "the last one is there", (last) => document.querySelector(`.log [data-key="${last}"]`) && document.querySelector(".title h2").innerText === "First", (await theLog(server, ids.First)).at(-1).id);
  const own = new Set((await theLog(server, ids.First)).map((m) => m.id));
  assert.deepEqual((await page.evaluate(() => [...document.querySelectorAll(".log .row")].map((r) => r.dataset.key))).filter((key) => !own.has(key)), []);
  assert.deepEqual(page.troubles, []);
});

test("a message that is deleted meanwhile leaves its place", async () => {
  const { messageId: id } = await server.rest("POST", "messages", { conversationId: ids.First, content: "Not this one" });
  const shows = (what, times, deleted) => until(page, what, ([n, d]) => [...document.querySelectorAll(".mine .bubble")].filter((e) => e.innerText.trim() === "Not this one").length === n && /A message was deleted/.test(document.querySelector(".log").innerText) === d, [times, deleted]);
  await shows("it is there", 1, false);
  await server.rest("DELETE", `messages/${id}`);
  await shows("it is not", 0, true);
});

test("a menu that the focus leaves is closed", async () => {
  await page.focus("[aria-label=More]");
  await page.keyboard.press("Enter");
  await until(page, "it is open", () => document.activeElement.closest(".menu"));
  for (let i = 0; i < 4; i++) await page.keyboard.press("Tab");
  await until(page, "it is closed", () => !document.querySelector(".menu"));
});

test("the focus is in the talk after a decision", async () => {
  await say(page, '#tool shop__refund_order {"order": "1050"}');
  await until(page, "it asks", () => document.querySelector(".asks .primary"), null, 60_000);
  await page.focus(".asks .primary");
  await page.keyboard.press("Enter");
  await until(page, "it is decided", () => !document.querySelector(".asks"));
  await until(page, "the focus is where one types", () => document.activeElement?.closest(".talk .composer textarea"));
  await until(page, "it is quiet", () => !document.querySelector(".stream"), null, 60_000);
});

test("panels take the focus, give it back, and a slider stays in one's hand", async () => {
  await click(page, "Panels");
  await until(page, "a tab has the focus", () => document.activeElement.role === "tab");
  await click(page, "Faults", "[role=tab]");
  await until(page, "the switches are there", () => document.querySelector("#fault-latency"));
  await page.evaluate(() => { const r = document.querySelector("#fault-latency"); r.value = "0.5"; r.dispatchEvent(new Event("input", { bubbles: true })); });
  await new Promise((r) => setTimeout(r, 2600)); // it is asked every two seconds
  assert.equal(await page.evaluate(() => document.querySelector("#fault-latency").value), "0.5");
  await page.focus("#tab-Faults");
  await page.keyboard.press("Escape");
  await until(page, "the focus is back", () => !document.querySelector(".drawer") && document.activeElement.innerText === "Panels");
  await click(page, "Panels");
  await click(page, "Meter", "[role=tab]");
  await until(page, "it counts", () => document.querySelectorAll(".panel td").length > 12);
  assert.doesNotMatch(await page.evaluate(() => document.querySelector(".panel").innerText), /\$0\.(?!\d)/);
  await page.keyboard.press("Escape");
});

test("an address that is none is told, and can be mended", async () => {
  const p = await open(browser, "about:blank", { context: await browser.createBrowserContext() });
  await p.goto(server.url + "console/icon.svg");
  await p.evaluate(() => localStorage.setItem("aiwm-console", JSON.stringify({ url: "nonsense", restUrl: "nonsense" })) || sessionStorage.setItem("aiwm-console-token", "x.y.z"));
  await p.goto(server.url);
  await until(p, "it is told", () => /is no address/.test(document.querySelector(".banner").innerText));
  await click(p, "Settings", ".banner button");
  await click(p, "Back to this server and its demo user", "dialog button");
  await until(p, "it is connected", () => document.querySelector(".foot .dot.on"));
  assert.deepEqual(p.troubles, []);
  await p.close();
});

test("a browser that keeps nothing shows all the same", async () => {
  for (const refuse of [
    () => { for (const name of ["localStorage", "sessionStorage"]) Object.defineProperty(window, name, { get() { throw new DOMException("refused", "SecurityError"); } }); },
    () => { Storage.prototype.setItem = () => { throw new DOMException("full", "QuotaExceededError"); }; },
  ]) {
    const p = await open(browser, "about:blank", { context: await browser.createBrowserContext() });
    await p.evaluateOnNewDocument(refuse);
    await p.goto(server.url + "#" + ids.Second);
    await ready(p);
    await say(p, "kept nowhere #tokens 2");
    await until(p, "it is sent", () => [...document.querySelectorAll(".mine:not(.pending) .bubble")].at(-1)?.innerText.trim() === "kept nowhere #tokens 2");
    assert.deepEqual(p.troubles, []);
    await p.close();
  }
});

test("nothing went wrong on the way", () => {
  assert.deepEqual(page.troubles, []);
  assert.deepEqual(page.elsewhere, []);
});
