import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openExample, openPage, startBrowser } from "./browser.mjs";
import { startServer } from "./server.mjs";

let server, browser;
before(async () => {
  [server, browser] = await Promise.all([startServer(), startBrowser()]);
});
after(() => Promise.all([browser?.close(), server?.stop()]));

test("people talk with the agent, stop it, and allow what it asks for", async (t) => {
  const page = await openExample(t, browser, "react", server);
  await page.say("Hello #tokens 12");
  await page.sees("You said: “Hello”");
  await page.rests();
  assert.equal((await page.rows()).length, 2);

  // A second page is in step.
  const second = await openPage(browser, page.url());
  await second.sees("You said: “Hello”");

  await page.say("#tokens 400 #slow 50");
  await second.press("Stop");
  await page.waitForSelector("li.cancelled");

  await page.say('#tool shop__refund_order {"order":"3001"}');
  await second.press("Allow");
  await page.sees("Order 3001 is refunded (refund 1 of this order).");
  await page.rests();

  const rows = await page.rows();
  await page.reload();
  await page.sees("Order 3001 is refunded");
  assert.deepEqual(await page.rows(), rows, "a reload shows the same");
  assert.deepEqual([...page.wrong, ...second.wrong], []);
});

test("what is said while the network is away is sent when it is back", async (t) => {
  const page = await openExample(t, browser, "react", server);
  await page.say("first #tokens 3");
  await page.sees("You said");
  await page.setOfflineMode(true);
  await page.say("second #tokens 3");
  await page.sees("second");
  await page.setOfflineMode(false);
  await page.sees("You said: “second”");
  const rows = await page.rows();
  assert.equal(rows.filter((row) => row.startsWith("second")).length, 1, rows.join("\n"));
});
