import assert from "node:assert/strict";
import { test } from "node:test";
import { AbstractAgent } from "@ag-ui/client";
import { readUIMessageStream } from "ai";
import { from } from "rxjs";
import { AnswerEvents } from "../../dist/adapters/ag-ui-events.js";
import { AnswerReader } from "../../dist/adapters/answer.js";
import { AnswerChunks } from "../../dist/adapters/ui-chunks.js";
import { answerMetadata, toUIMessages } from "../../dist/adapters/ui-messages.js";

const message = (seq, more) => ({
  id: `m${seq}`,
  seq,
  participantId: "bot",
  participantType: "agent",
  role: "agent",
  type: "text",
  content: "",
  parentId: "q",
  status: "sent",
  clientMessageId: `c${seq}`,
  createdAt: "2026-01-01T00:00:00Z",
  ...more,
});
const stream = (streamId, content, more) => ({ streamId, participantId: "bot", parentId: "q", content, thinking: "", parts: [], ...more });

/** What comes of a sequence of views, as pieces. */
function read(views, question = { id: "q", after: 1 }) {
  const reader = new AnswerReader(question);
  const pieces = views.flatMap(({ messages = [], streams = [] }) => reader.read({ messages, streams }));
  return { reader, pieces, types: pieces.map((p) => p.type) };
}

async function asUIMessage({ pieces, reader }) {
  const chunks = new AnswerChunks();
  const all = [...pieces.flatMap((p) => chunks.of(p)), ...chunks.finish(reader.end, answerMetadata(reader.end.message))];
  let last;
  for await (const m of readUIMessageStream({ stream: ReadableStream.from(all) })) last = m;
  return last;
}

test("an answer that is begun anew is read anew", async () => {
  const final = message(2, { content: "Other words", thinking: { content: "Hm", visible: true }, streamId: "s" });
  const seen = read([{ streams: [stream("s", "Some wo")] }, { streams: [stream("s", "Other", { thinking: "Hm" })] }, { messages: [final] }]);
  assert.deepEqual(seen.types, ["step", "text", "reset", "thinking", "text", "text", "message", "end"]);
  assert.deepEqual(
    (await asUIMessage(seen)).parts.map(({ type, text }) => ({ type, text })),
    toUIMessages([final])[0].parts.map(({ type, text }) => ({ type, text })),
  );

  const write = new AnswerEvents([{ id: "u", role: "user", content: "?" }]);
  const events = [...seen.pieces.flatMap((p) => write.of(p)), ...write.finish(seen.reader.end, { threadId: "t", runId: "r" })];
  assert.deepEqual(events.filter((e) => e.delta).map((e) => e.delta), ["Some wo"], "nothing can be taken back");
  assert.deepEqual(events.findLast((e) => e.type === "MESSAGES_SNAPSHOT").messages.map((m) => m.content), ["?", "Hm", "Other words"]);
});

test("what was thought is before what was said, also where its pieces are late", async () => {
  const final = message(2, { content: "Yes.", thinking: { content: "Hm, well", visible: true }, streamId: "s" });
  const seen = read([{ streams: [stream("s", "Ye", { thinking: "Hm" })] }, { streams: [stream("s", "Yes", { thinking: "Hm, w" })] }, { messages: [final] }]);
  assert.deepEqual(seen.types, ["step", "thinking", "text", "text", "reset", "thinking", "text", "message", "end"]);
  assert.deepEqual((await asUIMessage(seen)).parts.map((p) => p.text), [undefined, "Hm, well", "Yes."]);
});

test("where a thought comes after all that was said, AG-UI has it in its place too", async () => {
  const final = message(2, { content: "Yes.", thinking: { content: "Hm", visible: true }, streamId: "s" });
  const seen = read([{ streams: [stream("s", "Yes")] }, { messages: [final] }]);
  const asked = [{ id: "u", role: "user", content: "?" }];
  const write = new AnswerEvents(asked);
  class Agent extends AbstractAgent {
    run({ threadId, runId }) {
      return from([{ type: "RUN_STARTED", threadId, runId }, ...seen.pieces.flatMap((p) => write.of(p)), ...write.finish(seen.reader.end, { threadId, runId })]);
    }
  }
  const agent = new Agent({ initialMessages: asked });
  await agent.runAgent();
  assert.deepEqual(agent.messages.map((m) => m.content), ["?", "Hm", "Yes."]);
});

test("a piece that overtakes the beginning of its stream waits for it", () => {
  const ended = message(2, { content: "Hi", streamId: "s" });
  const unknown = stream("s", "H", { participantId: "", parentId: undefined });
  const seen = read([{ streams: [unknown] }, { streams: [stream("s", "H")] }, { streams: [stream("s", "Hi")] }, { messages: [ended] }]);
  assert.deepEqual(seen.types, ["step", "text", "text", "message", "end"]);
  assert.equal(seen.reader.agent, "bot");
});

test("a stream that is neither there nor in the log is lost, until its message comes", () => {
  const reader = new AnswerReader({ id: "q", after: 1 });
  reader.read({ messages: [], streams: [stream("s", "a")] });
  assert.deepEqual(reader.lost, []);
  reader.read({ messages: [], streams: [] });
  assert.deepEqual([reader.lost, reader.end], [["s"], undefined]);
  reader.read({ messages: [message(2, { content: "ab", streamId: "s" })], streams: [] });
  assert.deepEqual([reader.lost, reader.end.how], [[], "answered"]);
});

test("what others say, and what was said before, is not of the answer", () => {
  const views = [
    {
      messages: [
        message(1, { content: "before" }),
        message(2, { participantType: "user", role: "user", content: "me too", parentId: undefined }),
        message(3, { content: "to another question", parentId: "q2" }),
        message(4, { content: "not asked for", parentId: undefined }),
      ],
      streams: [stream("s", "late")],
    },
  ];
  const { pieces, reader } = read(views);
  assert.deepEqual(pieces.filter((p) => p.type === "text").map((p) => p.delta), ["not asked for"]);
  assert.equal(reader.end.message.id, "m4");
  const other = read([{ streams: [stream("a", "x"), stream("b", "y", { participantId: "bot2" })] }]);
  assert.deepEqual(other.pieces.filter((p) => p.type === "step").map((p) => p.agent), ["bot"], "who begins answers");
  const again = read([{ messages: [message(2, { content: "first", clientMessageId: "r1:0:0" }), message(3, { content: "second", clientMessageId: "r2:0:0" })] }], { id: "q", after: 1, run: "r2" });
  assert.equal(again.reader.end.message.content, "second");
});

test("calls in the form of OpenAI's are read too", () => {
  const views = [
    {
      messages: [
        message(2, { type: "tool_call", toolCalls: [{ id: "a", type: "function", function: { name: "clock", arguments: '{"zone":"UTC"}' } }, { id: "b", function: { name: "cut", arguments: '{"x":' } }] }),
        message(3, { type: "tool_result", role: "tool", content: "noon", toolResults: [{ tool_call_id: "a" }, { tool_call_id: "b", output: { x: 1 }, isError: true }] }),
        message(4, { content: "It is noon" }),
      ],
    },
  ];
  const { pieces, reader } = read(views);
  assert.deepEqual(
    pieces.filter((p) => p.type === "call").map((p) => p.call),
    [
      { id: "a", name: "clock", input: { zone: "UTC" }, ask: false },
      { id: "b", name: "cut", input: '{"x":', ask: false },
    ],
  );
  assert.deepEqual(pieces.filter((p) => p.type === "result").map((p) => [p.result.callId, p.result.output, p.result.isError]), [["a", "noon", false], ["b", { x: 1 }, true]]);
  assert.equal(reader.end.how, "answered");
});

test("an answer waits only while nothing else is to come, and for each call that asks", () => {
  const call = (id, approval) => ({ id, name: "t", arguments: {}, approval });
  const asks = message(2, { type: "tool_call", approval: { status: "pending" }, toolCalls: [call("a", false), call("b", true), call("c", true)] });
  const result = (seq, id) => message(seq, { type: "tool_result", role: "tool", toolResults: [{ toolCallId: id }] });
  const decides = (seq, id, status, more) => message(seq, { participantType: "system", role: "system", type: "system", parentId: undefined, approval: { status, toolCallId: id, ...more } });
  const log = [asks, result(3, "a"), decides(4, "b", "approved"), result(5, "b"), decides(6, "c", "expired"), result(7, "c"), message(8, { content: "done" })];
  const reader = new AnswerReader({ id: "q", after: 1 });
  const ends = log.map((_, i) => {
    reader.read({ messages: log.slice(0, i + 1), streams: [] });
    return reader.end?.how ?? "";
  });
  assert.deepEqual(ends, ["", "waiting", "waiting", "waiting", "", "", "answered"]);
  const parts = toUIMessages(log.slice(0, 5))[0].parts.filter((p) => p.type === "dynamic-tool");
  assert.deepEqual(parts.map((p) => p.state), ["output-available", "output-available", "approval-responded"]);
  assert.deepEqual(parts[2].approval, { id: "c", approved: false, reason: "expired" });
});
