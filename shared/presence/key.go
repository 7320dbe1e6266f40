package presence

import (
	"hash/fnv"
	"strconv"

	"aiwm-chat/shared/chat"
)

// The keys. A principal in a key includes the organisation, so that
// equal ids of two organisations never meet; '/' is outside the id alphabet.

func connectionsKey(id chat.ConversationID) string {
	return "conversation:{" + string(id) + "}:connections"
}

func membersKey(id chat.ConversationID) string { return "conversation:{" + string(id) + "}:members" }

func typingKey(id chat.ConversationID, p chat.Principal) string {
	return "conversation:{" + string(id) + "}:typing:" + owner(p)
}

// joinedKey is the set of the conversations that a connection joined.
func joinedKey(id chat.ConnectionID) string { return "connection:{" + string(id) + "}" }

// principalKey is the hash of the connections of a principal.
func principalKey(p chat.Principal) string { return string(p.Type) + ":{" + qualifiedID(p) + "}" }

// onlineKey is the sorted set of the principals of a type by lease expiry in
// seconds. It is for operators, who can count and list without a scan; the
// hash of a principal is what decides.
func onlineKey(t chat.PrincipalType) string { return string(t) + "s:online" }

// rateKey leaves out the "rate:" that redis_rate puts before it.
func rateKey(p chat.Principal, action string) string { return "{" + owner(p) + "}:" + action }

const pendingShards = 4

func pendingKey(shard int) string { return "pending:{" + strconv.Itoa(shard) + "}" }

func pendingShard(note string) string {
	h := fnv.New32a()
	h.Write([]byte(note)) //nolint:errcheck // a hash never fails
	return pendingKey(int(h.Sum32() % pendingShards))
}

// owner is "org/user:u1".
func owner(p chat.Principal) string {
	return string(p.OrgID) + "/" + string(p.Type) + ":" + string(p.ID)
}

// qualifiedID is "org/u1".
func qualifiedID(p chat.Principal) string { return string(p.OrgID) + "/" + string(p.ID) }
