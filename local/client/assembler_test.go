package client

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func frameOf(t testing.TB, text []byte) Frame {
	t.Helper()
	f, err := parseFrame(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A writing is what a server has of a stream, and says of it.
type writing struct {
	epoch int64
	text  string
}

func (w writing) stream() chat.Stream {
	return chat.Stream{
		ConversationID: "c", ID: "s", Epoch: w.epoch, Principal: chat.Principal{Type: chat.Agent, ID: "a"}, ParentID: "q", StartedAt: noon,
		Parts: []chat.StreamPart{{Name: protocol.PartContent, Text: w.text, Length: chat.UTF16Len(w.text)}},
	}
}

func (w *writing) add(text string) []byte {
	d := chat.StreamDelta{Epoch: w.epoch, Part: protocol.PartContent, Offset: chat.UTF16Len(w.text), Length: chat.UTF16Len(text), Text: text}
	w.text += text
	return protocol.StreamDeltaFrames(w.stream(), d, noon)[0]
}

func (w *writing) whole() []byte {
	d := chat.StreamDelta{Epoch: w.epoch, Part: protocol.PartContent, Length: chat.UTF16Len(w.text), Text: w.text}
	return protocol.StreamDeltaFrames(w.stream(), d, noon)[0]
}

func (w *writing) snapshot() []byte {
	return protocol.Frame(protocol.EventStreamSnapshot, "", protocol.StreamSnapshotOf(w.stream(), protocol.MaxSnapshot), noon)
}

func (w *writing) start() []byte {
	return protocol.Frame(protocol.EventStreamStart, "", protocol.StreamBegunOf(w.stream()), noon)
}

func (w *writing) message(content string) []byte {
	return protocol.MessageFrame(protocol.EventMessageNew, chat.Message{
		ID: "m", ConversationID: "c", Seq: 2, Sender: w.stream().Principal, ClientMessageID: "s", Streamed: true, Status: chat.StatusSent,
		Draft: chat.Draft{Content: content, Role: chat.RoleAgent, Type: chat.TypeText, ParentID: "q"},
	}, noon)
}

func dropped() []byte {
	return protocol.Frame(protocol.EventStreamDropped, "", protocol.StreamDropped{ConversationID: "c", StreamID: "s", Reason: "removed"}, noon)
}

func TestAssembler(t *testing.T) {
	one := writing{epoch: 1}
	start := one.start()
	a, b, c := one.add("Ünder "), one.add("the 🌊, "), one.add("quiet")
	whole, snapshot, message := one.whole(), one.snapshot(), one.message("another text")
	two := writing{epoch: 2}
	anew, d := two.start(), two.add("Under")
	const all = "Ünder the 🌊, quiet"
	for name, tt := range map[string]struct {
		frames [][]byte
		text   string
		shown  bool
	}{
		"in order":                          {[][]byte{start, a, b, c}, all, true},
		"without its start":                 {[][]byte{a, b, c}, all, true},
		"the other way round":               {[][]byte{c, b, a, start}, all, true},
		"doubled":                           {[][]byte{a, a, b, a, b, c, c}, all, true},
		"with a gap":                        {[][]byte{a, c}, "Ünder ", true},
		"the gap is filled by the whole":    {[][]byte{a, c, whole}, all, true},
		"the gap is filled by the snapshot": {[][]byte{a, c, snapshot}, all, true},
		"a snapshot, and what it has":       {[][]byte{snapshot, b, c}, all, true},
		"a snapshot that is late":           {[][]byte{a, b, snapshot, c}, all, true},
		"it begins anew":                    {[][]byte{a, b, anew, d}, "Under", true},
		"what is late of the one before":    {[][]byte{a, d, b, c, start, snapshot}, "Under", true},
		"the message is final":              {[][]byte{a, message, b, anew, d, snapshot}, "another text", true},
		"the message alone":                 {[][]byte{message}, "another text", true},
		"dropped":                           {[][]byte{a, dropped(), b, snapshot, anew}, "", false},
		"dropped, but there is a message":   {[][]byte{a, dropped(), message, c}, "another text", true},
		"nothing":                           {nil, "", false},
	} {
		var asm Assembler
		for _, f := range tt.frames {
			if err := asm.Frame(frameOf(t, f), noon); err != nil {
				t.Fatal(err)
			}
		}
		shown, ok := asm.Show("c", "s", noon)
		if got := shown.Text(protocol.PartContent); got != tt.text || ok != tt.shown {
			t.Errorf("%s: %q, shown: %t; want %q, %t", name, got, ok, tt.text, tt.shown)
		}
	}
}

// What is missing is asked for after a second, and each second again; what was cut at
// once; silence is shown, and then ends it.
func TestAssemblerAsksAndStalls(t *testing.T) {
	w := writing{epoch: 1}
	first, _, third := w.add("a"), w.add("b"), w.add("c")
	var asm Assembler
	take := func(text []byte, at time.Duration) {
		t.Helper()
		if err := asm.Frame(frameOf(t, text), noon.Add(at)); err != nil {
			t.Fatal(err)
		}
	}
	asks := func(at time.Duration, want bool) {
		t.Helper()
		if all := asm.Missing(noon.Add(at)); (len(all) > 0) != want {
			t.Errorf("after %v: %v; want some: %t", at, all, want)
		}
	}
	take(first, 0)
	asks(5*time.Second, false)
	take(third, 6*time.Second)
	asks(6999*time.Millisecond, false)
	asks(7*time.Second, true)
	asks(7500*time.Millisecond, false)
	asks(8*time.Second, true)
	take(w.snapshot(), 9*time.Second)
	asks(20*time.Second, false)
	w.add(strings.Repeat("x", protocol.MaxSnapshot))
	take(w.snapshot(), 20*time.Second)
	asks(20*time.Second, true)
	asm.Snapshot(protocol.StreamSnapshotOf(w.stream(), 1<<20), noon.Add(21*time.Second))
	asks(30*time.Second, false)
	for at, want := range map[time.Duration][2]bool{
		21 * time.Second: {true, false}, 50 * time.Second: {true, false}, 51 * time.Second: {true, true}, 65 * time.Second: {true, true}, 66 * time.Second: {false, false},
	} {
		if shown, ok := asm.Show("c", "s", noon.Add(at)); ok != want[0] || shown.Stalled != want[1] || ok && shown.Text(protocol.PartContent) != w.text {
			t.Errorf("after %v: shown: %t, stalled: %t", at, ok, shown.Stalled)
		}
	}
}

// What is not shown any more is not asked for any more, until more of it comes.
func TestAssemblerAsksNotForSilence(t *testing.T) {
	w := writing{epoch: 1}
	first, _, third, _, fifth := w.add("a"), w.add("b"), w.add("c"), w.add("d"), w.add("e")
	var asm Assembler
	for i, f := range [][]byte{first, third, fifth} {
		if err := asm.Frame(frameOf(t, f), noon.Add(time.Duration(i)*silence)); err != nil {
			t.Fatal(err)
		}
		at := noon.Add(time.Duration(i) * silence)
		if all := asm.Missing(at.Add(silence - time.Second)); (len(all) > 0) != (i > 0) {
			t.Errorf("after %d pieces: %v", i+1, all)
		}
		if all := asm.Missing(at.Add(silence)); len(all) > 0 {
			t.Errorf("after %d pieces and a silence: %v", i+1, all)
		}
	}
}

func TestAssemblerRefuses(t *testing.T) {
	var asm Assembler
	if err := asm.Frame(frameOf(t, []byte(`{"event":"stream:delta","data":{"offset":"x"}}`)), noon); err == nil {
		t.Error("an offset that is no number is taken")
	}
	if err := asm.Frame(frameOf(t, []byte(`{"event":"pong","data":{"rooms":[]}}`)), noon); err != nil {
		t.Error(err)
	}
}

// FuzzAssembler plays an answer that is lost and begun anew, and gives its frames in
// any order, lost and doubled. Whatever is shown on the way is the beginning of what
// was said; whoever asks for what is missing has all of it; and the message is final.
func FuzzAssembler(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed, "Die 🌊 kommt und geht; \u0000 und \"wieder\".", uint8(30), uint8(10))
	}
	f.Fuzz(func(t *testing.T, seed uint64, text string, lost, doubled uint8) {
		r := rand.New(rand.NewPCG(seed, 7))
		text = strings.ToValidUTF8(text, "?")
		if text == "" || len(text) > 4000 {
			t.Skip()
		}
		w := writing{epoch: 1}
		said := map[int64]string{}
		var frames [][]byte
		runes := []rune(text)
		for epoch := range int64(1 + r.IntN(2)) {
			w = writing{epoch: epoch + 1}
			frames = append(frames, w.start())
			for rest := runes; len(rest) > 0; {
				n := min(1+r.IntN(9), len(rest))
				frames = append(frames, w.add(string(rest[:n])))
				rest = rest[n:]
				if r.IntN(7) == 0 {
					frames = append(frames, [][]byte{w.whole(), w.snapshot()}[r.IntN(2)])
				}
			}
			said[w.epoch] = w.text
		}
		var way [][]byte
		for _, one := range frames {
			if r.IntN(256) >= int(lost) {
				way = append(way, one)
			}
			if r.IntN(256) < int(doubled) {
				way = append(way, one)
			}
		}
		for i := range way { // near ones overtake each other, and some far ones
			j := min(len(way)-1, i+r.IntN(1+r.IntN(20)))
			way[i], way[j] = way[j], way[i]
		}
		var asm Assembler
		for _, one := range way {
			if err := asm.Frame(frameOf(t, one), noon); err != nil {
				t.Fatal(err)
			}
			if shown, ok := asm.Show("c", "s", noon); ok && !slices.ContainsFunc([]string{said[1], said[2]}, func(all string) bool {
				return strings.HasPrefix(all, shown.Text(protocol.PartContent))
			}) {
				t.Fatalf("shown: %q of %q", shown.Text(protocol.PartContent), text)
			}
		}
		asm.Snapshot(protocol.StreamSnapshotOf(w.stream(), 1<<20), noon)
		if shown, _ := asm.Show("c", "s", noon); shown.Text(protocol.PartContent) != w.text || len(asm.Missing(noon.Add(silence-time.Second))) > 0 {
			t.Fatalf("with the snapshot: %q of %q", shown.Text(protocol.PartContent), w.text)
		}
		end := w.message("committed: " + text)
		for _, one := range append([][]byte{end}, way...) {
			if err := asm.Frame(frameOf(t, one), noon); err != nil {
				t.Fatal(err)
			}
		}
		want, err := Data[protocol.Message](frameOf(t, end))
		if shown, ok := asm.Show("c", "s", noon.Add(time.Hour)); err != nil || !ok || shown.Text(protocol.PartContent) != want.Content {
			t.Fatalf("at the end: %q, %v", shown.Text(protocol.PartContent), err)
		}
	})
}

// A stream is that of who began it: what another agent says under the same id takes its place
// neither while it is written, nor afterwards, nor where it came first.
func TestAMessageOfAnotherIsNotTheStreams(t *testing.T) {
	w := writing{epoch: 1, text: "The truth"}
	lie := protocol.MessageFrame(protocol.EventMessageNew, chat.Message{
		ID: "l", ConversationID: "c", Seq: 3, Sender: chat.Principal{Type: chat.Agent, ID: "b"}, ClientMessageID: "s", Streamed: true, Status: chat.StatusSent,
		Draft: chat.Draft{Content: "A lie", Role: chat.RoleAgent, Type: chat.TypeText},
	}, noon)
	whole := w.message("The truth")
	for name, frames := range map[string][][]byte{
		"while it is written": {w.start(), w.whole(), lie},
		"afterwards":          {w.start(), w.whole(), whole, lie},
		"in a history":        {whole, lie},
		"first":               {lie, w.start(), w.whole()},
		"before the snapshot": {lie, w.snapshot()},
		"between":             {w.snapshot(), lie, whole},
	} {
		t.Run(name, func(t *testing.T) {
			var a Assembler
			for _, text := range frames {
				if err := a.Frame(frameOf(t, text), noon); err != nil {
					t.Fatal(err)
				}
			}
			shown, ok := a.Show("c", "s", noon)
			if !ok || shown.Text(protocol.PartContent) != "The truth" || shown.ParticipantID != "a" {
				t.Errorf("%v, %q of %s", ok, shown.Text(protocol.PartContent), shown.ParticipantID)
			}
		})
	}
}
