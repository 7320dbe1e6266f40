// Fails where the core has more bytes than promised: minified and gzipped, without what
// agents, those with a storage, and those who change messages need: they load it.
import { gzipSync } from "node:zlib";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const most = 13 * 1024; // ten is the aim

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

const core = await size("index.ts", /(writer|questions|restore|actions)\.js$/);
console.log(`the core has ${core} of ${most} bytes`);
if (core > most) process.exit(1);
