package observe

import (
	"unicode"
	"unicode/utf8"
)

// Correlate names what the client asked for by the client's own id of it. The
// first who does is right; "" is nobody.
func (i *Invocation) Correlate(id string) {
	if i == nil || id == "" {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.correlation == "" {
		i.correlation = id
	}
}

// Correlation is what whatever follows from this invocation is to be told: the
// client's id, or Lambda's where there is none.
func (i *Invocation) Correlation() string {
	if i == nil {
		return ""
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.correlation == "" {
		return i.RequestID
	}
	return i.correlation
}

// maxCorrelation is the longest id that correlates, in characters: that of a frame.
const maxCorrelation = 64

// CorrelationOf returns the id if it may be repeated in logs and jobs, and else "":
// what is long or not to be seen is no id.
func CorrelationOf(id string) string {
	if len(id) > utf8.UTFMax*maxCorrelation || !utf8.ValidString(id) || utf8.RuneCountInString(id) > maxCorrelation {
		return ""
	}
	for _, r := range id {
		if !unicode.IsPrint(r) {
			return ""
		}
	}
	return id
}
