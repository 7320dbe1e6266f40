// A headless Chromium for the examples: Debian's, or what CHROMIUM names.
import puppeteer from "puppeteer-core";
import { serve } from "../../examples/serve.mjs";

const soon = { polling: 50 };

export async function startBrowser() {
  return puppeteer.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}

/** Opens an example, with what people do on its page; what goes wrong there is in `wrong`. */
export async function openExample(t, browser, name, server, hash = "") {
  const site = await serve(name, 0, { url: server.url, restUrl: server.restUrl, token: server.userToken });
  t.after(() => site.stop());
  return openPage(browser, site.url + hash);
}

export async function openPage(browser, url) {
  const page = await browser.newPage();
  page.setDefaultTimeout(30_000);
  page.wrong = [];
  page.on("pageerror", (e) => page.wrong.push(e.message));
  page.on("console", (m) => m.type() === "error" && page.wrong.push(m.text()));
  await page.goto(url);
  await page.waitForSelector("input");
  return Object.assign(page, {
    say: async (text) => {
      await page.type("input", text);
      await page.keyboard.press("Enter");
    },
    // A page in the background draws no frames: what waits for one waits for ever.
    press: async (text) => (await page.waitForFunction((wanted) => [...document.querySelectorAll("button")].find((b) => b.textContent === wanted), soon, text)).evaluate((b) => b.click()),
    sees: (text) => page.waitForFunction((wanted) => document.querySelector("ol")?.textContent.includes(wanted), soon, text),
    rests: () => page.waitForFunction(() => !document.querySelector("[aria-busy]"), soon),
    rows: () => page.$$eval("li", (rows) => rows.map((row) => row.textContent)),
  });
}
