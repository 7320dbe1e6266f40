package cost

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
)

var total = regexp.MustCompile(`(?m)^ +([0-9.,]+) +a month`)

// The bills in the README are those that the command prints.
func TestREADME(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(b)
	users := []string{"0", "100", "1000", "20000"}
	for label, flags := range map[string][]string{
		"`-stack novpc -tokens 0`":  {"-stack", "novpc", "-tokens", "0"},
		"with summaries by a model": {"-stack", "novpc"},
		"`-stack vpc -tokens 0`":    {"-stack", "vpc", "-tokens", "0"},
	} {
		_, row, ok := strings.Cut(readme, "\n| "+label+" |")
		if !ok {
			t.Fatalf("no row %s", label)
		}
		row, _, _ = strings.Cut(row, "\n")
		for i, cell := range strings.Split(strings.TrimSuffix(row, "|"), "|") {
			if cell = strings.TrimSpace(cell); cell == "" {
				continue
			}
			var out bytes.Buffer
			if err := Command(t.Context(), append([]string{"-users", users[i], "-messages", "50"}, flags...), &out, os.Getenv); err != nil {
				t.Fatal(err)
			}
			if m := total.FindStringSubmatch(out.String()); m == nil || "$"+m[1] != cell {
				t.Errorf("%s, %s users: the README has %s, the command says %s", label, users[i], cell, m)
			}
		}
	}
}
