// Everything goes wrong under the page: what it draws is the log, and nothing is ever drawn twice.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { allRows, browse, click, mistakes, open, ready, say, serve, theLog, until, watchRows } from "./lib.mjs";

const talks = 3, each = 24;
let server, browser, page, ids;
before(async () => {
  const limits = Object.fromEntries(["USER_MESSAGES", "AGENT_MESSAGES", "JOINS", "PINGS", "READS", "WRITES", "CREATIONS", "ADDITIONS", "USER_CONNECTIONS"].map((n) => [`LIMIT_${n}`, "0"]));
  // What a killed server left behind is taken up again after minutes, which are seconds here.
  server = await serve(["-timescale", "20", "-reorder", "0.1", "-duplicate", "0.1", "-drop-disconnect", "0.1", "-throttle", "0.05", "-post-error", "0.05"], { ...limits, LOG_LEVEL: "error" });
  browser = await browse();
});
after(async () => {
  await browser?.close();
  await server?.close();
});

const sleep = (ms) => new Promise((r) => setTimeout(r, ms));

/** A message of the other agent: stored once, however often it has to be tried. */
async function post(conversationId, content) {
  for (const end = Date.now() + 30_000; ; await sleep(100)) {
    try {
      return await server.rest("POST", "messages", { conversationId, content, clientMessageId: `other-${content}` }, server.agentToken);
    } catch (e) {
      if (Date.now() > end) throw e;
    }
  }
}

const show = async (id) => {
  await (await page.waitForSelector(`nav a[href="#${id}"]`)).evaluate((a) => a.click()); // its place changes with each message
  await until(page, "the talk is open", (title) => document.querySelector(".talk h2")?.innerText === title && document.querySelector(".composer textarea"), `Talk ${ids.indexOf(id)}`);
};

test("two hundred messages, half of them from others, through two deaths of the server", async () => {
  ids = [];
  for (let n = 0; n < talks; n++) {
    const { id } = await server.rest("POST", "conversations", { title: `Talk ${n}`, agentId: "assistant" });
    await server.rest("POST", `conversations/${id}/participants`, { type: "agent", id: "demo-agent" });
    ids.push(id);
  }
  const timing = encodeURIComponent(JSON.stringify({ ackTimeout: 1500, backoffMax: 1000, pingEvery: 3000, gapPatience: 500, rolloverAfter: 8000, rolloverJitter: 1000 }));
  page = await open(browser, `${server.url}?timing=${timing}#${ids[0]}`, { first: watchRows });
  await ready(page);
  await click(page, "Panels");
  await click(page, "Faults");
  const slow = async () => {
    await page.focus("#fault-latency");
    await page.keyboard.press("ArrowRight");
    await until(page, "the panel has set it", () => document.querySelector("#fault-latency").value === "0.05" && /misbehaves/.test(document.querySelector(".faults").parentElement.innerText));
  };
  await slow();
  const others = Promise.all(ids.map(async (id, n) => {
    for (let i = 0; i < each; i++) await Promise.all([post(id, `a${n}.${i}`), sleep(700)]);
  }));
  for (let i = 0; i < each; i++) {
    if (i === 8 || i === 16) {
      await server.kill();
      setTimeout(() => server.start(), 1500);
    }
    for (let n = 0; n < talks; n++) {
      if (i % 4 === 0) await show(ids[n]); // else the one that is open
      const talk = i % 4 === 0 ? n : talks - 1;
      await say(page, `q${talk}.${i * talks + n} #tokens 4`);
    }
  }
  await others;
  await until(page, "nothing waits", () => !document.querySelector(".pending") && document.querySelector(".foot .dot.on"), null, 60_000);
});

test("the page shows the log, and has shown nothing else", async () => {
  const logs = [];
  for (const [n, id] of ids.entries()) {
    await show(id);
    // Those whose function was killed go on when their leases are over.
    let log;
    for (const end = Date.now() + 90_000; ; await sleep(500)) {
      log = await theLog(server, id);
      const answered = log.filter((m) => m.participantId === "assistant").length;
      if (answered === log.filter((m) => m.participantId === "demo-user").length) break;
      assert.ok(Date.now() < end, `${answered} answers`);
    }
    await until(page, "it is quiet", () => !document.querySelector(".pending, .stream"), null, 60_000);
    logs.push(log);
    const by = (who) => log.filter((m) => m.participantId === who).map((m) => m.content);
    assert.deepEqual(by("demo-agent"), Array.from({ length: each }, (_, i) => `a${n}.${i}`));
    const mine = by("demo-user").map((t) => Number(new RegExp(`^q${n}\\.(\\d+) #tokens 4$`).exec(t)?.[1] ?? assert.fail(t)));
    assert.deepEqual(mine, [...new Set(mine)].sort((a, b) => a - b), "in the order in which it was typed, once");
    const rows = await allRows(page);
    assert.deepEqual(rows.map(([key]) => key), log.map((m) => m.id));
  }
  console.log(`${logs.flat().length} messages in ${talks} talks; ${await page.evaluate(() => window.seen.changes)} changes of the page looked at`);
  assert.equal(logs.flat().filter((m) => m.participantId === "demo-user").length, talks * each);
  assert.deepEqual(await mistakes(page, logs), []);
  assert.deepEqual(page.troubles, []);
});
