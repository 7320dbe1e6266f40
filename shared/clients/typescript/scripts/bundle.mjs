// Writes the core as minified ESM, for a page that no bundler makes, as the console:
// npm run bundle -- FILE. What is loaded on demand late, or by few pages, is in another file
// beside it, chat-later.js where FILE is chat.js; what agents alone need is in neither: the
// console never asks for it.
//
// The first line of each names what it was made of:
//
//   /*! @aiwm/chat sources sha256:<hex> */
//
// The hash is of the .ts files of src that the core consists of, which are those that
// src/index.ts reaches and that are not types alone: all but react, call, ai-sdk, ag-ui,
// assistant-ui (.ts, .tsx). In the order of their names (byte by byte) each adds
// "<name>\n<length in bytes, decimal>\n<content>" to it, with the name as in src, such as
// "client.ts".
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const src = fileURLToPath(new URL("../src/", import.meta.url));
const notAskedFor = /^\.\/(writer|questions)\.js$/;
const adapters = /^(react|call\.|ai-sdk|ag-ui|assistant-ui)\b/;

export function sourcesHash() {
  const hash = createHash("sha256");
  const names = readdirSync(src).filter((name) => name.endsWith(".ts") && !adapters.test(name));
  for (const name of names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))) {
    const content = readFileSync(src + name);
    hash.update(`${name}\n${content.length}\n`).update(content);
  }
  return hash.digest("hex");
}

/** Loaded late: some pages have no need of it, and the others none before they are there. */
const late = ["actions", "missing", "older", "refused", "rollover", "uploads"];
const isLate = new RegExp(`^\\./(${late.join("|")})\\.js$`);

export async function bundle(outfile) {
  const name = path.basename(outfile, ".js");
  const make = (outfile, modules, setup) => build({
    stdin: { contents: modules.map((file) => `export * from "${file}";`).join("\n"), resolveDir: src },
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    outfile,
    banner: { js: `/*! @aiwm/chat sources sha256:${sourcesHash()} */` },
    legalComments: "none",
    plugins: [{ name: "console", setup }],
  });
  // What both need is in the first alone.
  const shared = new Set();
  await make(path.join(path.dirname(outfile), `${name}-later.js`), late.map((file) => `./${file}.js`), (b) => {
    b.onResolve({ filter: /^\.\// }, ({ path, importer, kind }) => {
      if (importer === "<stdin>") return undefined;
      if (kind === "import-statement") shared.add(path);
      return { path: `./${name}.js`, external: true };
    });
  });
  await make(outfile, ["./index.js", ...shared], (b) => {
    b.onResolve({ filter: notAskedFor }, ({ path }) => ({ path, external: true }));
    b.onResolve({ filter: isLate }, () => ({ path: `./${name}-later.js`, external: true }));
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const outfile = process.argv[2];
  if (!outfile) {
    console.error("npm run bundle -- FILE");
    process.exit(2);
  }
  await bundle(outfile);
}
