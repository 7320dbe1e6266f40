package protocol

import (
	"net/http"

	"aiwm-chat/shared/chat"
)

// Problem is the body of a REST error: RFC 9457 with this protocol's codes.
type Problem struct {
	Type      string         `json:"type"`   // always about:blank: the code tells the kind
	Title     string         `json:"title"`  // the name of the status
	Status    int            `json:"status"` // the status of HTTP
	Detail    string         `json:"detail"` // a sentence for people; programs go by the code
	Code      chat.Code      `json:"code"`
	Retryable bool           `json:"retryable"`        // the same may be sent again, as it was
	Details   map[string]any `json:"details,omitzero"` // of validation_failed a text for each field, of rate_limited retryAfterMs; of a message its clientMessageId
}

// statusOf maps codes to HTTP. A code that is not here is a 500.
var statusOf = map[chat.Code]int{
	chat.BadRequest:         http.StatusBadRequest,
	chat.ValidationFailed:   http.StatusBadRequest,
	chat.Unauthorized:       http.StatusUnauthorized,
	chat.TokenExpired:       http.StatusUnauthorized,
	chat.Forbidden:          http.StatusForbidden,
	chat.NotFound:           http.StatusNotFound,
	chat.Conflict:           http.StatusConflict,
	chat.PayloadTooLarge:    http.StatusRequestEntityTooLarge,
	chat.UnsupportedMedia:   http.StatusUnsupportedMediaType,
	chat.RateLimited:        http.StatusTooManyRequests,
	chat.TooManyConnections: http.StatusTooManyRequests,
	chat.TooManyRooms:       http.StatusTooManyRequests,
	chat.ConversationClosed: http.StatusConflict,
	chat.SwitchedOff:        http.StatusServiceUnavailable,
	chat.Unavailable:        http.StatusServiceUnavailable,
}

// ProblemOf describes what a client may see of err.
func ProblemOf(err error) Problem {
	e := chat.Public(err)
	status, ok := statusOf[e.Code]
	if !ok {
		status = http.StatusInternalServerError
	}
	return Problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: e.Message,
		Code: e.Code, Retryable: e.Code.Retryable(), Details: e.Details,
	}
}
