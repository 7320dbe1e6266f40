package cost

import (
	"bytes"
	"math"
	"os"
	"strings"
	"testing"
)

func TestPieces(t *testing.T) {
	for _, tt := range []struct {
		tokens      int
		speed       float64
		least, most int
	}{{500, 60, 45, 50}, {1, 60, 1, 1}, {120, 60, 20, 22}, {10_000, 50, 810, 820}} {
		if n := pieces(tt.tokens, tt.speed); n < tt.least || n > tt.most {
			t.Errorf("%d tokens at %g a second are %d pieces, want %d to %d", tt.tokens, tt.speed, n, tt.least, tt.most)
		}
	}
}

// What streams add to a month by hand: 10 users, 20 messages, half of them answers of
// 600 tokens in ten seconds.
func TestStreamsOfAMonth(t *testing.T) {
	u := use{users: 10, messages: 20, minutes: 90, kb: 1, ms: 500, memory: 512, peak: 10, streams: streamsNone, answerTokens: 600, answerSpeed: 60}
	n := float64(pieces(600, 60))
	of := func(streams string) map[string]float64 {
		u.streams = streams
		own, shared := month(round(t), u)
		got := map[string]float64{}
		for _, l := range append(own, shared...) {
			got[l.Name] = l.pieces
		}
		return got
	}
	none, agents, managed := of(streamsNone), of(streamsAgents), of(streamsManaged)
	for _, tt := range []struct {
		name      string
		got, want float64
	}{
		{"frames of agents", agents["frame"] - none["frame"], 100 * (3 + 2*n)},
		{"frames of managed ones", managed["frame"] - none["frame"], 100 * (1 + n)},
		{"invocations of agents", agents["invocation"] - none["invocation"], 100 * (2 + n)},
		{"invocations of managed ones", managed["invocation"] - none["invocation"], 100 * 2},
		{"time of managed ones", managed["gb-second"] - none["gb-second"], 100*2*0.5*0.5 + 100*10*0.25},
		{"commands of agents", agents["redis-command"] - none["redis-command"], 100 * (12 + 2*n + 5)},
		{"commands of managed ones", managed["redis-command"] - none["redis-command"], 100 * (12 + n + 2*10 + 5)},
	} {
		if math.Abs(tt.got-tt.want) > 1e-6 {
			t.Errorf("%s: %g, want %g", tt.name, tt.got, tt.want)
		}
	}
}

// What the README says of a thousand answers is what the command prints.
func TestAThousandAnswers(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, streams := range []string{streamsAgents, streamsManaged} {
		var out bytes.Buffer
		if err := Command(t.Context(), []string{"-streams", streams}, &out, os.Getenv); err != nil {
			t.Fatal(err)
		}
		_, text, _ := strings.Cut(out.String(), "A thousand answers")
		text, _, _ = strings.Cut(text, "\n")
		if !strings.Contains(strings.Join(strings.Fields(string(readme)), " "), "A thousand answers"+text) {
			t.Errorf("the README does not say: A thousand answers%s", text)
		}
	}
}
