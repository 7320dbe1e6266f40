package observe_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"aiwm-chat/shared/observe"
)

// X-Ray's daemon is told of the calls of what is sampled, each in one datagram.
func TestCalls(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		own  observe.Trace
		job  observe.Trace
		want string // parents
	}{
		{"sampled", observe.TraceOf(xray, ""), observe.Trace{}, "53995c3f42cd8ad8 53995c3f42cd8ad8"},
		{"not sampled", observe.TraceOf(strings.Replace(xray, "Sampled=1", "Sampled=0", 1), parent), observe.Trace{}, ""},
		{"a job of another trace", observe.Trace{}, observe.TraceOf(xray, ""), "53995c3f42cd8ad8"},
	} {
		var out bytes.Buffer
		var sent datagrams
		sink := observe.NewSink("prod", &out)
		sink.Trace(&sent)
		ctx, i := observe.Begin(observe.To(t.Context(), sink), observe.Start{Trace: row.own})
		i.Call("MongoDB")(errors.New("down"))
		_, job := observe.Job(ctx, "", row.job)
		job.Call("Redis")(nil)
		job.End()
		i.End()
		var parents []string
		for _, d := range sent {
			header, document, _ := strings.Cut(d, "\n")
			var got struct {
				Name, ID        string
				TraceID         string  `json:"trace_id"`
				ParentID        string  `json:"parent_id"`
				Start           float64 `json:"start_time"`
				End             float64 `json:"end_time"`
				Type, Namespace string
				Fault           bool
			}
			if err := json.Unmarshal([]byte(document), &got); err != nil || header != `{"format":"json","version":1}` {
				t.Fatalf("%s: %q: %v", row.name, d, err)
			}
			if got.TraceID != "1-5759e988-bd862e3fe1be46a994272793" || len(got.ID) != 16 || got.Start > got.End || got.Start < 1.6e9 || got.Type != "subsegment" || got.Namespace != "remote" || got.Fault != (got.Name == "MongoDB") {
				t.Errorf("%s: %+v", row.name, got)
			}
			parents = append(parents, got.ParentID)
		}
		if got := strings.Join(parents, " "); got != row.want {
			t.Errorf("%s: calls below %q, want %q", row.name, got, row.want)
		}
	}
	var none *observe.Invocation
	none.Call("Redis")(nil)
}

type datagrams []string

func (d *datagrams) Write(b []byte) (int, error) {
	*d = append(*d, string(b))
	return len(b), nil
}
