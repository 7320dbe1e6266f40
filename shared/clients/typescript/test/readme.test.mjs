// The first lines of the README run as they stand.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { promisify } from "node:util";
import { Server, token } from "./support/server.mjs";

const here = fileURLToPath(new URL("..", import.meta.url));

test("the README's first example", async () => {
  const [, code] = /```js\n(.*?)```/s.exec(readFileSync(join(here, "README.md"), "utf8"));
  assert.ok(code.trim().split("\n").length <= 16);
  const server = await Server.start();
  // Inside of the package, whose own name it may import.
  const dir = mkdtempSync(join(here, "dist", "readme-"));
  try {
    writeFileSync(join(dir, "example.mjs"), code);
    const env = { ...process.env, CHAT_URL: server.url, CHAT_REST_URL: server.restUrl, CHAT_TOKEN: token("reader", { org: "default" }) };
    const { stdout } = await promisify(execFile)(process.execPath, [join(dir, "example.mjs")], { env, timeout: 60_000 });
    assert.match(stdout, /^reader: Good morning!$/m);
    assert.match(stdout, /^assistant: .+$/m);
    assert.match(stdout, /^… \S/m);
  } finally {
    rmSync(dir, { recursive: true });
    await server.close();
  }
});
