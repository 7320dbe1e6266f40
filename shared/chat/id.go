package chat

// Every id has its own type, so that the compiler tells them apart.
type (
	// OrgID names an organisation: the outermost wall between data.
	OrgID string
	// PrincipalID names a user or an agent within an organisation.
	PrincipalID string
	// ConversationID names a conversation.
	ConversationID string
	// MessageID names a message.
	MessageID string
	// ClientMessageID is the sender's own name for a message; repeating it repeats nothing.
	ClientMessageID string
	// IdempotencyKey is the creator's own name for a conversation that is about to be created.
	IdempotencyKey string
	// ConnectionID is API Gateway's name for one WebSocket link.
	ConnectionID string
)

// DefaultOrg is the organisation of a token that names none.
const DefaultOrg OrgID = "default"

// MaxID is the longest id accepted, in bytes.
const MaxID = 128

// IDAlphabet says what an id is made of, for people.
const IDAlphabet = "A-Z a-z 0-9 . _ @ : | + = ~ -"

// ValidID reports whether s may be an id: [A-Za-z0-9._@:|+=~-]{1,128}. That is
// what the subjects of common issuers are made of: "auth0|5f7c", "a+b@example.org".
// Ids go into Redis keys and database queries, so nothing else passes the door:
// no braces (they would move a key to another cluster slot), no slash (it
// separates the organisation from the id), no white space or control characters.
// In a query and in a path + = and | are percent-encoded.
func ValidID[T ~string](s T) bool {
	if len(s) == 0 || len(s) > MaxID {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '.', c == '_', c == '@', c == ':', c == '|', c == '+', c == '=', c == '~', c == '-':
		default:
			return false
		}
	}
	return true
}

// CheckID adds a fault to f when s is not an id.
func CheckID[T ~string](f *Faults, field string, s T) {
	switch {
	case s == "":
		f.Add(field, "is required")
	case !ValidID(s):
		f.Add(field, "must be 1 to %d characters of %s", MaxID, IDAlphabet)
	}
}
