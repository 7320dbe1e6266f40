package presence

import "aiwm-chat/shared/chat"

// The keys. What stands in braces is the hash tag, which decides the slot on a
// cluster. A principal in a key includes the organisation, so that equal ids of
// two organisations never meet: '/' is outside the id alphabet.

// principalKey is the hash of the connections of a principal: connection →
// registration, or the tombstone of one that was closed.
func principalKey(p chat.Principal) string { return "{" + tag(p) + "}" }

// decidedKey holds the time of the last decision whether a principal is there.
func decidedKey(p chat.Principal) string { return principalKey(p) + ":decided" }

// roomKey is the hash of the connections in a room: connection → entry.
func roomKey(id chat.ConversationID) string { return "conversation:{" + string(id) + "}:connections" }

// roomDoneKey and principalDoneKey hold for a while what a call did, for itself.
func roomDoneKey(id chat.ConversationID, call string) string {
	return "conversation:{" + string(id) + "}:done:" + call
}

func principalDoneKey(p chat.Principal, call string) string { return principalKey(p) + ":done:" + call }

// typingKey is the sorted set of who types in a room, by when that is over.
func typingKey(id chat.ConversationID) string { return "conversation:{" + string(id) + "}:typing" }

// roomsKey is the set of the rooms that a connection entered.
func roomsKey(id chat.ConnectionID) string { return "connection:{" + string(id) + "}" }

// onlineKey is the sorted set of the principals of a type by when their
// registration ends. It is for operators, who can count and list without a
// scan: nothing here reads it.
func onlineKey(t chat.PrincipalType) string { return string(t) + "s:online" }

// rateKey and the two after it hold the theoretical arrival time of a rate.
func rateKey(p chat.Principal, action string) string { return principalKey(p) + ":rate:" + action }

func connectionRateKey(c chat.Connection, action string) string {
	return rateKey(c.Principal, string(c.ID)+":"+action)
}

func budgetKey(id chat.ConversationID) string { return "conversation:{" + string(id) + "}:budget" }

// activityKey is there for a while after those outside a room were told of it.
func activityKey(id chat.ConversationID) string { return "conversation:{" + string(id) + "}:activity" }

// streamKey is the hash of a stream; the texts of its parts lie beside it.
func streamKey(id chat.ConversationID, stream string) string {
	return "conversation:{" + string(id) + "}:stream:" + stream
}

// streamTextKey holds what is contiguous of a part. '/' is in no id: the text of one
// stream is never the hash of another.
func streamTextKey(id chat.ConversationID, stream, part string) string {
	return streamKey(id, stream) + "/" + part
}

// streamsKey is the sorted set of the streams that are open in a conversation, by
// when their lease ends.
func streamsKey(id chat.ConversationID) string { return "conversation:{" + string(id) + "}:streams" }

// watchedKey is the sorted set of the streams of all conversations, by when they began.
const watchedKey = "streams"

// stopsKey is the hash of the questions whose answers nobody wants: question → who
// said so.
func stopsKey(id chat.ConversationID) string { return "conversation:{" + string(id) + "}:stops" }

// summaryKey holds who writes the summary, for as long as that may take.
func summaryKey(id chat.ConversationID) string { return "conversation:{" + string(id) + "}:summary" }

// tag is "user:org/u1".
func tag(p chat.Principal) string { return string(p.Type) + ":" + qualifiedID(p) }

// qualifiedID is "org/u1".
func qualifiedID(p chat.Principal) string { return string(p.OrgID) + "/" + string(p.ID) }

// owner is "org/user:u1".
func owner(p chat.Principal) string { return string(p.OrgID) + "/" + p.String() }
