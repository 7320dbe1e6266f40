// What is vendored is what package-lock.json says.
import { test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { target, vendored } from "./vendor.mjs";

test("the vendored files are those of the packages", async () => {
  for (const [name, text] of Object.entries(await vendored())) {
    assert.ok(readFileSync(path.join(target, name), "utf8") === text, `${name} is stale: npm run vendor`);
  }
});
