package cost

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"aiwm-chat/shared/chat"
)

// round is a table in which everything costs one, of one.
func round(t *testing.T) table {
	t.Helper()
	out := table{byName: map[string]price{}}
	for _, name := range names {
		out.byName[name] = price{Name: name, Per: 1, Price: 1, What: name}
	}
	return out
}

// A bill by hand: 10 users, 20 messages each, 90 minutes each, which are three
// connections.
func TestAMonthByHand(t *testing.T) {
	u := use{users: 10, messages: 20, minutes: 90, tokens: 100, written: 10, kb: 40, ms: 500, memory: 512, peak: 10}
	own, shared := month(round(t), u)
	const (
		sessions = 30
		pings    = 10*90/9 + 43800/9.
		sweeps   = 43800
	)
	invocations := 200*1 + sessions*5 + pings + 20 + sweeps + sessions*2
	frames := 200*5 + sessions*8 + pings*2 + 20*2
	want := map[string]float64{
		"frame":             frames * 2, // of 40 KB each is two
		"connection-minute": 900 + 43800,
		"http-request":      60,
		"invocation":        invocations,
		"gb-second":         invocations / 2 / 2,
		"queue-request":     (sessions+20)*3 + 5*5*730*180,
		"log-gb":            invocations * 500 / 1e9,
		"transfer-gb":       frames * 40 / 1e6,
		"redis-command":     200*5 + sessions*30 + pings*6 + 20*3 + sweeps*3 + 60*2,
		"mongo-flex-100":    1,
		"model-read":        2000,
		"model-written":     200,
	}
	got := map[string]float64{}
	for _, l := range append(own, shared...) {
		got[l.Name] = l.pieces
	}
	for name, n := range want {
		if math.Abs(got[name]-n) > 1e-6*max(n, 1) {
			t.Errorf("%s: %v, want %v", name, got[name], n)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d lines, want %d: %v", len(got), len(want), got)
	}
}

func TestWhatIsFreeCostsNothing(t *testing.T) {
	prices := table{byName: map[string]price{"x": {Per: 10, Free: 100, Price: 2}}}
	for n, want := range map[float64]float64{0: 0, 100: 0, 110: 2, 200: 20} {
		if got := prices.of("x", n).cost; got != want {
			t.Errorf("%v cost %v, want %v", n, got, want)
		}
	}
}

// Lean is cheaper, a network of one's own is dearer when nobody is there, and a
// larger month has a larger cluster.
func TestMonthsCompared(t *testing.T) {
	prices, err := parsePrices(embedded)
	if err != nil {
		t.Fatal(err)
	}
	total := func(u use) float64 {
		own, shared := month(prices, u)
		return sum(own) + sum(shared)
	}
	u := use{users: 1000, messages: 50, minutes: 300, tokens: 3000, written: 300, kb: 1, ms: 40, memory: 256, peak: 10}
	lean, idle, idleVPC, large := u, u, u, u
	lean.dialect = chat.Lean
	idle.users, idleVPC.users, idleVPC.vpc = 0, 0, true
	large.users = 1_000_000
	if total(lean) >= total(u) {
		t.Errorf("lean costs %v, the other dialect %v", total(lean), total(u))
	}
	if total(idle) <= 0 || total(idleVPC) <= total(idle) || total(u) <= total(idle) {
		t.Errorf("idle %v, idle in a VPC %v, busy %v", total(idle), total(idleVPC), total(u))
	}
	_, shared := month(prices, large)
	if shared[1].Name != "mongo-dedicated-hour" {
		t.Errorf("a million users are on %s", shared[1].Name)
	}
	even := breakEven(prices, u)
	at := func(messages int) float64 {
		v := u
		v.users = messages / u.messages
		own, _ := month(prices, v)
		return sum(own)
	}
	if servers := sum(server(prices)); even <= 0 || at(even) < servers || at(even-u.messages) > servers {
		t.Errorf("the break-even is %d, where %v is paid and %v before, for servers of %v", even, at(even), at(even-u.messages), servers)
	}
}

func TestBills(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"-users 1000 -messages 50 -tokens 3000 -stack novpc", "1000 users, 50,000 messages a month"},
		{"-stack vpc", "NAT gateway, hour: 730"},
		{"-users 0", "of it in a month without anybody"},
		{"", "What dominates: "},
	} {
		var out bytes.Buffer
		if err := Command(t.Context(), strings.Fields(tt.args), &out, nil); err != nil || !strings.Contains(out.String(), tt.want) {
			t.Errorf("%q: error %v, said\n%s\nwant %q", tt.args, err, out.String(), tt.want)
		}
	}
}

func TestBadInputIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "prices.json")
	write := func(s string) {
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for args, want := range map[string]string{
		"-users -1":             "-users",
		"-messages x":           "-messages",
		"-kb 0":                 "-kb",
		"-kb NaN":               "-kb",
		"-memory 1":             "-memory",
		"-peak 0.5":             "-peak",
		"-stack cloud":          "-stack",
		"-prices /nowhere":      "-prices",
		"-users 1000000000":     "-users",
		"-minutes 1e3":          "-minutes",
		"x":                     `"x"`,
		"-prices " + file + " ": "price \"frame\" is missing",
	} {
		write(`{"region": "r", "currency": "c", "prices": []}`)
		if want == "-users" && args != "-users -1" {
			args += " -messages 1000000"
		}
		if err := Command(t.Context(), strings.Fields(args), &bytes.Buffer{}, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", args, err, want)
		}
	}
	for prices, want := range map[string]string{
		`{"name": "fame", "per": 1, "price": 1, "unverified": true}`:                                                   `"fame" is of nothing`,
		`{"name": "frame", "per": 0, "price": 1, "unverified": true}`:                                                  `"frame" must not`,
		`{"name": "frame", "per": 1, "price": -1, "unverified": true}`:                                                 `"frame" must not`,
		`{"name": "frame", "per": 1, "price": 1}`:                                                                      `"frame" has no source`,
		`{"name": "frame", "per": 1, "price": 1, "unverified": true}, {"name": "frame", "per": 1, "unverified": true}`: `"frame" is there twice`,
		`{"nom": "frame"}`: "nom",
	} {
		if _, err := parsePrices([]byte(`{"region": "r", "currency": "c", "prices": [` + prices + `]}`)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", prices, err, want)
		}
	}
}

func FuzzPrices(f *testing.F) {
	f.Add(embedded)
	f.Add([]byte(`{"prices": [{"name": "frame", "per": 1e-300, "price": 1e308}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		prices, err := parsePrices(b)
		if err != nil {
			return
		}
		if total := sum(server(prices)); total < 0 {
			t.Errorf("a price of %v", total)
		}
	})
}
