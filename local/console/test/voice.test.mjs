// A call between two pages with a fake microphone each: what is said goes from one to the other,
// set up through the chat; and when one is killed the log says how long it was.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import path from "node:path";
import { build } from "esbuild";
import puppeteer from "puppeteer-core";
import { binary, chromium, serve, theLog, until } from "./lib.mjs";

const src = fileURLToPath(new URL("../../../shared/clients/typescript/src/", import.meta.url));
let server, site, browsers = [], id, tokens;

/** A page of somebody who waits for calls, in a browser of its own. */
async function phone(token) {
  const browser = await puppeteer.launch({
    executablePath: chromium(), headless: true, protocolTimeout: 120_000,
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--allow-loopback-in-peer-connection", "--autoplay-policy=no-user-gesture-required"],
  });
  browsers.push(browser);
  const page = await browser.newPage();
  page.troubles = [];
  page.on("pageerror", (e) => page.troubles.push(String(e.stack ?? e)));
  await page.goto(site.url, { waitUntil: "load" });
  await page.evaluate(async (url, restUrl, token, id) => {
    const client = (window.client = new chat.ChatClient({ url, restUrl, getToken: () => token }));
    client.connect();
    window.states = [];
    window.phone = new chat.Phone(client.conversation(id), {
      onState: (state) => states.push(state),
      onStream: (stream) => (window.heard = stream),
      onError: (e) => states.push(`${e.code}: ${e.message}`),
    });
    window.microphone = () => navigator.mediaDevices.getUserMedia({ audio: true });
  }, server.url.replace(/^http/, "ws") + "ws", server.url, token, id);
  await until(page, "it is connected", () => client.getSnapshot().state === "connected");
  return page;
}

/** How loud it is what a page hears, at its loudest in two seconds: the fake microphone beeps once a second. */
const loudness = (page) => page.evaluate(async () => {
  const audio = new Audio(); // Chromium gives an AudioContext nothing of a stream that nobody plays
  audio.srcObject = heard;
  audio.muted = true;
  await audio.play();
  const context = new AudioContext();
  await context.resume();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(heard).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  let loudest = 0;
  for (const end = Date.now() + 2500; Date.now() < end; ) {
    analyser.getFloatTimeDomainData(samples);
    loudest = Math.max(loudest, ...samples.map(Math.abs));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await context.close();
  return loudest;
});

const is = (page, state) => until(page, `it is ${state}`, (state) => phone.state === state, state);
const messages = async () => (await theLog(server, id)).filter((m) => m.clientMessageId.startsWith("call:")).map((m) => m.content);
async function says(n) {
  for (const end = Date.now() + 30_000; ; ) {
    const all = await messages();
    if (all.length >= n || Date.now() > end) return all;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

before(async () => {
  server = await serve([], { LIMIT_SIGNALS: "0" });
  const { outputFiles } = await build({
    stdin: { contents: `export * from "./index.ts"; export { Phone } from "./call.ts";`, resolveDir: src, loader: "ts" },
    bundle: true, format: "iife", globalName: "chat", write: false, target: "es2022",
  });
  const http = createServer((request, response) => {
    const script = request.url === "/chat.js";
    response.setHeader("content-type", script ? "text/javascript" : "text/html");
    response.end(script ? outputFiles[0].text : `<!doctype html><script src="/chat.js"></script>`);
  });
  await new Promise((resolve) => http.listen(0, "127.0.0.1", resolve));
  site = { url: `http://127.0.0.1:${http.address().port}/`, close: () => http.close() };
  ({ id } = await server.rest("POST", "conversations", { title: "Voice", agentId: "demo-agent" }));
  await server.rest("POST", `conversations/${id}/participants`, { type: "user", id: "bob" });
  tokens = [server.token, execFileSync("sh", ["-c", `cd "${server.dir}" && "${binary()}" token -user bob`], { encoding: "utf8" }).trim()];
});
after(async () => {
  await Promise.all(browsers.map((b) => b.close().catch(() => {})));
  site?.close();
  await server?.close();
});

test("two pages hear each other, and the log says how long", async () => {
  const [alice, bob] = await Promise.all(tokens.map(phone));
  await alice.evaluate(async () => phone.call(await microphone()));
  await is(bob, "ringing");
  await bob.evaluate(async () => phone.accept(await microphone()));
  await Promise.all([is(alice, "active"), is(bob, "active")]);
  for (const page of [alice, bob]) {
    await until(page, "a stream is there", () => window.heard?.getAudioTracks().length === 1);
    const loud = await loudness(page);
    assert.ok(loud > 0.01, `it hears ${loud}; ${page.troubles}`);
  }
  await bob.evaluate(() => phone.hangup());
  await Promise.all([is(alice, "idle"), is(bob, "idle")]);
  assert.match((await says(1))[0], /^Call ended after 0:\d\d$/);

  // Both call at the same moment: they are in one call, without anybody accepting.
  await Promise.all([alice, bob].map((page) => page.evaluate(async () => phone.call(await microphone()))));
  await Promise.all([is(alice, "active"), is(bob, "active")]);
  assert.equal(await alice.evaluate(() => phone.callId), await bob.evaluate(() => phone.callId));
  assert.ok((await loudness(alice)) > 0.01);

  // One browser is killed: the other notices, and says so.
  bob.browser().process().kill("SIGKILL");
  await until(alice, "it is over", () => phone.state === "idle", undefined, 60_000);
  const all = await says(2);
  assert.equal(all.length, 2, all.join());
  assert.match(all[1], /^Call ended after 0:\d\d$/);
  assert.deepEqual(alice.troubles, []);
});
