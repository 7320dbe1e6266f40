import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

test("what the README shows of the adapters, and the examples, have the right types", (t) => {
  const readme = readFileSync(`${root}README.md`, "utf8");
  const dir = `${root}test/.types/`; // inside of the package, which there is imported by its name
  mkdirSync(dir, { recursive: true });
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  for (const [name, heading] of Object.entries({ react: "React", "ai-sdk": "The AI SDK", "ag-ui": "AG-UI", "assistant-ui": "assistant-ui" })) {
    const [, section] = new RegExp(`^## ${heading}\n(.*?)(?=^## )`, "ms").exec(readme) ?? assert.fail(`no section ${heading}`);
    const [, kind, code] = /^```(tsx?)\n(.*?)^```/ms.exec(section) ?? assert.fail(`no code in ${heading}`);
    writeFileSync(`${dir}${name}.${kind}`, code);
  }
  writeFileSync(`${dir}tsconfig.json`, JSON.stringify({ extends: "../../tsconfig.json", include: [".", "../../examples"] }));
  try {
    execFileSync(process.execPath, [`${root}node_modules/typescript/bin/tsc`, "-p", dir], { cwd: root, encoding: "utf8" });
  } catch (e) {
    assert.fail(e.stdout);
  }
});
