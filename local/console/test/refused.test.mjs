// What refuses the page, or is not what it should be: one sentence says so, and nothing is asked again and again.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname } from "node:path";
import { browse, open, serve } from "./lib.mjs";

const assets = new URL("../assets/", import.meta.url);
const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
const secret = "a secret for tests alone, of 32 bytes and more";
let browser, server, host;

async function listen(http) {
  await new Promise((resolve) => http.listen(0, "127.0.0.1", resolve));
  const { port } = http.address();
  return { http, url: `http://127.0.0.1:${port}/`, ws: `ws://127.0.0.1:${port}/ws`, close: () => (http.closeAllConnections(), http.close()) };
}

/** The files of the page on a static host, as for a backend on AWS. */
const staticHost = () => listen(createServer(async (request, response) => {
  const path = new URL(request.url, "http://x").pathname.slice(1) || "index.html";
  const text = await readFile(new URL(path, assets)).catch(() => undefined);
  response.writeHead(text ? 200 : 404, { "content-type": types[extname(path)] ?? "text/plain" }).end(text);
}));

/** A server that is none of ours: what it answers to a request, and what it says to a WebSocket, or that it ends it. */
async function stranger(answer, says) {
  const s = await listen(createServer((request, response) => {
    const cors = { "access-control-allow-origin": "*", "access-control-allow-headers": "*", "access-control-allow-methods": "*" };
    s.requests += request.method !== "OPTIONS";
    response.writeHead(200, { ...cors, "content-type": "application/json" }).end(answer);
  }));
  s.requests = s.handshakes = 0;
  s.http.on("upgrade", (request, socket) => {
    s.handshakes++;
    socket.on("error", () => {});
    if (!says) return socket.end("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    const accept = createHash("sha1").update(request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64");
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ${accept}\r\nsec-websocket-protocol: aiwm.v2\r\n\r\n`);
    for (const text of says) socket.write(Buffer.concat([Buffer.from([0x81, text.length]), Buffer.from(text)]));
    if (says.length === 0) socket.end(Buffer.from([0x88, 0]));
  });
  return s;
}

before(async () => {
  [browser, server, host] = await Promise.all([browse(), serve(["-memory"], { LOG_LEVEL: "error", JWT_SECRET: secret }), staticHost()]);
});
after(async () => {
  await browser?.close();
  await server?.close();
  host?.close();
});

const sign = (claims) => {
  const part = (v) => Buffer.from(JSON.stringify(v)).toString("base64url"), text = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
};
const claimsOf = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
/** The token of the server's user, with another end. */
const token = (seconds) => sign({ ...claimsOf(server.token), exp: Math.floor(Date.now() / 1000) + seconds });

/** The page with settings of its own, for some seconds: what it says is wrong, and how often it knocks. */
async function visit(settings, seconds = 6) {
  const context = await browser.createBrowserContext();
  const page = await open(context, host.url, { first: async (page) => {
    await page.evaluateOnNewDocument(({ token, ...rest }) => {
      if (location.protocol === "about:") return;
      localStorage.setItem("aiwm-console", JSON.stringify(rest));
      sessionStorage.setItem("aiwm-console-token", token);
    }, settings);
    const wire = await page.createCDPSession();
    await wire.send("Network.enable");
    page.handshakes = 0;
    wire.on("Network.webSocketCreated", () => page.handshakes++);
  } });
  await sleep(seconds * 1000);
  const said = await page.evaluate(() => [...document.querySelectorAll(".banner:not(.none), .failed")].map((e) => [...e.childNodes].filter((n) => n.nodeName === "SPAN" || n.nodeName === "#text").map((n) => n.textContent.trim()).join(" ").trim()));
  const { handshakes, troubles } = page;
  await context.close();
  return { said, handshakes, troubles };
}

const here = () => ({ url: server.url.replace("http", "ws") + "ws", restUrl: server.url, token: token(3600) });
const gone = { url: "ws://127.0.0.1:9/ws", restUrl: "http://127.0.0.1:9" };
const row = `{"data":[{"id":"a","title":"of another version"}],"pagination":{}}`;

describe("what the page meets", { concurrency: 7 }, () => {
  // Attempts follow each other at random times, of which the longest doubles: some at first, then few.
  for (const [name, settings, sentence, most] of [
    ["nothing is at the address", () => ({ ...here(), ...gone }), /^No connection\. .*(Next try in|Trying again)/, 15],
    ["the WebSocket is at another address", () => ({ ...here(), url: server.url.replace("http", "ws") + "nowhere" }), /^No connection\. |^Nothing takes connections at ws:/, 15],
    ["REST is at another address", () => ({ ...here(), ...gone, url: here().url }), /^http:\/\/127\.0\.0\.1:9 cannot be reached\.$/, 1],
    ["an address that is none", () => ({ ...here(), url: "http://[" }), /^http:\/\/\[ is no address\.$/, 0],
    ["a token that is none", () => ({ ...here(), token: "rubbish" }), /^The token was refused\. Put a new one into the settings\.$/, 1],
    ["a token of another key", () => ({ ...here(), token: here().token.slice(0, -4) + "AAAA" }), /^The token was refused\. Put a new one into the settings\.$/, 1],
    ["a token that is over", () => ({ ...here(), token: token(-60) }), /^The token has expired\. Put a new one into the settings\.$/, 2],
  ]) {
    test(`${name}: one sentence, and no loop`, async () => {
      const { said, handshakes, troubles } = await visit(settings());
      console.log(`${handshakes} handshakes: ${said}`);
      assert.equal(said.length, 1, `${said}`);
      assert.match(said[0], sentence);
      assert.ok(handshakes <= most, `${handshakes} handshakes`);
      assert.deepEqual(troubles, []);
    });
  }

  for (const [name, answer, says, sentence, most] of [
    ["pages for people", "<html>", undefined, /^There is no chat at http:.* answers 200\.$/, 1],
    ["pages for people, and something over WebSockets", "<html>", ["hello"], /^There is no chat at http:.* answers 200\.|^The server does not say who you are\./, 1],
    ["JSON of something else", "{}", undefined, /^No connection\. |^Nothing takes connections at ws:/, 15],
    ["JSON of something else, and frames", "{}", ["hello", "{}", "[]", "null", `{"event":"joined"}`, `{"event":"connected","data":{}}`, `{"event":"message:new","data":{}}`, `{"event":"message:new"}`], /^The server answers what this page does not understand\. Perhaps it is of another version\.|^The server does not say who you are\./, 1],
    ["lists of another version, and silence", row, ["x"], /^The server does not say who you are\./, 1],
    ["that it ends each connection", row, [], /^No connection\. /, 15],
  ]) {
    test(`a server that answers ${name}: plain words, and no loop`, async () => {
      const s = await stranger(answer, says);
      const { said, troubles } = await visit({ url: s.ws, restUrl: s.url, token: token(3600) });
      s.close();
      console.log(`${s.handshakes} handshakes, ${s.requests} requests: ${said}`);
      assert.ok(said.length >= 1 && said.length <= 2, `${said}`);
      for (const one of said) assert.match(one, sentence);
      assert.ok(s.handshakes <= most && s.requests <= 2 * most + 3, `${s.handshakes} handshakes, ${s.requests} requests`);
      assert.deepEqual(troubles, []);
    });
  }
});
