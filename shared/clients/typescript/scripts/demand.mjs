// What is no part of the core, and who loads it.
const modules = {
  writer: "who writes an answer",
  questions: "agents",
  answers: "where an answer is written piece by piece",
  typing: "where somebody types",
  uploads: "who uploads files, and shows them",
  actions: "who changes messages",
  reads: "where somebody says what they have read",
  unread: "who counts what is unread",
  missing: "where something did not come, or did not fit its frame",
  older: "who reads what is before",
  calls: "what goes over REST",
  refused: "where a handshake was refused",
  rollover: "who stays for longer than a token, or two hours",
  restore: "who has a storage",
};

/** What an import of one of them looks like. */
export const onDemand = new RegExp(`/(${Object.keys(modules).join("|")})\\.js$`);
