// A server of one's own for a test file: the real one, in memory, on a free port.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import WebSocket from "ws";
import { ChatClient } from "../../dist/index.js";

const root = fileURLToPath(new URL("../../../../../", import.meta.url));

/** Starts it; with AIWM_LOCAL it is that binary, which is otherwise built. */
export async function startServer(flags = []) {
  const dir = mkdtempSync(join(tmpdir(), "aiwm-chat-"));
  const binary = process.env.AIWM_LOCAL || join(dir, "local");
  if (!process.env.AIWM_LOCAL) execFileSync("go", ["build", "-o", binary, "./local"], { cwd: root, stdio: "inherit" });
  const child = spawn(binary, ["-memory", ...flags], { cwd: root, env: { ...process.env, PORT: "0" }, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  child.stderr.on("data", (data) => (said += data));
  const greeting = await new Promise((resolve, reject) => {
    let out = "";
    child.stdout.on("data", (data) => {
      out += data;
      if (out.includes("Stop: Ctrl-C")) resolve(out);
    });
    child.on("exit", (code) => reject(new Error(`the server ended with ${code}: ${out}${said}`)));
  });
  const value = (name) => new RegExp(`^ *${name} +(\\S+)`, "m").exec(greeting)[1];
  const server = {
    url: value("WebSocket"),
    restUrl: value("REST"),
    model: value("Model"),
    userToken: value("User token"),
    agentToken: value("Agent token"),
    clients: [],
    /** A client of the demo user, or of who has the token. */
    client(token = server.userToken, more = {}) {
      const client = new ChatClient({ url: server.url, restUrl: server.restUrl, getToken: () => token, WebSocket, ...more });
      server.clients.push(client);
      return client;
    },
    async stop() {
      for (const client of server.clients) client.close();
      child.removeAllListeners("exit");
      const ended = new Promise((resolve) => child.on("exit", resolve));
      child.kill();
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
  return server;
}

/** Waits until something is so. */
export async function until(what, is, patience = 20_000) {
  for (const begin = Date.now(); ; ) {
    const value = await is();
    if (value) return value;
    if (Date.now() - begin > patience) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
