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
function binary() {
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
  s.kill = () => new Promise((resolve) => { s.process.removeAllListeners("exit"); s.process.on("exit", resolve); s.process.kill("SIGKILL"); });
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
export async function open(browser, url, { context, width = 1280, height = 860, dark = false } = {}) {
  const page = await (context ?? browser).newPage();
  page.troubles = [];
  page.elsewhere = [];
  page.on("pageerror", (e) => page.troubles.push("error: " + (e.stack ?? e)));
  page.on("dialog", (d) => { page.troubles.push("dialog: " + d.message()); d.dismiss(); });
  page.on("console", (m) => { if (m.type() === "error" && !/ERR_CONNECTION|WebSocket connection|ERR_INTERNET|Failed to load resource/.test(m.text())) page.troubles.push("console: " + m.text()); });
  page.on("request", (r) => { if (!r.url().startsWith(new URL(url).origin) && !/^(data|blob|about|chrome)/.test(r.url())) page.elsewhere.push(r.url()); });
  await page.evaluateOnNewDocument(() => { addEventListener("securitypolicyviolation", (e) => (window.violations ??= []).push(`${e.violatedDirective} ${e.blockedURI}`)); });
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
