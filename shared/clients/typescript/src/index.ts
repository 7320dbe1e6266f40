export { ChatClient } from "./client.js";
export { Conversation } from "./conversation.js";
export { ChatError } from "./error.js";
export { Rest } from "./rest.js";
export type { Unread } from "./unread.js";
export type { StreamWriter } from "./writer.js";
export type * from "./types.js";
export type * from "./protocol.gen.js";
