// A chat client for Node 22 and later, where WebSocket is built in. Node 20
// has it with --experimental-websocket.
//
//   node chat.mjs ws://127.0.0.1:3003/ws TOKEN CONVERSATION "the message"
//
// It joins the conversation, says the message, prints what others say until
// the first answer, and leaves.
const [url, token, conversationId, content] = process.argv.slice(2);

const socket = new WebSocket(url, ["bearer", token]);
const send = (action, fields) => socket.send(JSON.stringify({ action, ...fields }));
const seen = new Set();

socket.onopen = () => send("join", { id: "1", conversationId });

socket.onmessage = (message) => {
  const { event, data, error } = JSON.parse(message.data);
  switch (event) {
    case "conversation:joined":
      // With a clientMessageId of its own a client may send again what was not answered.
      send("send", { id: "2", conversationId, content, clientMessageId: crypto.randomUUID() });
      break;
    case "message:sent":
      console.log(`sent as seq ${data.seq}`);
      break;
    case "message:new":
      if (seen.has(data.seq)) break; // every message comes at least once
      seen.add(data.seq);
      console.log(`${data.participantType}: ${data.content}`);
      if (data.participantType === "agent") socket.close(1000);
      break;
    case "error":
      console.error(`${error.code}: ${error.message}`);
      process.exitCode = 1;
      socket.close(1000);
  }
};

socket.onclose = ({ code }) => {
  console.log(`closed with ${code}, subprotocol ${socket.protocol}`);
  if (code !== 1000) process.exitCode = 1;
};
