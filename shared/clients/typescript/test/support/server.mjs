// A real server for tests: go run ./local, built once, on a port of its own.
import { execFileSync, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ws from "ws";
import { ChatClient } from "../../dist/index.js";

export { watch } from "./watch.mjs";

// The one that the client is given: that of Node, which has one from 22 on.
export const WebSocket = globalThis.WebSocket ?? ws;

const root = fileURLToPath(new URL("../../../../../", import.meta.url));
const secret = "a secret for tests alone, of 32 bytes and more";

const running = new Set();
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

let binary = process.env.AIWM_LOCAL;

function build() {
  if (binary) return binary;
  const dir = mkdtempSync(join(tmpdir(), "aiwm-local-"));
  process.on("exit", () => rmSync(dir, { recursive: true, force: true }));
  execFileSync("go", ["build", "-o", dir, "./local"], { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
  return (binary = join(dir, "local"));
}

export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

// token signs one for a user, or with agent: true for an agent.
export function token(id, { agent = false, ttl = 3600, key = secret, org = "test" } = {}) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part({ ...(agent ? { agentId: id } : { userId: id }), sub: id, orgId: org, iat: now, exp: now + ttl })}`;
  return `${text}.${createHmac("sha256", key).update(text).digest("base64url")}`;
}

export class Server {
  #process;
  #clients = [];
  #dir;

  // start runs a server; data: true keeps what it has, so that it can be killed and started again.
  static async start({ flags = [], env = {}, data = false } = {}) {
    const s = new Server();
    s.port = await freePort();
    s.flags = flags;
    s.env = env;
    s.data = data;
    s.#dir = mkdtempSync(join(tmpdir(), "aiwm-data-"));
    await s.run();
    return s;
  }

  get url() {
    return `ws://127.0.0.1:${this.port}/ws`;
  }
  get restUrl() {
    return `http://127.0.0.1:${this.port}`;
  }

  async run() {
    const args = [...(this.data ? [] : ["-memory"]), "-template", join(root, "template.yaml"), ...this.flags];
    const env = { ...process.env, PORT: String(this.port), JWT_SECRET: secret, ...this.env };
    const child = (this.#process = spawn(build(), args, { cwd: this.#dir, env, stdio: ["ignore", "pipe", "pipe"] }));
    // A test that fails leaves it to the end of the process, which it does not hold up.
    child.unref();
    child.stdout.unref();
    child.stderr.unref();
    running.add(child);
    child.once("exit", () => running.delete(child));
    let out = "";
    const waiting = setInterval(() => {}, 1000);
    await new Promise((resolve, reject) => {
      const heard = (chunk) => {
        if (out.length < 100_000) out += chunk;
        if (out.includes("aiwm-chat is running") && out.includes("Stop: Ctrl-C")) resolve((this.greeting = out));
      };
      child.stdout.on("data", heard);
      child.stderr.on("data", heard);
      child.once("exit", () => reject(new Error(`the server ended:\n${out}`)));
    }).finally(() => clearInterval(waiting));
  }

  // kill ends it without warning.
  async kill() {
    const child = this.#process;
    if (child.exitCode === null && child.signalCode === null) {
      child.ref();
      child.kill("SIGKILL");
      await new Promise((resolve) => child.once("exit", resolve));
    }
  }

  async close() {
    for (const client of this.#clients) client.close();
    await this.kill();
    if (existsSync(this.#dir)) rmSync(this.#dir, { recursive: true, force: true });
  }

  // client is one of a user, not yet connected.
  client(id, options = {}) {
    const { agent, ...more } = options;
    const client = new ChatClient({ url: this.url, restUrl: this.restUrl, getToken: () => token(id, { agent }), WebSocket, ...more });
    this.#clients.push(client);
    return client;
  }
}

// until waits for what a condition returns.
export async function until(condition, { within = 60_000, what = String(condition) } = {}) {
  for (const end = Date.now() + within; ; ) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${within} ms: ${what}`);
    await sleep(10);
  }
}

export function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

// theLog reads a conversation over REST.
export async function theLog(rest, conversationId) {
  const all = [];
  for (let afterSeq = 0; ; ) {
    const page = await rest.messages({ conversationId, afterSeq, limit: 100 });
    all.push(...page.data);
    if (!page.pagination.hasMore) return all;
    afterSeq = page.pagination.nextAfterSeq;
  }
}
