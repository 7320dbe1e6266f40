import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { toThreadMessages } from "../../dist/adapters/thread-messages.js";
import { openThread, window } from "./assistant-ui.page.mjs";
import { faults, noticing, startServer, until } from "./server.mjs";

let server;
before(async () => {
  server = await startServer(faults);
});
after(async () => {
  await server?.stop();
  window.close();
});

const client = () => server.client(undefined, noticing);

test("with all that goes wrong each answer ends, and both pages show the log", { timeout: 240_000 }, async (t) => {
  const talk = async (n) => {
    const page = await openThread(t, client());
    const other = await openThread(t, client(), page.id);
    const shown = (messages) => JSON.parse(JSON.stringify(messages.map(({ id, role, content }) => ({ id, role, content }))));
    const same = async (count) => {
      const log = await until("the end", async () => {
        const log = await page.log();
        const all = toThreadMessages({ messages: log, streams: [], outgoing: [] }, page.id);
        return all.length === count && !["running", "requires-action"].includes(all.at(-1).status?.type) && all.at(-1).role === "assistant" && log;
      });
      for (const one of [page, other]) {
        await until("all of the log", () => one.client.conversation(page.id).getSnapshot().messages.length === log.length);
        await one.rests();
        assert.deepEqual(shown(one.messages()), shown(toThreadMessages({ messages: log, streams: [], outgoing: [] }, page.id)));
      }
    };
    for (let i = 0, answers = 1; i < 4; i++, answers += 2) {
      page.thread.append(`${n}.${i} #tokens 40 #think 5`);
      await same(2 * answers);
      page.thread.append(`#tool shop__get_order {"order":"1042"} #tool shop__refund_order {"order":"50${n}${i}"}`);
      await until("the request", () => other.last()?.status?.type === "requires-action" && other.last().content[0].result);
      const call = other.last().content.find((part) => part.approval);
      other.thread.getMessageById(other.last().id).getMessagePartByToolCallId(call.toolCallId).respondToToolApproval({ approved: i % 2 === 0 });
      await same(2 * answers + 2);
    }
    page.thread.append("#tokens 400 #slow 50");
    await until("some text", () => page.text() && page.thread.getState().isRunning);
    page.thread.cancelRun();
    await page.rests();
    assert.deepEqual(page.last().status, { type: "incomplete", reason: "cancelled" });
    await same(18);
  };
  await Promise.all([1, 2, 3].map(talk));
});
