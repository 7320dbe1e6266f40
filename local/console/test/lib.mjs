// A server of our own and a real browser, for the tests.
import { spawn, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import puppeteer from "puppeteer-core";

const root = fileURLToPath(new URL("../../../", import.meta.url));
export const shots = process.env.AIWM_CONSOLE_SHOTS;
if (shots) mkdirSync(shots, { recursive: true });

let built;

/** The local server as it is built. */
export function binary() {
  if (process.env.AIWM_LOCAL) return process.env.AIWM_LOCAL;
  if (!built) {
    const dir = mkdtempSync(path.join(tmpdir(), "console-bin-"));
    process.on("exit", () => rmSync(dir, { recursive: true, force: true }));
    execFileSync("go", ["build", "-o", path.join(dir, "local"), "./local"], { cwd: root, stdio: "inherit" });
    built = path.join(dir, "local");
  }
  return built;
}

/** A server with its data in a folder, so that it can be killed and started again. */
export async function serve(args = [], env = {}) {
  const dir = mkdtempSync(path.join(tmpdir(), "console-"));
  const s = { dir, args, port: 0 };
  s.start = async () => {
    s.process = spawn(binary(), ["-template", path.join(root, "template.yaml"), ...args], { cwd: dir, env: { ...process.env, PORT: String(s.port), ...env }, stdio: ["ignore", "pipe", "pipe"] });
    let out = "", log = "";
    s.process.stderr.on("data", (b) => { log = (log + b).slice(-20_000); });
    s.log = () => log;
    await new Promise((resolve, reject) => {
      s.process.on("exit", (code) => reject(new Error(`the server ended with ${code}: ${out}${log}`)));
      s.process.stdout.on("data", (b) => {
        out += b;
        if (out.includes("Stop: Ctrl-C")) resolve();
      });
    });
    s.greeting = out;
    s.url = /Open {2,}(\S+)/.exec(out)[1];
    s.port = new URL(s.url).port;
    [, s.token] = /User token {2,}(\S+)/.exec(out);
    [, s.agentToken] = /Agent token {2,}(\S+)/.exec(out);
  };
  s.kill = () => new Promise((resolve) => {
    if (s.process.exitCode !== null || s.process.signalCode !== null) return resolve(); // a test has failed while it was dead
    s.process.removeAllListeners("exit");
    s.process.on("exit", resolve);
    s.process.kill("SIGKILL");
  });
  s.close = async () => {
    await s.kill();
    rmSync(dir, { recursive: true, force: true });
  };
  s.rest = async (method, at, body, token = s.token, headers = {}) => {
    const r = await fetch(s.url + at, { method, headers: { authorization: `Bearer ${token}`, ...(body && { "content-type": "application/json" }), ...headers }, body: body && JSON.stringify(body) });
    const text = await r.text();
    if (!r.ok) throw new Error(`${method} ${at}: ${r.status} ${text}`);
    return text ? JSON.parse(text) : undefined;
  };
  await s.start();
  return s;
}

export function chromium() {
  return [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((f) => f && existsSync(f));
}

export const browse = () => puppeteer.launch({ executablePath: chromium(), headless: true, args: ["--no-sandbox", "--disable-dev-shm-usage", "--lang=en-GB", "--js-flags=--expose-gc"], protocolTimeout: 120_000 });

/** A page that says what must not happen: errors, dialogs, violations, requests to elsewhere. */
export async function open(browser, url, { context, width = 1280, height = 860, dark = false, first } = {}) {
  const page = await (context ?? browser).newPage();
  page.troubles = [];
  page.elsewhere = [];
  page.on("pageerror", (e) => page.troubles.push("error: " + (e.stack ?? e)));
  page.on("dialog", (d) => { page.troubles.push("dialog: " + d.message()); d.dismiss(); });
  page.on("console", (m) => { if (m.type() === "error" && !/ERR_CONNECTION|WebSocket connection|ERR_INTERNET|Failed to load resource/.test(m.text())) page.troubles.push("console: " + m.text()); });
  page.on("request", (r) => { if (!r.url().startsWith(new URL(url).origin) && !/^(data|blob|about|chrome)/.test(r.url())) page.elsewhere.push(r.url()); });
  await page.evaluateOnNewDocument(() => { addEventListener("securitypolicyviolation", (e) => (window.violations ??= []).push(`${e.violatedDirective} ${e.blockedURI}`)); });
  await first?.(page);
  await page.setViewport({ width, height });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }]);
  await page.goto(url, { waitUntil: "load" });
  return page;
}

/** Waits until something is so, and says what it was if it never is. */
export async function until(page, what, f, arg, timeout = 30_000) {
  try {
    return await page.waitForFunction(f, { timeout, polling: 50 }, arg);
  } catch (e) {
    const text = await page.evaluate(() => document.body.innerText.slice(-4000)).catch(() => "");
    throw new Error(`${what}: never so (${e.message}). The page says:\n${text}\n${(page.troubles ?? []).join("\n")}`);
  }
}

export const ready = (page) => until(page, "the composer is there", () => document.activeElement?.tagName === "TEXTAREA" && document.querySelector(".foot .dot.on"));

export const texts = (page) => page.evaluate(() => [...document.querySelectorAll(".talk .message:not(.stream) .bubble")].map((e) => e.innerText.trim()));

export async function say(page, text) {
  await page.focus(".composer textarea");
  await page.keyboard.type(text);
  await page.keyboard.press("Enter");
}

/** Clicks what has this very text. */
export async function click(page, text, selector = "button") {
  await until(page, `a ${selector} "${text}"`, ([t, s]) => [...document.querySelectorAll(s)].some((b) => b.innerText.trim() === t && !b.disabled), [text, selector]);
  const found = await page.evaluateHandle(([t, s]) => [...document.querySelectorAll(s)].find((b) => b.innerText.trim() === t && !b.disabled), [text, selector]);
  await found.asElement().click();
}

export async function shot(page, name) {
  if (shots) await page.screenshot({ path: path.join(shots, name + ".png") });
}

/** Reads a conversation over REST. */
export async function theLog(server, id) {
  const all = [];
  for (let afterSeq = 0; ; ) {
    const page = await server.rest("GET", `messages?conversationId=${id}&afterSeq=${afterSeq}&limit=100`);
    all.push(...page.data);
    if (!page.pagination.hasMore) return all;
    afterSeq = page.pagination.nextAfterSeq;
  }
}

/**
 * Looks at whatever the page draws, at each change of it before it is on the screen, and
 * notes in window.seen what must never be: a row twice, or twice what names itself by a word
 * such as q1.17, be it as it is written, as it waits, or as it is in the log. In which
 * orders rows stood is held against the log when that is known.
 */
export const watchRows = (page) => page.evaluateOnNewDocument(() => {
  const seen = (window.seen = { faults: new Set(), orders: new Set(), changes: 0 });
  const look = () => {
    seen.changes++;
    const keys = [], words = new Set();
    for (const row of document.querySelectorAll(".log .row")) {
      const { key } = row.dataset;
      if (keys.includes(key)) seen.faults.add(`${key} is drawn twice`);
      keys.push(key);
      for (const bubble of row.querySelectorAll(".bubble")) {
        const answer = /You said: “(\w+\.\d+)”/.exec(bubble.textContent);
        const word = answer ? `the answer to ${answer[1]}` : /^\w+\.\d+\b/.exec(bubble.textContent.trim())?.[0];
        if (word && words.has(word)) seen.faults.add(`${word} is drawn twice`);
        words.add(word);
      }
    }
    seen.orders.add(keys.filter((k) => !/^(stream|out):/.test(k)).join(" "));
  };
  new MutationObserver(look).observe(document, { subtree: true, childList: true, characterData: true });
});

/** What watchRows has seen that must not be, given the logs of all conversations. */
export async function mistakes(page, logs) {
  const { faults, orders } = await page.evaluate(() => ({ faults: [...window.seen.faults], orders: [...window.seen.orders] }));
  const place = new Map(logs.flatMap((log, n) => log.map((m) => [m.id, [n, m.seq]])));
  for (const order of orders) {
    const places = order.split(" ").filter(Boolean).map((k) => place.get(k));
    for (const [i, at] of places.entries()) {
      if (!at) faults.push(`what is in no log was drawn: ${order}`);
      else if (i > 0 && (at[0] !== places[i - 1][0] || at[1] !== places[i - 1][1] + 1)) faults.push(`${at} was drawn after ${places[i - 1]}`);
    }
  }
  return [...new Set(faults)];
}

/** All rows of the open talk, by scrolling through it: [key, text] each. */
export async function allRows(page) {
  await page.evaluate(async () => {
    const log = document.querySelector(".log");
    for (let still = 0; still < 20; ) { // until no older page comes any more
      const height = log.scrollHeight;
      log.scrollTop = 0;
      await new Promise((r) => setTimeout(r, 50));
      still = log.scrollHeight === height && log.scrollTop === 0 ? still + 1 : 0;
    }
  });
  return page.evaluate(async () => {
    const log = document.querySelector(".log"), found = new Map();
    for (let end = 0; end < 4; log.scrollTop += 200) {
      await new Promise(requestAnimationFrame);
      for (const row of document.querySelectorAll(".log .row")) found.set(row.dataset.key, row.querySelector(".bubble")?.innerText.trim() ?? row.innerText.trim());
      if (log.scrollTop + log.clientHeight >= log.scrollHeight - 2) end++; // heights are measured a little later
    }
    return [...found];
  });
}
