package scripted

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// FuzzScript: whatever a message says, it says the same each time, and what is told
// about tokens holds.
func FuzzScript(f *testing.F) {
	for _, seed := range []string{"", "Hello", "#tokens 5 #think 3", `#tool a {"b":[1]} #bad-arguments #then #tool #loop`, "#filter 9 #refuse", "#429 7 #999 #x", "use clock #", "#tool {", "#bad-utf8 #break"} {
		f.Add(seed, 7)
	}
	f.Fuzz(func(t *testing.T, text string, limit int) {
		body, err := json.Marshal(map[string]any{
			"messages": []any{map[string]any{"role": "user", "content": text}}, "max_tokens": limit,
			"tools": []any{map[string]any{"function": map[string]any{"name": "clock"}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		var in request
		if err := json.Unmarshal(body, &in); err != nil {
			t.Fatal(err)
		}
		s := read(in)
		a := compose(in, s)
		if again := compose(in, read(in)); !reflect.DeepEqual(a, again) {
			t.Errorf("%+v, and then %+v", a, again)
		}
		said := len(a.thinking) + len(a.content)
		if limit > 0 && said > limit || limit <= 0 && s.tokens > 0 && s.end == "" && len(a.calls) == 0 && len(a.content) != s.tokens || len(a.thinking) > s.think {
			t.Errorf("%d tokens of thoughts, %d of content", len(a.thinking), len(a.content))
		}
		if s.end == "" && s.tokens == 0 && limit <= 0 && len(a.calls) == 0 && strings.Join(a.content, "") == "" {
			t.Error("nothing is said")
		}
		for _, token := range a.content {
			if token == "" {
				t.Error("an empty token")
			}
		}
		if joined := joined(a.content); s.end != "bad-utf8" && !json.Valid(joined) {
			t.Errorf("%s", joined)
		}
	})
}

// A text is its tokens.
func TestTokens(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "Hello", " They  met,\n\nunexpectedly. ", "王小明在罗马见过他们一次", "a\u00a0b\t"} {
		if got := strings.Join(tokens(text), ""); got != text {
			t.Errorf("%q: %q", text, got)
		}
	}
}
