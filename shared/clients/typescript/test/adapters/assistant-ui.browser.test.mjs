import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openExample, openPage, startBrowser } from "./browser.mjs";
import { startServer } from "./server.mjs";

let server, browser;
before(async () => {
  [server, browser] = await Promise.all([startServer(), startBrowser()]);
});
after(() => Promise.all([browser?.close(), server?.stop()]));

test("assistant-ui talks, stops, asks again, allows, and shows the same after a reload", async (t) => {
  const page = await openExample(t, browser, "assistant-ui", server);
  await page.say("Hello #tokens 12 #think 5");
  await page.sees("You said: “Hello”");
  await page.rests();
  assert.equal((await page.rows()).length, 2);

  // A second page is in step.
  const second = await openPage(browser, page.url());
  await second.sees("You said: “Hello”");

  await page.press("Again");
  await page.waitForFunction(() => document.querySelectorAll("li").length === 3, { polling: 50 });
  await page.rests();

  await page.say("#tokens 400 #slow 50");
  await page.waitForFunction(() => document.querySelectorAll("li").length === 5 && document.querySelector("li:last-child").textContent, { polling: 50 });
  await second.press("Stop");
  await page.rests();

  await page.say('#tool shop__refund_order {"order":"5201"}');
  await second.press("Allow");
  await page.sees("said: Order 5201 is refunded (refund 1 of this order).");
  await page.rests();
  const rows = await page.rows();
  await page.reload();
  await page.sees("said: Order 5201 is refunded");
  assert.deepEqual(await page.rows(), rows, "a reload shows the same");
  assert.deepEqual([...page.wrong, ...second.wrong], []);
});
