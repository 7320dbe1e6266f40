package observe_test

import (
	"strings"
	"testing"

	"aiwm-chat/shared/observe"
)

const (
	xray   = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
	parent = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01"
)

func TestTraceOf(t *testing.T) {
	t.Parallel()
	both := observe.Trace{XRay: xray, Parent: parent}
	for _, row := range []struct {
		name, xray, parent string
		want               observe.Trace
	}{
		{"none", "", "", observe.Trace{}},
		{"of X-Ray", xray, "", both},
		{"of X-Ray, with more", xray + ";Lineage=1:2:3", "", both},
		{"of both", xray, strings.Replace(parent, "5759", "0000", 1), both},
		{"not sampled", strings.Replace(xray, "Sampled=1", "Sampled=0", 1), "", observe.Trace{}},
		{"not sampled, of somebody", strings.Replace(xray, "Sampled=1", "Sampled=0", 1), parent, observe.Trace{Parent: parent}},
		{"of somebody", "", parent, observe.Trace{Parent: parent}},
		{"of nobody", "", "00-00000000000000000000000000000000-53995c3f42cd8ad8-01", observe.Trace{}},
		{"in capitals", "", strings.ToUpper(parent), observe.Trace{}},
		{"another version", "", "01" + parent[2:], observe.Trace{}},
		{"of a stranger", "Root=1-x;Parent=y;Sampled=1", "a-b-c-d", observe.Trace{}},
	} {
		if got := observe.TraceOf(row.xray, row.parent); got != row.want {
			t.Errorf("%s: %+v", row.name, got)
		}
	}
	if id := both.ID(); id != "5759e988bd862e3fe1be46a994272793" {
		t.Error(id)
	}
}

// What others write is read the same again, or is nothing.
func FuzzTraceOf(f *testing.F) {
	f.Add(xray, parent)
	f.Add("Root=;=;;", "---")
	f.Fuzz(func(t *testing.T, xray, parent string) {
		got := observe.TraceOf(xray, parent)
		if again := observe.TraceOf(got.XRay, got.Parent); again != got || len(got.Parent) > 55 || len(got.XRay) > 78 || (got.ID() == "") != (got == observe.Trace{}) {
			t.Errorf("%+v, again %+v", got, again)
		}
	})
}
