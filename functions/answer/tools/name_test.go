package tools

import (
	"regexp"
	"strings"
	"testing"
)

var allowed = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func TestNameFor(t *testing.T) {
	long := strings.Repeat("x", 128)
	for _, tt := range []struct{ server, tool, want string }{
		{"shop", "get_order", "shop__get_order"},
		{"my-shop", "get-order", "my-shop__get-order"},
		{"shop", "_get", "shop___get"},
		{"shop", "a__b", "shop__a__b"},
		{"shop", "orders.get", "shop__orders_get_2ddaa93f58"},
		{"shop", "orders/get", "shop__orders_get_e713e0d3ee"},
		{"shop__a", "b", "shop__a__b_99bc2363f2"},
		{"shop_", "get", "shop___get_379ae8b8d8"},
		{"shop", "x_0123456789", "shop__x_0123456789_0e3741c24f"},
		{"shop", strings.Repeat("x", 58), "shop__" + strings.Repeat("x", 58)},
		{"shop", strings.Repeat("x", 59), "shop__" + strings.Repeat("x", 47) + "_2b11a8738f"},
		{"shop", long, "shop__" + strings.Repeat("x", 47) + "_8a3befa85d"},
	} {
		// The hashes are what they were when this was written: names are in logs of
		// conversations, so that they never change.
		if got := nameFor(tt.server, tt.tool); got != tt.want {
			t.Errorf("%s, %s: %s", tt.server, tt.tool, got)
		}
	}
}

// Two tools never have one name, and each name is one that models may use.
func FuzzNameFor(f *testing.F) {
	f.Add("a", "b__c", "a__b", "c")
	f.Add("a", "_b", "a_", "b")
	f.Add("s", "a.b", "s", "a/b")
	f.Add("s", "ü", "s", "\xff")
	f.Add("s", "x_0123456789", "s", "x")
	f.Fuzz(func(t *testing.T, server, tool, server2, tool2 string) {
		a, b := nameFor(server, tool), nameFor(server2, tool2)
		if !allowed.MatchString(a) || !allowed.MatchString(b) {
			t.Errorf("%q, %q", a, b)
		}
		if (a == b) != (server == server2 && tool == tool2) && !strings.Contains(server+server2, "\x00") {
			t.Errorf("%q of %q and %q is %q of %q and %q", a, server, tool, b, server2, tool2)
		}
	})
}
