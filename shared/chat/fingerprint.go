package chat

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// fingerprintVersion begins every fingerprint, which tells whether the same was asked for before:
// a hash over a canonical form, whatever the order of members, the spelling of
// numbers and the release of the program. A change of the form is another version.
const fingerprintVersion = "3:"

func fingerprintOf(given map[string]any) string {
	sum := sha256.Sum256(appendCanonical(nil, given))
	return fingerprintVersion + hex.EncodeToString(sum[:16])
}

// comparableFingerprint reports whether a stored fingerprint is of today's version.
func comparableFingerprint(f string) bool { return strings.HasPrefix(f, fingerprintVersion) }

// fingerprint is that of everything in the draft: two drafts are the same message
// exactly if theirs are equal. What is not given is not in it, so that a member
// which a later release adds changes none.
func (d *Draft) fingerprint() string {
	given := map[string]any{"content": d.Content, "role": string(d.Role), "type": string(d.Type)}
	add := func(name string, value any, has bool) {
		if has {
			given[name] = value
		}
	}
	add("name", d.Name, d.Name != "")
	add("parentId", string(d.ParentID), d.ParentID != "")
	add("attachments", texts(d.Attachments), len(d.Attachments) > 0)
	add("mentions", canonical(Distinct(d.Mentions)), len(d.Mentions) > 0)
	add("toolCalls", parsed(d.ToolCalls), len(d.ToolCalls) > 0)
	add("toolResults", parsed(d.ToolResults), len(d.ToolResults) > 0)
	add("latency", d.Latency.Milliseconds(), d.Latency != 0)
	add("error", d.Error, d.Error != "")
	if v := d.Voice; v != nil {
		given["voice"] = map[string]any{"duration": v.Duration.Milliseconds(), "waveform": hex.EncodeToString(v.Waveform)}
	}
	if t := d.Thinking; t != nil {
		given["thinking"] = map[string]any{"content": t.Content, "visible": t.Visible, "duration": t.Duration.Milliseconds()}
	}
	if u := d.Usage; u != nil {
		given["usage"] = map[string]any{"promptTokens": u.PromptTokens, "completionTokens": u.CompletionTokens, "totalTokens": u.TotalTokens}
	}
	if a := d.Approval; a != nil {
		given["approval"] = a.canonical()
	}
	return fingerprintOf(given)
}

// canonical is what tells an approval from another.
func (a *Approval) canonical() map[string]any {
	given := map[string]any{"verdict": string(a.Verdict)}
	for name, s := range map[string]string{"callId": string(a.CallID), "by": string(a.By), "reason": a.Reason} {
		if s != "" {
			given[name] = s
		}
	}
	if !a.ExpiresAt.IsZero() {
		given["expiresAt"] = a.ExpiresAt.UnixMilli()
	}
	if a.Arguments != nil {
		given["arguments"] = parsed([]json.RawMessage{a.Arguments})
	}
	return given
}

// Repeats reports whether m says what a message said that is stored under the
// same id. Where that one's fingerprint is of another version it is made again;
// of one that is deleted there is nothing to make it of, and the id decides.
func (m *Message) Repeats(stored Message) bool {
	if comparableFingerprint(stored.Fingerprint) {
		return stored.Fingerprint == m.Fingerprint
	}
	return stored.Deleted || stored.Draft.fingerprint() == m.Fingerprint
}

// Fingerprint is that of a conversation as it is created. Of another version it
// cannot be made again, because the conversation changes: see SameCreation.
func (c *Conversation) Fingerprint() string {
	given := map[string]any{"title": c.Title, "agentId": string(c.AgentID)}
	if c.Description != "" {
		given["description"] = c.Description
	}
	if len(c.Tags) > 0 {
		given["tags"] = texts(c.Tags)
	}
	return fingerprintOf(given)
}

// SameCreation reports whether two fingerprints may be of the same creation: of
// another version the key alone decides.
func SameCreation(stored, now string) bool { return stored == now || !comparableFingerprint(stored) }

func texts[T ~string](in []T) []any {
	out := make([]any, len(in))
	for i, s := range in {
		out[i] = string(s)
	}
	return out
}

// parsed are JSON values that were checked before.
func parsed(items []json.RawMessage) []any {
	out := make([]any, len(items))
	for i, item := range items {
		d := json.NewDecoder(bytes.NewReader(item))
		d.UseNumber()
		if d.Decode(&out[i]) != nil {
			out[i] = string(item)
		}
	}
	return out
}

// appendCanonical encodes a value as JSON of one form: members by name, no white
// space, nothing escaped that need not be.
func appendCanonical(dst []byte, v any) []byte {
	switch v := v.(type) {
	case map[string]any:
		dst = append(dst, '{')
		for i, name := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendQuoted(dst, name), ':')
			dst = appendCanonical(dst, v[name])
		}
		return append(dst, '}')
	case []any:
		dst = append(dst, '[')
		for i, item := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendCanonical(dst, item)
		}
		return append(dst, ']')
	case string:
		return appendQuoted(dst, v)
	case json.Number:
		return append(dst, canonicalNumber(string(v))...)
	case int64:
		return append(dst, canonicalNumber(strconv.FormatInt(v, 10))...)
	case bool:
		return strconv.AppendBool(dst, v)
	}
	return append(dst, "null"...)
}

// canonicalNumber has a number as its digits, without zeros around them, and the
// power of ten that they are times: 100, 1e2 and 100.0 are 1e2. No double is made of
// it, in which large numbers would be others.
func canonicalNumber(s string) string {
	mantissa, power, _ := strings.Cut(strings.ToLower(s), "e")
	exponent, err := strconv.ParseInt(cmp.Or(power, "0"), 10, 32)
	if err != nil {
		return s // nothing stores it
	}
	sign := ""
	if mantissa[0] == '-' {
		sign, mantissa = "-", mantissa[1:]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	all := strings.TrimLeft(whole+fraction, "0")
	digits := strings.TrimRight(all, "0")
	if digits == "" {
		return "0"
	}
	exponent += int64(len(all) - len(digits) - len(fraction))
	return sign + digits + "e" + strconv.FormatInt(exponent, 10)
}

func appendQuoted(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < ' ':
			dst = append(dst, '\\', 'u', '0', '0', digits[r>>4], digits[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}
