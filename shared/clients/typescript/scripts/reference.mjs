// Writes reference/, a page for each entry of the package, from the types and their comments.
// With --check it changes nothing and fails where a page is stale.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));
const target = join(root, "reference");

function write(dir) {
  execFileSync(process.execPath, [join(root, "node_modules/typedoc/bin/typedoc"), "--out", dir, "--logLevel", "Warn"], { cwd: root, stdio: "inherit" });
}

function read(dir) {
  return Object.fromEntries(readdirSync(dir).map((name) => [name, readFileSync(join(dir, name), "utf8")]));
}

if (!process.argv.includes("--check")) {
  write(target);
} else {
  const dir = mkdtempSync(join(tmpdir(), "reference-"));
  try {
    write(dir);
    const [now, then] = [read(dir), read(target)];
    const stale = [...new Set([...Object.keys(now), ...Object.keys(then)])].filter((name) => now[name] !== then[name]);
    if (stale.length > 0) {
      console.error(`reference/${stale.join(", ")} is stale: npm run reference`);
      process.exitCode = 1;
    }
  } finally {
    rmSync(dir, { recursive: true });
  }
}
