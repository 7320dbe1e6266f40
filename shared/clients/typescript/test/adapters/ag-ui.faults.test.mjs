import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openAgent, plain } from "./ag-ui.page.mjs";
import { faults, noticing, startServer, until } from "./server.mjs";

let server;
before(async () => {
  server = await startServer(faults);
});
after(() => server?.stop());

const client = () => server.client(undefined, noticing);

test("with all that goes wrong each run ends, and what is shown is the log", { timeout: 240_000 }, async () => {
  const talk = async (n) => {
    const p = await openAgent(client());
    const same = async (one) => assert.deepEqual(plain(one.agent.messages), plain(await p.history()));
    for (let i = 0; i < 4; i++) {
      await p.ask(`${n}.${i} #tokens 40 #think 5`);
      await same(p);
      await p.ask(`#tool shop__get_order {"order":"1042"} #tool shop__refund_order {"order":"60${n}${i}"}`);
      await same(p);
      const [{ id: interruptId }] = p.agent.pendingInterrupts;
      await p.agent.runAgent({ resume: [{ interruptId, status: "resolved", payload: { approved: i % 2 === 0 } }] });
      assert.deepEqual(p.last().outcome, { type: "success" }, JSON.stringify(p.last()));
      await same(p);
    }
    const asked = p.ask("#tokens 60 #slow 20");
    const from = p.events.length;
    await until("some text", () => p.events.slice(from).some((e) => e.type === "TEXT_MESSAGE_CONTENT"));
    const second = await openAgent(client(), p.threadId);
    await second.agent.connectAgent();
    await asked;
    assert.deepEqual(second.last().outcome, { type: "success" });
    await same(p);
    await same(second);
    const stopped = p.ask("#tokens 400 #slow 50");
    const then = p.events.length;
    await until("some text", () => p.events.slice(then).some((e) => e.type === "TEXT_MESSAGE_CONTENT"));
    p.agent.abortRun();
    await stopped;
    assert.deepEqual(p.last().outcome, { type: "cancelled" });
    await same(p);
  };
  await Promise.all([1, 2, 3].map(talk));
});
