// watch looks at each snapshot of a conversation for what must never be seen, and returns
// what was.
export function watch(conversation) {
  const faults = [];
  const look = () => {
    const { messages, outgoing, streams } = conversation.getSnapshot();
    const ids = new Set();
    for (const [i, m] of messages.entries()) {
      if (i > 0 && m.seq !== messages[i - 1].seq + 1) faults.push(`${m.seq} after ${messages[i - 1].seq}`);
      if (ids.has(m.id)) faults.push(`${m.id} twice`);
      ids.add(m.id).add(m.clientMessageId);
    }
    for (const o of outgoing) if (ids.has(o.clientMessageId)) faults.push(`${o.clientMessageId} is outgoing and in the log`);
    for (const s of streams) if (ids.has(s.streamId)) faults.push(`the stream ${s.streamId} and its message`);
  };
  conversation.subscribe(look);
  return faults;
}
