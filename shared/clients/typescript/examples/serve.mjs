// Builds an example for the browser, and serves it: node examples/serve.mjs react
//
// The page asks for /chat.json, as yours asks its own server: where the chat is, and a token
// of who is signed in.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const { AIWM_URL = "ws://127.0.0.1:3003/ws", AIWM_REST_URL = "http://127.0.0.1:3003", AIWM_TOKEN, PORT = "5173" } = process.env;

/** Serves an example, and returns where. */
export async function serve(name, port, chat) {
  const dir = fileURLToPath(new URL(`./${name}/`, import.meta.url));
  const { outputFiles } = await build({
    entryPoints: [`${dir}app.tsx`],
    bundle: true,
    write: false,
    format: "esm",
    jsx: "automatic",
    define: { "process.env.NODE_ENV": '"production"' },
  });
  const files = {
    "/": ["text/html; charset=utf-8", () => readFile(new URL("./index.html", import.meta.url))],
    "/app.js": ["text/javascript; charset=utf-8", () => outputFiles[0].contents],
    "/chat.json": ["application/json", () => JSON.stringify(chat)],
  };
  const server = createServer(async (request, response) => {
    const [type, read] = files[request.url] ?? [];
    if (!type) return response.writeHead(404).end();
    response.writeHead(200, { "Content-Type": type, "Cache-Control": "no-store" }).end(await read());
  });
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}/`, stop: () => server.close() };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (!process.argv[2] || !AIWM_TOKEN) {
    console.error(process.argv[2] ? "set AIWM_TOKEN" : "AIWM_TOKEN=<user token> node examples/serve.mjs react|ai-sdk|assistant-ui");
    process.exit(2);
  }
  const { url } = await serve(process.argv[2], Number(PORT), { url: AIWM_URL, restUrl: AIWM_REST_URL, token: AIWM_TOKEN });
  console.log(url);
}
