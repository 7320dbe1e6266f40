// Writes the core as one minified ESM file, for a page that no bundler makes, as the
// console: npm run bundle -- FILE. What is loaded on demand is in it too, but for what
// agents alone need, and what the console does not show: it never asks for them.
//
// Its first line names what it was made of:
//
//   /*! @aiwm/chat sources sha256:<hex> */
//
// The hash is of the .ts files of src that the core consists of, which are those that
// src/index.ts reaches and that are not types alone: all but react, ai-sdk, ag-ui,
// assistant-ui (.ts, .tsx). In the order of their names (byte by byte) each adds
// "<name>\n<length in bytes, decimal>\n<content>" to it, with the name as in src, such as
// "client.ts".
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const src = fileURLToPath(new URL("../src/", import.meta.url));
const notAskedFor = /^\.\/(writer|questions|reads|unread)\.js$/;
const adapters = /^(react|ai-sdk|ag-ui|assistant-ui)\b/;

export function sourcesHash() {
  const hash = createHash("sha256");
  const names = readdirSync(src).filter((name) => name.endsWith(".ts") && !adapters.test(name));
  for (const name of names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))) {
    const content = readFileSync(src + name);
    hash.update(`${name}\n${content.length}\n`).update(content);
  }
  return hash.digest("hex");
}

// Who sends or gets a file loads these: they are in a file of their own beside it.
const ofFiles = /^\.\/uploads\.js$/;

export async function bundle(outfile) {
  const beside = `${path.basename(outfile, ".js")}-uploads.js`;
  const make = (entry, outfile, setup) => build({
    entryPoints: [src + entry],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    outfile,
    banner: { js: `/*! @aiwm/chat sources sha256:${sourcesHash()} */` },
    legalComments: "none",
    plugins: [{ name: "agents", setup }],
  });
  await make("uploads.ts", path.join(path.dirname(outfile), beside), () => {});
  await make("index.ts", outfile, (b) => {
    b.onResolve({ filter: notAskedFor }, ({ path }) => ({ path, external: true }));
    b.onResolve({ filter: ofFiles }, () => ({ path: `./${beside}`, external: true }));
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
