package handler_test

import (
	"reflect"
	"testing"
)

// Who writes several streams, and gives its frames no ids, knows what was refused; and what an
// error told before it still tells.
func TestErrorsNameThePiece(t *testing.T) {
	t.Parallel()
	w := newWorld(newRedis(t, 0))
	w.begin(t)
	for _, tt := range []struct {
		state, fields string
		want          map[string]any
	}{
		{"append", `,"index":500,"text":"c"`, map[string]any{"streamId": "s1", "part": "content", "index": 500.0, "next": map[string]any{"content": 0.0}}},
		{"append", `,"index":0,"part":"tool:t1","text":"c"`, nil},
		{"end", `,"pieces":{"content":1}`, map[string]any{"streamId": "s1", "next": map[string]any{"content": 0.0, "tool:t1": 1.0}}},
		{"abort", ``, nil},
		{"append", `,"index":1,"part":"tool:t1","text":"d"`, map[string]any{"streamId": "s1", "part": "tool:t1", "index": 1.0}},
		{"append", `,"status":"tool"`, map[string]any{"streamId": "s1"}},
	} {
		got := w.stream(t.Context(), first, tt.state, tt.fields)
		switch {
		case tt.want == nil && got.Error != nil, tt.want != nil && (got.Error == nil || !reflect.DeepEqual(got.Error.Details, tt.want)):
			t.Errorf("%s %s: %+v", tt.state, tt.fields, got.Error)
		}
	}
}
