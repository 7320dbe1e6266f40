// An agent that streams its answer, for Node 22 and later (20 with --experimental-websocket).
//
//   node stream.mjs ws://127.0.0.1:3003/ws TOKEN CONVERSATION
//
// It waits for a question, answers it word by word, and leaves.
const [url, token, conversationId] = process.argv.slice(2);
const words = "The sea is quiet today , and the waves 🌊 come slowly .".split(" ");

const socket = new WebSocket(url, ["bearer", token]);
const send = (action, fields) => socket.send(JSON.stringify({ action, conversationId, ...fields }));
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
let stopped = false, end;

async function answer(streamId, next) {
  let index = next, pending = "";
  for (const [n, word] of words.entries()) {
    if (stopped) return send("stream", { id: "end", streamId, state: "abort", cancelled: true });
    pending += (n ? " " : "") + word;
    // The first piece at once, then what came in 100 ms: each frame is billed.
    if (n % 3 && n + 1 < words.length) continue;
    send("stream", { streamId, state: "append", index: index++, text: pending });
    pending = "";
    await sleep(100);
  }
  end = { id: "end", streamId, state: "end", pieces: { content: index } };
  send("stream", end);
}

socket.onopen = () => send("join", { id: "join" });

socket.onmessage = (message) => {
  const { event, id, data, error } = JSON.parse(message.data);
  if (event === "message:new" && data.participantType === "user")
    send("stream", { id: "start", streamId: `answer-${data.id}`, state: "start", parentId: data.id });
  else if (event === "stream:started") answer(data.streamId, data.next.content);
  else if (event === "stream:stop") stopped = true;
  else if (event === "error" && error.details?.next) // pieces are still on their way
    sleep(100).then(() => send("stream", end));
  else if (event === "error") console.error(`${id}: ${error.code}: ${error.message}`), process.exit(1);
  else if (event === "message:sent") console.log(`${data.status} as seq ${data.seq}`), socket.close(1000);
};
