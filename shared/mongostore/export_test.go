package mongostore

import "aiwm-chat/shared/chat"

// ReadListCursor reads a cursor and writes it again.
func ReadListCursor(sort chat.ConversationSort, cursor string) (string, bool) {
	p, ok := parseListPlace(sort, cursor)
	if !ok {
		return "", false
	}
	return p.cursor(sort), true
}
