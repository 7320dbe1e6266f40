// Ten thousand messages, and connections that end.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { browse, open, ready, say, serve, shot, until } from "./lib.mjs";

const total = Number(process.env.AIWM_CONSOLE_MESSAGES ?? 10_000);
let server, browser, page, id, growth;
before(async () => {
  server = await serve(["-memory"], { LIMIT_AGENT_MESSAGES: "0", LIMIT_USER_MESSAGES: "0", LIMIT_READS: "0", LIMIT_WRITES: "0" });
  browser = await browse();
  ({ id } = await server.rest("POST", "conversations", { title: "Many", agentId: "demo-agent" }));
  page = await open(browser, server.url + "#" + id);
  await ready(page);
  const start = Date.now();
  let n = 0;
  const writeTo = async (end) => {
    const write = async () => {
      while (n < end) {
        const i = ++n;
        await server.rest("POST", "messages", { conversationId: id, content: `Message ${i}: ${"some words of it ".repeat(i % 9)}` }, server.agentToken);
      }
    };
    await Promise.all(Array.from({ length: 16 }, write));
    await until(page, `${end} are there`, (end) => document.querySelector(".log")?.innerText.includes(`Message ${end}:`), end);
    const used = await heap(), { Nodes, JSEventListeners } = await page.metrics();
    return { heap: used, nodes: Nodes, listeners: JSEventListeners };
  };
  growth = [await writeTo(total / 5), await writeTo((total * 3) / 5), await writeTo(total)];
  console.log(`${total} messages written in ${((Date.now() - start) / 1000).toFixed(1)} s`);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

const heap = async () => {
  await page.evaluate(() => globalThis.gc?.());
  return (await page.metrics()).JSHeapUsedSize / 1e6;
};

test("ten thousand messages come into the open talk, and leave little more than themselves", async () => {
  const [first, middle, last] = growth;
  const each = ((last.heap - middle.heap) * 1e6) / ((total * 2) / 5);
  console.log(`as they came: ${growth.map((u) => `${u.heap.toFixed(1)} MB, ${u.nodes} nodes, ${u.listeners} listeners`).join("; ")}; ${each.toFixed(0)} bytes for each`);
  assert.ok(last.nodes < first.nodes * 3 && last.listeners < first.listeners * 3, "what is not on the screen is not in the page");
  assert.ok(each < 5000, `${each} bytes for each message`);
  assert.deepEqual(page.troubles, []);
  await page.close();
});

test("all of them are scrolled through", async () => {
  page = await open(browser, server.url + "#" + id);
  await ready(page);
  await until(page, "the end is there", () => document.querySelectorAll(".row").length > 5);
  const before = await heap();
  // To the beginning, page by page, as they are read.
  const frames = await page.evaluate(async (want) => {
    const log = document.querySelector(".log"), times = [];
    let last = performance.now(), still = 0, seen = -1;
    while (still < 300 && times.length < 20_000) {
      await new Promise(requestAnimationFrame);
      const now = performance.now();
      times.push(now - last);
      last = now;
      log.scrollTop -= 900;
      const key = log.querySelector(".row")?.dataset.key;
      still = key === seen && log.scrollTop <= 0 ? still + 1 : 0;
      seen = key;
      if (log.scrollTop <= 0 && /Message 1:/.test(log.innerText)) break;
    }
    return times;
  }, total);
  await until(page, "the first one is there", () => [...document.querySelectorAll(".plain, .md")].some((e) => e.innerText.startsWith("Message ")));
  const first = await page.evaluate(() => document.querySelector(".log").innerText);
  assert.match(first, /Message \d+:/);
  const percentile = (all, p) => all.toSorted((a, b) => a - b)[Math.floor((all.length - 1) * p)];
  console.log(`to the beginning: ${frames.length} frames, median ${percentile(frames, 0.5).toFixed(1)} ms, 95 % ${percentile(frames, 0.95).toFixed(1)} ms, the slowest ${Math.max(...frames).toFixed(0)} ms`);
  const drawn = await page.evaluate(() => document.querySelectorAll(".row").length);
  assert.ok(drawn < 120, `${drawn} rows are drawn`);
  // And through what is there.
  const again = await page.evaluate(async () => {
    const log = document.querySelector(".log"), times = [];
    let last = performance.now();
    for (let i = 0; i < 400; i++) {
      await new Promise(requestAnimationFrame);
      const now = performance.now();
      times.push(now - last);
      last = now;
      log.scrollTop += 700;
    }
    return times;
  });
  console.log(`through it: median ${percentile(again, 0.5).toFixed(1)} ms, 95 % ${percentile(again, 0.95).toFixed(1)} ms, the slowest ${Math.max(...again).toFixed(0)} ms a frame`);
  assert.ok(percentile(again, 0.5) < 170, "ten times 60 a second");
  const mid = await heap();
  for (let i = 0; i < 6; i++) {
    await page.evaluate(async (up) => { const log = document.querySelector(".log"); for (let j = 0; j < 60; j++) { log.scrollTop += up ? -5000 : 5000; await new Promise(requestAnimationFrame); } }, i % 2);
  }
  const later = await heap();
  console.log(`heap: ${before.toFixed(1)} MB at the end of the log, ${mid.toFixed(1)} MB with all of it, ${later.toFixed(1)} MB after going back and forth`);
  assert.ok(later < mid * 1.5 + 10, "it does not grow");
  const { Nodes } = await page.metrics();
  console.log(`${Nodes} nodes`);
  assert.ok(Nodes < 15_000, `${Nodes} nodes: what is not on the screen is kept`);
});

test("where one reads stays where it is while something is said", async () => {
  await page.evaluate(() => { const log = document.querySelector(".log"); log.scrollTop = log.scrollHeight / 2; });
  await new Promise((r) => setTimeout(r, 500));
  const at = () => page.evaluate(() => { const log = document.querySelector(".log"), top = log.getBoundingClientRect().top; const e = [...log.querySelectorAll(".row")].find((x) => x.getBoundingClientRect().bottom > top); return [e.dataset.key, Math.round(e.getBoundingClientRect().top - top)]; });
  const was = await at();
  for (let i = 0; i < 5; i++) await server.rest("POST", "messages", { conversationId: id, content: `Meanwhile ${i}` }, server.agentToken);
  await new Promise((r) => setTimeout(r, 800));
  const is = await at();
  assert.equal(is[0], was[0]);
  assert.ok(Math.abs(is[1] - was[1]) <= 2, `${was} became ${is}`);
  await say(page, "to the end");
  await until(page, "the end is shown", () => { const log = document.querySelector(".log"); return log.scrollHeight - log.scrollTop - log.clientHeight < 30 && log.innerText.includes("to the end"); });
  assert.deepEqual(page.troubles, []);
});

test("the event of the last scrolling may come when the talk has been left", async () => {
  const { id } = await server.rest("POST", "conversations", { title: "Another", agentId: "demo-agent" });
  const left = await page.$(".log");
  await page.evaluate((id) => { location.hash = id; }, id);
  await until(page, "the other one is open", () => document.querySelector(".talk h2").innerText === "Another");
  await left.evaluate((log) => log.dispatchEvent(new Event("scroll")));
  assert.deepEqual(page.troubles, []);
});

test("a connection of two hours is followed by the next, and nobody notices", async () => {
  const quick = await serve(["-memory", "-timescale", "900"], { LIMIT_PINGS: "0" }); // two hours are eight seconds
  const timing = encodeURIComponent(JSON.stringify({ pingEvery: 250, rolloverAfter: 5000, rolloverJitter: 300 }));
  const p = await open(browser, `${quick.url}?timing=${timing}`);
  await ready(p);
  const client = await p.createCDPSession();
  let links = 0, gone = 0;
  await client.send("Network.enable");
  client.on("Network.webSocketCreated", () => links++);
  client.on("Network.webSocketClosed", () => gone++);
  await p.evaluate(() => { window.seen = []; new MutationObserver(() => { const b = document.querySelector(".banner:not(.none)"); if (b) window.seen.push(b.innerText); }).observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true }); });
  for (let i = 1; i <= 18; i++) {
    await say(p, `at ${i} #tokens 2`);
    await new Promise((r) => setTimeout(r, 1000));
  }
  await until(p, "all are answered", () => !document.querySelector(".stream, .pending"));
  const mine = await p.evaluate(async () => {
    const found = new Set(), log = document.querySelector(".log");
    for (log.scrollTop = 0; ; log.scrollTop += 300) {
      await new Promise((r) => setTimeout(r, 60));
      for (const e of document.querySelectorAll(".mine .bubble")) found.add(e.innerText.trim());
      if (log.scrollTop + log.clientHeight >= log.scrollHeight - 2) break;
    }
    return [...found];
  });
  assert.deepEqual(mine, Array.from({ length: 18 }, (_, i) => `at ${i + 1} #tokens 2`));
  console.log(`${links} further connections, ${gone} ended`);
  assert.ok(links >= 2, `${links} further connections`);
  assert.deepEqual(await p.evaluate(() => window.seen), []);
  assert.deepEqual(p.troubles, []);
  await quick.close();
});
