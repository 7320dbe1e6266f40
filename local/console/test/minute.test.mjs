// A whole minute without a network, and with things to say. The page's clock cannot be hurried:
// .ci/run has it run beside the others.
import { test } from "node:test";
import assert from "node:assert/strict";
import { allRows, browse, mistakes, open, ready, say, serve, theLog, until, watchRows } from "./lib.mjs";

const away = Number(process.env.AIWM_CONSOLE_AWAY ?? 60_000);
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));

test("what is said in a minute without a network goes out once, in order", async (t) => {
  const server = await serve([], { LOG_LEVEL: "error", LIMIT_USER_MESSAGES: "0" });
  t.after(() => server.close());
  const browser = await browse();
  t.after(() => browser.close());
  const { id } = await server.rest("POST", "conversations", { title: "A tunnel", agentId: "demo-agent" });
  const page = await open(browser, server.url + "#" + id, { first: watchRows });
  await ready(page);
  await say(page, "q0.0");
  await until(page, "it is sent", () => !document.querySelector(".pending"));

  const network = await page.createCDPSession();
  const offline = (offline) => network.send("Network.emulateNetworkConditions", { offline, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
  const kept = () => page.evaluate(() => Object.keys(localStorage).filter((k) => k.startsWith("aiwm-chat:")));
  let handshakes = 0;
  await network.send("Network.enable");
  network.on("Network.webSocketCreated", () => handshakes++);
  const gone = Date.now(), back = gone + away;
  await offline(true);
  await server.kill(); // the emulation leaves the WebSockets that are open alone
  let n = 0;
  while (Date.now() < back - away / 20) {
    await say(page, `q0.${++n}`);
    await sleep(away / 20);
  }
  assert.ok(await page.evaluate(() => document.querySelectorAll(".pending").length) > 3);
  assert.equal((await kept()).length, n);
  assert.match(await page.evaluate(() => document.querySelector(".banner").innerText), /^You are offline\. What you send waits here and goes out by itself\./);
  await sleep(back - Date.now());
  console.log(`${n} messages wait after ${((Date.now() - gone) / 1000).toFixed(0)} s, with ${handshakes} handshakes`);
  assert.ok(handshakes < 40, `${handshakes} handshakes`);

  await server.start();
  const since = Date.now();
  await offline(false);
  await until(page, "all is sent", () => !document.querySelector(".pending") && document.querySelector(".foot .dot.on"));
  console.log(`all are sent ${((Date.now() - since) / 1000).toFixed(1)} s after the network is back`);
  const log = await theLog(server, id);
  assert.deepEqual(log.map((m) => m.content), Array.from({ length: n + 1 }, (_, i) => `q0.${i}`));
  assert.deepEqual((await allRows(page)).map(([key]) => key), log.map((m) => m.id));
  assert.deepEqual(await mistakes(page, [log]), []);
  assert.deepEqual(await kept(), []);
  assert.deepEqual(page.troubles, []);
});
