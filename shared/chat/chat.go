// Package chat is the domain of aiwm-chat: principals, conversations, messages,
// attachments, their limits and the errors that people see. It imports only the
// standard library; every other package depends on it, and it on none.
package chat
