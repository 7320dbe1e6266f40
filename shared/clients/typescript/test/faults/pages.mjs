// Persons in Chromium: each has a page of their own, with the browser's WebSocket, fetch and
// localStorage, and the page may be reloaded at any time.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import puppeteer from "puppeteer-core";

const root = fileURLToPath(new URL("../../", import.meta.url));
const types = { ".js": "text/javascript", ".mjs": "text/javascript" };
const html = `<!doctype html><title>A person</title><script type="module">
  import { ChatClient } from "/dist/index.js";
  import { Person } from "/test/faults/person.mjs";
  window.begin = (options, ids) => (window.person = new Person(ChatClient, { ...options, storage: localStorage })).open(ids);
</script>`;

// site serves the library as it is built, and the person.
async function site() {
  const server = createServer(async (request, response) => {
    const path = normalize(new URL(request.url, "http://x").pathname);
    if (path === "/") return response.writeHead(200, { "Content-Type": "text/html" }).end(html);
    try {
      const text = await readFile(root + path);
      response.writeHead(200, { "Content-Type": types[extname(path)] ?? "text/plain" }).end(text);
    } catch {
      response.writeHead(404).end();
    }
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  return server;
}

class PagePerson {
  reloads = 0;
  #page;
  #options;
  #ids;
  #open = Promise.resolve();
  #saying = 0;
  #before = { faults: [], snapshots: 0 };

  constructor(page, options) {
    this.#page = page;
    this.#options = options;
    page.on("pageerror", (e) => this.#before.faults.push(`the page: ${e.message}`));
  }

  async open(ids) {
    this.#ids = ids;
    await this.#page.waitForFunction(() => window.begin, { polling: 20 });
    await this.#page.evaluate((options, ids) => window.begin(options, ids), this.#options, ids);
  }

  // reload waits for no message: what is on its way, or waits, goes on in the page that follows.
  async reload() {
    let open;
    this.#open = new Promise((resolve) => (open = resolve));
    while (this.#saying > 0) await new Promise((resolve) => setTimeout(resolve, 2));
    this.#before = await this.found();
    this.reloads++;
    await this.#page.reload();
    await this.open(this.#ids);
    open();
  }

  async say(...args) {
    await this.#open;
    this.#saying++;
    return this.#call("say", args).finally(() => this.#saying--);
  }
  // A change that a reload breaks off is one that is lost.
  async change(...args) {
    await this.#open;
    return this.#call("change", args).catch(() => false);
  }
  isIn = (...args) => this.#again("isIn", args);
  done = (...args) => this.#again("done", args);
  view = (...args) => this.#again("view", args);
  close = () => this.#call("close", []);

  async found() {
    const { faults, snapshots } = await this.#call("found", []);
    return { faults: this.#before.faults.concat(faults), snapshots: this.#before.snapshots + snapshots };
  }

  // What is asked of a page that is reloaded meanwhile is asked again.
  async #again(method, args) {
    for (;;) {
      await this.#open;
      const { reloads } = this;
      try {
        return await this.#call(method, args);
      } catch (e) {
        if (reloads === this.reloads) throw e;
      }
    }
  }

  #call(method, args) {
    return this.#page.evaluate((method, args) => window.person[method](...args), method, args);
  }
}

// startPages opens a page for each of the persons, all of one origin: they share the storage.
export async function startPages(all) {
  const server = await site();
  const browser = await puppeteer.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: ["--no-sandbox", "--disable-dev-shm-usage"], protocolTimeout: 600_000 });
  const persons = [];
  for (const options of all) {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    persons.push(new PagePerson(page, options));
  }
  return {
    persons,
    version: await browser.version(),
    // Nothing may be left to be sent.
    kept: () => browser.pages().then((pages) => pages.at(-1).evaluate(() => Object.keys(localStorage))),
    close: async () => {
      await browser.close();
      server.close();
    },
  };
}
