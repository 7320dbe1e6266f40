package chat_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
)

func called(t testing.TB, call string) chat.Message {
	t.Helper()
	m, err := chat.NewMessage("c1", agent, "k1", chat.Draft{Content: "x", ToolCalls: []json.RawMessage{json.RawMessage(call)}}, chat.MaxContentREST, now)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The same JSON written otherwise is the same message, and no other JSON is.
func TestFingerprintOfJSON(t *testing.T) {
	for _, same := range [][]string{
		{`{"a":1,"b":[true,null,"x"]}`, `{ "b" : [ true, null, "\u0078" ], "a" : 1 }`, `{"a":1.0,"b":[true,null,"x"]}`, `{"a":1e0,"b":[true,null,"x"]}`},
		{`{"a":{"c":-0,"b":100}}`, `{"a":{"b":1E2,"c":0}}`},
		{`{"a":0.5}`, `{"a":5e-1}`, `{"a":0.50}`},
		{`{"a":100000000000000000000}`, `{"a":1e20}`, `{"a":1E+20}`, `{"a":10.0e19}`},
		{`{"a":1e400}`, `{"a":1E400}`, `{"a":0.1e401}`},
		{`{"a":-1e23}`, `{"a":-100000000000000000000000}`, `{"a":-0.1e24}`},
		{`{"a":0.00001}`, `{"a":1e-5}`, `{"a":0.10E-04}`},
		{`{"a":0e7}`, `{"a":-0.0}`, `{"a":0}`},
		{`{"a":9007199254740993}`, `{"a":9007199254740993.0}`}, {`{"a":9007199254740992}`},
		{`{"a":123456789012345678901234567890}`},
		{`{"a":123456789012345678901234567891}`},
		{`{"a":"1"}`}, {`{"a":[1,2]}`}, {`{"a":[2,1]}`}, {`{"a":[[1],2]}`}, {`{"a":1e400}`}, {`{"a":1e1000000000}`},
		{`{"a\",\"b":1}`}, {`{"a":"\u0001"}`}, {`{"a":"é"}`, `{"a":"\u00e9"}`}, {`{"a":{}}`}, {`{"a":[]}`}, {`{"a":null}`}, {`{}`},
	} {
		first := called(t, same[0])
		for _, other := range same[1:] {
			if m := called(t, other); !m.Repeats(first) {
				t.Errorf("%s does not repeat %s", other, same[0])
			}
		}
		for _, other := range []string{`{"a":2}`, `{"A":1,"b":[true,null,"x"]}`, `{"a":"0.5"}`} {
			if m := called(t, other); m.Repeats(first) {
				t.Errorf("%s repeats %s", other, same[0])
			}
		}
	}
	known := map[string]string{}
	for _, s := range []string{`{"a":"1"}`, `{"a":1}`, `{"a":-1}`, `{"a":10}`, `{"a":0.1}`, `{"a":11}`, `{"a":9007199254740993}`, `{"a":9007199254740992}`, `{"a":[1,2]}`, `{"a":[2,1]}`, `{"a":[[1],2]}`, `{"a":[1,[2]]}`, `{"a":1e400}`, `{"a":"1e400"}`, `{"a":{}}`, `{"a":[]}`, `{"a":null}`, `{}`} {
		f := called(t, s).Fingerprint
		if known[f] != "" {
			t.Errorf("%s and %s have the same fingerprint", s, known[f])
		}
		known[f] = s
	}
}

// A message that another release stored is compared by what it says; one of which
// that is gone by its id alone.
func TestRepeatsAcrossReleases(t *testing.T) {
	m := called(t, `{"a":1}`)
	stored := m
	stored.Fingerprint = "0123456789abcdef0123456789abcdef" // of before there were versions
	stored.ToolCalls = []json.RawMessage{json.RawMessage(`{"a": 1.0}`)}
	if !m.Repeats(stored) {
		t.Error("a new release makes a conflict of a repeat")
	}
	stored.Content = "y"
	if m.Repeats(stored) {
		t.Error("another message of an earlier release is a repeat")
	}
	stored.Draft, stored.Deleted = chat.Draft{}, true
	if !m.Repeats(stored) {
		t.Error("a deleted message of an earlier release makes a conflict")
	}
	stored.Fingerprint = called(t, `{"a":2}`).Fingerprint
	if m.Repeats(stored) {
		t.Error("another message is a repeat because it is deleted")
	}
}

func TestFingerprintOfACreation(t *testing.T) {
	create := func(title, description string, tags ...string) string {
		c, err := chat.NewConversation(user, title, description, "a1", tags, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return c.Fingerprint()
	}
	first := create("t", "")
	if !chat.SameCreation(first, create("t", "")) || !chat.SameCreation("of another version", first) {
		t.Error("a repeat is none")
	}
	for _, other := range []string{create("u", ""), create("t", "d"), create("t", "", "x"), create("t", "x")} {
		if chat.SameCreation(first, other) {
			t.Error("another creation is a repeat")
		}
	}
}

// FuzzFingerprint: JSON that was read and written again has the same fingerprint.
func FuzzFingerprint(f *testing.F) {
	f.Add(`{"a":1.5,"b":{"c":[1e3,"\u2028<>&"]}}`)
	f.Add(`{"":-0.0}`)
	f.Add(`{"a":[1e400,-0.00e-7,1E99999999999]}`)
	f.Fuzz(func(t *testing.T, s string) {
		var v map[string]any
		d := json.NewDecoder(strings.NewReader(s))
		d.UseNumber()
		if d.Decode(&v) != nil || v == nil || d.More() || len(s) > 1000 || !json.Valid([]byte(s)) || s[0] != '{' {
			return
		}
		again, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		first := called(t, s)
		if m := called(t, string(again)); !m.Repeats(first) {
			t.Errorf("%s does not repeat %s", again, s)
		}
	})
}
