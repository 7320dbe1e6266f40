// Makes assets/console/vendor from the packages of package-lock.json: run `npm run vendor`
// after a version has changed. A test says when what is committed is stale.
import { build } from "esbuild";
import { readFileSync, writeFileSync, mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import path from "node:path";

const here = path.dirname(fileURLToPath(import.meta.url));
export const target = path.join(here, "../assets/console/vendor");

const bundles = {
  "preact.js": `
    export { h, render } from "preact";
    export { useState, useReducer, useEffect, useLayoutEffect, useRef, useMemo } from "preact/hooks";
    import { h } from "preact"; import htm from "htm";
    export const html = htm.bind(h);`,
  "markdown.js": `export { _Lexer as Lexer } from "marked:Lexer.ts";`,
};

// marked is published as one minified file, of which a bundler can leave out nothing: we
// want its lexer alone, which is three quarters of it. The sources are in its source map.
const marked = {
  name: "marked",
  setup(b) {
    const { sources, sourcesContent } = JSON.parse(readFileSync(path.join(here, "node_modules/marked/lib/marked.esm.js.map"), "utf8"));
    const texts = new Map(sources.map((name, i) => [path.basename(name), sourcesContent[i]]));
    b.onResolve({ filter: /^marked:/ }, (a) => ({ path: a.path.slice("marked:".length), namespace: "marked" }));
    b.onResolve({ filter: /^\.\//, namespace: "marked" }, (a) => ({ path: path.basename(a.path), namespace: "marked" }));
    b.onLoad({ filter: /.*/, namespace: "marked" }, (a) => ({ contents: texts.get(a.path), loader: "ts" }));
  },
};

/** The files of the folder, by name. */
export async function vendored() {
  const files = {};
  for (const [name, contents] of Object.entries(bundles)) {
    const made = await build({
      stdin: { contents, resolveDir: here }, bundle: true, minify: true, format: "esm", target: "es2022", write: false, legalComments: "none", logLevel: "error", plugins: [marked],
    });
    files[name] = made.outputFiles[0].text;
  }
  let licenses = "What is in this folder, and the licence of each.\n";
  for (const name of ["preact", "htm", "marked"]) {
    const dir = path.join(here, "node_modules", name);
    const about = JSON.parse(readFileSync(path.join(dir, "package.json"), "utf8"));
    licenses += `\n${"=".repeat(72)}\n${name} ${about.version} (${about.license})\n${"=".repeat(72)}\n\n`;
    for (const file of ["LICENSE", "LICENSE.md", "LICENSE.txt"]) {
      try {
        licenses += readFileSync(path.join(dir, file), "utf8");
        break;
      } catch { /* it has another name */ }
    }
  }
  files["LICENSES.txt"] = licenses.replace(/[ \t]+$/gm, "").replace(/\r/g, "");
  return files;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  mkdirSync(target, { recursive: true });
  for (const [name, text] of Object.entries(await vendored())) writeFileSync(path.join(target, name), text);
}
