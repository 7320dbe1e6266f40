// Writes src/protocol.gen.ts, the types of frames and bodies, from the contract that the
// server writes (go run ./local contract). With --check it changes nothing and fails where
// the file is stale.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compile } from "json-schema-to-typescript";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const target = fileURLToPath(new URL("../src/protocol.gen.ts", import.meta.url));

// Names that this library has for something else.
const renamed = { Conversation: "ConversationInfo", Activity: "ActivityNotice", Health: "HealthReport" };

function contract() {
  const dir = mkdtempSync(join(tmpdir(), "contract-"));
  try {
    execFileSync("go", ["run", "./local", "contract", "-dir", dir], { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
    return ["openapi.json", "asyncapi.json"].map((name) => JSON.parse(readFileSync(join(dir, name), "utf8")));
  } finally {
    rmSync(dir, { recursive: true });
  }
}

// plain makes of a schema one whose references keep their names: beside a $ref there is
// at most a description, and that only outside of it.
function plain(schema) {
  if (Array.isArray(schema)) return schema.map(plain);
  if (typeof schema !== "object" || schema === null) return schema;
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    const $ref = `#/definitions/${renamed[name] ?? name}`;
    return schema.description ? { description: schema.description, allOf: [{ $ref }] } : { $ref };
  }
  const out = {};
  for (const [key, value] of Object.entries(schema)) {
    if (key === "title" || key === "pattern" || key === "not" || key === "propertyNames" || key === "examples") continue;
    if (key === "required" && Array.isArray(value) && schema.additionalProperties && !schema.properties) continue;
    // There the keys are names: a property may well be called title.
    out[key] = key === "properties" ? Object.fromEntries(Object.entries(value).map(([name, of]) => [name, plain(of)])) : plain(value);
  }
  return out;
}

async function generate() {
  const [openapi, asyncapi] = contract();
  const definitions = {};
  const frames = [];
  const all = { ...openapi.components.schemas, ...asyncapi.components.schemas };
  for (const [name, schema] of Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1))) {
    // The client speaks lean: of those in two dialects, that one; and no names of AIWM.
    if (name.startsWith("Aiwm") || all[`${name}Lean`]) continue;
    definitions[renamed[name] ?? name] = plain(schema);
    if (/Frame(Lean)?$/.test(name) && name !== "GatewayFrame") frames.push(name);
  }
  const text = await compile({ definitions }, "Contract", {
    additionalProperties: false,
    bannerComment: "// Written by npm run types from the contract of the server; change it there.",
    unreachableDefinitions: true,
    ignoreMinAndMaxItems: true,
    style: { printWidth: 120 },
  });
  const tidy = text
    .replace(/export interface Contract \{[^}]*\}\n/, "")
    .replace(/^ *\* This interface was referenced by .*\n( *\* via the `definition` .*\n)?/gm, "")
    .replace(/^( *)\/\*\*\n *\* (.*)\n( *\*\n)* *\*\/$/gm, "$1/** $2 */")
    .replace(/\n( *)\/\*\*\n *\*\/\n/g, "\n");
  return `${tidy}/** What the server sends. */\nexport type ServerFrame =\n${frames.map((name) => `  | ${name}`).join("\n")};\n`;
}

const text = await generate();
if (!process.argv.includes("--check")) {
  writeFileSync(target, text);
} else if (readFileSync(target, "utf8") !== text) {
  console.error("src/protocol.gen.ts is stale: npm run types");
  process.exit(1);
}
