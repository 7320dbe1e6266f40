package contract

import (
	"fmt"
	"slices"
	"strings"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// What every route with a token, and every action, may be refused with.
var (
	alwaysREST  = []chat.Code{chat.ValidationFailed, chat.Unauthorized, chat.TokenExpired, chat.RateLimited, chat.Internal, chat.Unavailable}
	alwaysFrame = []chat.Code{chat.BadRequest, chat.ValidationFailed, chat.TokenExpired, chat.RateLimited, chat.Internal, chat.Unavailable, chat.SwitchedOff}
	ofBodies    = []chat.Code{chat.BadRequest, chat.PayloadTooLarge, chat.UnsupportedMedia}
)

func statusOf(c chat.Code) int { return protocol.ProblemOf(chat.Errorf(c, "")).Status }

// byStatus groups codes by their status, in the order of the codes.
func byStatus(codes []chat.Code) map[int][]chat.Code {
	m := map[int][]chat.Code{}
	for _, c := range codes {
		if !slices.Contains(m[statusOf(c)], c) {
			m[statusOf(c)] = append(m[statusOf(c)], c)
		}
	}
	return m
}

// codeName turns "bad_request" into "BadRequest".
func codeName(c chat.Code) string {
	var b strings.Builder
	for word := range strings.SplitSeq(string(c), "_") {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

// An errorCode is what x-error-codes tells of a code.
type errorCode struct {
	Code        chat.Code `json:"code"`
	Status      int       `json:"status"`
	Retryable   bool      `json:"retryable"`
	Description string    `json:"description"`
}

// errorCodes describes codes, in the order in which the code has them all.
func (b *builder) errorCodes(codes []chat.Code) (all []errorCode) {
	for _, v := range b.facts.Values["chat.Code"] {
		if c := chat.Code(v.Value); slices.Contains(codes, c) {
			all = append(all, errorCode{c, statusOf(c), c.Retryable(), sentence(v.Doc)})
		}
	}
	return all
}

// codeList is codes for people.
func codeList(codes []errorCode) string {
	var lines []string
	for _, c := range codes {
		lines = append(lines, fmt.Sprintf("`%s`: %s", c.Code, c.Description))
	}
	return strings.Join(lines, " ")
}
