package sqs_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"aiwm-chat/local/aws/sqs"
)

// What a full disk or a power failure leaves at the end of a journal costs no
// message; what is lost in the middle is not passed over.
func TestJournalAfterADeath(t *testing.T) {
	for name, tt := range map[string]struct {
		damage func(journal []byte) []byte
		want   []string // nil: an error
	}{
		"nothing":                   {func(j []byte) []byte { return j }, []string{"a", "b"}},
		"half a line":               {func(j []byte) []byte { return append(j, `{"put":{"id":"x`...) }, []string{"a", "b"}},
		"zeros":                     {func(j []byte) []byte { return append(j, make([]byte, 5000)...) }, []string{"a", "b"}},
		"garbage with line ends":    {func(j []byte) []byte { return append(j, "\x00\xff\n}{\n\x01"...) }, []string{"a", "b"}},
		"the last line is spoilt":   {func(j []byte) []byte { j[len(j)-3] = 0; return j }, []string{"a"}},
		"a line in between is gone": {func(j []byte) []byte { j[3] = 0; return j }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			t.Run("before", func(t *testing.T) {
				newFixture(t, sqs.Options{Dir: dir}, sqs.Queue{Name: "Jobs"}).send(t, "Jobs", "a", "b")
			})
			file := filepath.Join(dir, "Jobs.jsonl")
			journal, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, tt.damage(journal), 0o600); err != nil {
				t.Fatal(err)
			}
			if tt.want == nil {
				if s, err := sqs.New(sqs.Options{Dir: dir}, sqs.Queue{Name: "Jobs"}); err == nil {
					t.Error("it is opened all the same")
					_ = s.Close()
				}
				return
			}
			f := newFixture(t, sqs.Options{Dir: dir}, sqs.Queue{Name: "Jobs"})
			var got []string
			for len(got) < len(tt.want) {
				for _, m := range f.receive(t, "Jobs", 10) {
					got = append(got, *m.Body)
				}
			}
			if slices.Sort(got); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
