// Two hundred frames a second, and how soon the page is there.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { allRows, browse, mistakes, open, ready, say, serve, theLog, until, watchRows } from "./lib.mjs";

const seconds = 5, senders = 15, each = 40, writers = 5;
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
const percentile = (all, p) => all.toSorted((a, b) => a - b)[Math.floor((all.length - 1) * p)];
let server, browser;
before(async () => {
  server = await serve(["-memory"], { ...Object.fromEntries(["AGENT_MESSAGES", "USER_MESSAGES", "READS", "WRITES", "FANOUT", "CREATIONS"].map((n) => [`LIMIT_${n}`, "0"])), LOG_LEVEL: "error" });
  browser = await browse();
});
after(async () => {
  await browser?.close();
  await server?.close();
});

const talk = async (title) => (await server.rest("POST", "conversations", { title, agentId: "demo-agent" })).id;
const write = (conversationId, content) => server.rest("POST", "messages", { conversationId, content }, server.agentToken);

/** So many streams of the agent, a piece of each every 60 ms, from a page of their own. */
async function streams(page, id, count) {
  const sent = await page.evaluate(async ({ url, token, id, count, seconds }) => {
    const one = (n) => new Promise((resolve, reject) => {
      const ws = new WebSocket(url, ["aiwm.v2", "bearer", token]), streamId = `busy-${n}`;
      const post = (state, more) => ws.send(JSON.stringify({ action: "stream", id: `${state}-${more?.index ?? ""}`, conversationId: id, streamId, state, ...more }));
      let index = 0;
      ws.onopen = () => post("start");
      ws.onmessage = ({ data }) => {
        const { event, error, id } = JSON.parse(data);
        if (error && id !== undefined) return reject(new Error(`${id}: ${data}`));
        if (event === "message:sent") return resolve(index);
        if (event !== "stream:started" || index > 0) return;
        const begun = performance.now();
        const timer = setInterval(() => {
          post("append", { index, text: `${index === 0 ? `s${n}.0` : ""} word **${index}** of it` });
          index++;
          if (performance.now() - begun < seconds * 1000) return;
          clearInterval(timer);
          post("end", { pieces: { content: index } });
        }, 60);
      };
    });
    return Promise.all(Array.from({ length: count }, (_, n) => one(n)));
  }, { url: server.url.replace("http", "ws") + "ws", token: server.agentToken, id, count, seconds });
  return sent;
}

test("two hundred frames a second come into the open talk, and the page does as if nothing were", async () => {
  const id = await talk("Busy");
  const beside = await browser.newPage();
  const page = await open(browser, server.url + "#" + id, { first: watchRows }); // the one in front, which draws
  await ready(page);
  const wire = await page.createCDPSession();
  let frames = 0;
  await wire.send("Network.enable");
  await page.evaluate(() => {
    const t = (window.busy = { long: [], frames: [], on: true });
    new PerformanceObserver((l) => t.long.push(...l.getEntries().map((e) => e.duration))).observe({ entryTypes: ["longtask"] });
    let last = performance.now();
    const frame = (now) => { t.frames.push(now - last); last = now; if (t.on) requestAnimationFrame(frame); };
    requestAnimationFrame(frame);
  });
  wire.on("Network.webSocketFrameReceived", () => frames++);
  const work = async () => ({ tasks: (await page.metrics()).TaskDuration, changes: await page.evaluate(() => window.seen.changes) });
  const before = await work();
  const begun = Date.now(), writing = streams(beside, id, writers);
  const typed = (async () => {
    for (let i = 0; i < 5; i++) {
      await sleep(600);
      await say(page, `q0.${i}`);
    }
  })();
  await Promise.all(Array.from({ length: senders }, async (_, s) => {
    for (let i = 0; i < each; i++) {
      await write(id, `m${s}.${i} is said`);
      await sleep(begun + ((i + 1) * 1000 * seconds) / each - Date.now());
    }
  }));
  const pieces = (await writing).reduce((a, b) => a + b);
  await typed;
  const took = (Date.now() - begun) / 1000;
  const log = await theLog(server, id);
  await until(page, "the end is shown", (last) => document.querySelector(`.row[data-key="${last}"]`) && !document.querySelector(".stream, .pending"), log.at(-1).id);
  const busy = await page.evaluate(() => { window.busy.on = false; return window.busy; });
  const after = await work(), changes = after.changes - before.changes;
  const worst = Math.max(0, ...busy.long);
  console.log(`${frames} frames in ${took.toFixed(1)} s (${(frames / took).toFixed(0)} a second; ${pieces} pieces, ${log.length} messages): the page was changed ${changes} times, and busy for ${(((after.tasks - before.tasks) / took) * 100).toFixed(0)} % of the time; ${busy.long.length} tasks of more than 50 ms, the longest ${worst.toFixed(0)} ms; the screen's frames: median ${percentile(busy.frames, 0.5).toFixed(1)} ms, 95 % ${percentile(busy.frames, 0.95).toFixed(1)} ms, the slowest ${Math.max(...busy.frames).toFixed(0)} ms`);
  assert.equal(log.length, senders * each + writers + 5);
  assert.ok(frames > 0.9 * (pieces + log.length), `${frames} frames`);
  assert.ok(changes <= frames, `${changes} changes for ${frames} frames`);
  assert.ok(worst < 1000, `a task of ${worst} ms`);
  assert.ok(percentile(busy.frames, 0.5) < 170, "ten times 60 a second");
  assert.deepEqual((await allRows(page)).map(([key]) => key), log.map((m) => m.id));
  assert.deepEqual(await mistakes(page, [log]), []);
  assert.deepEqual(page.troubles, []);
  await page.close();
});

test("the page is there at once", async () => {
  const paints = [];
  for (let i = 0; i < 5; i++) {
    const context = await browser.createBrowserContext(); // nothing is cached
    const page = await open(browser, server.url, { context });
    await until(page, "it is painted", () => performance.getEntriesByName("first-contentful-paint")[0]);
    const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime);
    await ready(page);
    paints.push(paint);
    await context.close();
  }
  console.log(`first paint after ${percentile(paints, 0.5).toFixed(0)} ms: ${paints.map((p) => p.toFixed(0)).join(", ")}`);
  assert.ok(percentile(paints, 0.5) < 5000, `${paints}`);
});
