// Fails where the core has more bytes than promised: minified and gzipped. It is what each
// chat needs from its first message on. A conversation that is joined, in which people write
// to each other, and that is joined again after a loss, loads nothing else: test/core.test.mjs
// shows it. What only some need is loaded when they do.
import { gzipSync } from "node:zlib";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { onDemand } from "./demand.mjs";

const most = 10 * 1024;

async function size(entry, external) {
  const { outputFiles, metafile } = await build({
    entryPoints: [fileURLToPath(new URL(`../src/${entry}`, import.meta.url))],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    metafile: true,
    write: false,
    plugins: [{ name: "external", setup: (b) => b.onResolve({ filter: external }, ({ path }) => ({ path, external: true })) }],
  });
  if (process.argv.includes("-v")) for (const o of Object.values(metafile.outputs)) for (const [k, v] of Object.entries(o.inputs)) console.log(k, v.bytesInOutput);
  return gzipSync(outputFiles[0].contents, { level: 9 }).length;
}

const core = await size("index.ts", onDemand);
console.log(`the core has ${core} of ${most} bytes`);
if (core > most) process.exit(1);
