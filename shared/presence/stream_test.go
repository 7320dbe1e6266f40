package presence_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/presence"
)

const lease = 30 * time.Second

func streamOf(s *server, on string) chat.Stream {
	return chat.Stream{
		ConversationID: chat.ConversationID("c" + s.token), ID: "s1", Writer: chat.ConnectionID(on + s.token), ParentID: "q1",
		Principal: chat.Principal{Type: chat.Agent, ID: "a1", OrgID: "acme"}, StartedAt: time.Now().UTC().Truncate(time.Millisecond),
	}
}

func open(t *testing.T, s *server, st chat.Stream) chat.Stream {
	t.Helper()
	v, in, err := s.EnterStream(t.Context(), st, "")
	if v != chat.StreamEntered || err != nil {
		t.Fatalf("enter: %s, %v", v, err)
	}
	st.Epoch = in.Epoch
	v, in, _, err = s.ConfirmStream(t.Context(), st, lease)
	if v != chat.StreamIsOpen || err != nil || in.State != chat.StreamOpen || in.Principal != st.Principal || !in.StartedAt.Equal(st.StartedAt) || in.ParentID != "q1" {
		t.Fatalf("confirm: %s, %+v, %v", v, in, err)
	}
	return st
}

func (s *server) append(t *testing.T, st chat.Stream, index int, text string) (chat.StreamVerdict, chat.StreamDelta) {
	t.Helper()
	v, d, _, _, err := s.AppendStream(t.Context(), st, chat.StreamPiece{Part: "content", Index: index, Text: text}, lease)
	if err != nil {
		t.Fatalf("append %d: %v", index, err)
	}
	return v, d
}

// The steps of a stream, by who may take them when.
func TestStreamSteps(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		first, second := streamOf(s, "A"), streamOf(s, "B")
		if v, _ := s.append(t, first, 0, "x"); v != chat.StreamIsLost {
			t.Errorf("append to nothing: %s", v)
		}
		v, in, err := s.EnterStream(t.Context(), first, "")
		if v != chat.StreamEntered || err != nil || in.State != chat.StreamProvisional {
			t.Fatal(v, in, err)
		}
		first.Epoch = in.Epoch
		if v, _ := s.append(t, first, 0, "x"); v != chat.StreamIsProvisional {
			t.Errorf("append to what is looked up: %s", v)
		}
		if v, in, _ := s.EnterStream(t.Context(), second, ""); v != chat.StreamIsWritten || in.Writer != first.Writer {
			t.Errorf("another connection enters: %s %s", v, in.Writer)
		}
		other := second
		other.Principal.ID = "a2"
		if v, _, _ := s.EnterStream(t.Context(), other, first.Writer); v != chat.StreamIsForeign {
			t.Errorf("another agent enters: %s", v)
		}
		if v, _, _, _ := s.ConfirmStream(t.Context(), second, lease); v != chat.StreamIsWritten {
			t.Errorf("another connection confirms: %s", v)
		}
		first = open(t, s, first)
		if v, d := s.append(t, first, 0, "a"); v != chat.StreamIsOpen || d.Text != "a" || d.Offset != 0 || d.Length != 1 {
			t.Errorf("append: %s %+v", v, d)
		}
		if v, _ := s.append(t, second, 1, "b"); v != chat.StreamIsWritten {
			t.Errorf("another connection appends: %s", v)
		}
		s.append(t, first, 2, "beyond")
		second.Epoch = first.Epoch
		if v, in, _ := s.EnterStream(t.Context(), second, first.Writer); v != chat.StreamEntered || in.State != chat.StreamOpen || in.Epoch != first.Epoch || in.Parts[0].Next != 1 {
			t.Errorf("a take-over: %s %+v", v, in)
		}
		if v, _ := s.append(t, first, 1, "late"); v != chat.StreamIsWritten {
			t.Errorf("who was taken over from appends: %s", v)
		}
		if _, d := s.append(t, second, 1, "b"); d.Text != "b" {
			t.Errorf("a piece beyond next outlived the take-over: %+v", d)
		}
		if ids, err := s.Streams(t.Context(), first.ConversationID); err != nil || !slices.Equal(ids, []string{"s1"}) {
			t.Errorf("open are %v, %v", ids, err)
		}
		if v, _ := s.EndStream(t.Context(), first.ConversationID, "s1", chat.StreamEnd{Dropped: "nothing"}, false); v != chat.StreamIsWritten {
			t.Errorf("dropped though there is text: %s", v)
		}
		end := chat.StreamEnd{MessageID: "m1", Seq: 7, Status: "sent"}
		if v, _ := s.EndStream(t.Context(), first.ConversationID, "s1", end, false); v != chat.StreamIsOpen {
			t.Errorf("end: %s", v)
		}
		if v, _ := s.append(t, second, 2, "late"); v != chat.StreamHasEnded {
			t.Errorf("append to what has ended: %s", v)
		}
		if v, in, _ := s.EnterStream(t.Context(), first, ""); v != chat.StreamHasEnded || in.End != end {
			t.Errorf("what has ended begins again: %s %+v", v, in.End)
		}
		if v, _ := s.EndStream(t.Context(), first.ConversationID, "s1", chat.StreamEnd{Dropped: "removed"}, true); v != chat.StreamHasEnded {
			t.Errorf("dropped after its message: %s", v)
		}
		if ids, _ := s.Streams(t.Context(), first.ConversationID); len(ids) != 0 {
			t.Errorf("open are %v", ids)
		}
	})
}

// What was lost begins anew, and is newer; what was dropped does not begin again.
func TestStreamIsLostAndDropped(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		st := open(t, s, streamOf(s, "A"))
		s.append(t, st, 0, "a")
		if v, err := s.StopStream(t.Context(), st.ConversationID, "s1", st.Principal); v != chat.StreamIsOpen || err != nil {
			t.Errorf("stop: %s, %v", v, err)
		}
		if _, _, stop, _, _ := s.AppendStream(t.Context(), st, chat.StreamPiece{Part: "content", Index: 1, Text: "b"}, lease); stop != st.Principal {
			t.Errorf("stopped by %v", stop)
		}
		s.raw.Del(t.Context(), "conversation:{c"+s.token+"}:stream:s1", "conversation:{c"+s.token+"}:stream:s1/content")
		if v, _ := s.append(t, st, 2, "c"); v != chat.StreamIsLost {
			t.Errorf("append to what was lost: %s", v)
		}
		if v, _, _, _ := s.ConfirmStream(t.Context(), st, lease); v != chat.StreamIsLost {
			t.Errorf("confirm what was lost: %s", v)
		}
		again := open(t, s, streamOf(s, "A"))
		if again.Epoch <= st.Epoch {
			t.Errorf("epoch %d after %d", again.Epoch, st.Epoch)
		}
		if v, _ := s.EndStream(t.Context(), st.ConversationID, "s1", chat.StreamEnd{Dropped: "removed"}, true); v != chat.StreamIsOpen {
			t.Errorf("drop: %s", v)
		}
		if v, _ := s.append(t, again, 0, "a"); v != chat.StreamIsLost {
			t.Errorf("append to what was dropped: %s", v)
		}
		if v, _, _ := s.EnterStream(t.Context(), again, ""); v != chat.StreamHasEnded {
			t.Errorf("what was dropped begins again: %s", v)
		}
	})
}

// Who is removed writes no more, also where the stream was on trial; others go on.
func TestStreamsAreDropped(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		mine, other, trial := streamOf(s, "A"), streamOf(s, "B"), streamOf(s, "A")
		other.ID, other.Principal.ID, trial.ID = "s2", "a2", "s3"
		mine, other = open(t, s, mine), open(t, s, other)
		if v, _, err := s.EnterStream(t.Context(), trial, ""); v != chat.StreamEntered || err != nil {
			t.Fatal(v, err)
		}
		s.append(t, mine, 0, "a")
		dropped, err := s.DropStreams(t.Context(), mine.ConversationID, mine.Principal, "removed")
		if slices.Sort(dropped); err != nil || !slices.Equal(dropped, []string{"s1", "s3"}) {
			t.Errorf("dropped %v, %v", dropped, err)
		}
		if v, _, _, _ := s.ConfirmStream(t.Context(), trial, lease); v != chat.StreamHasEnded {
			t.Errorf("what was on trial is confirmed: %s", v)
		}
		if v, _ := s.append(t, mine, 1, "b"); v != chat.StreamIsLost {
			t.Errorf("who was removed appends: %s", v)
		}
		if v, _ := s.append(t, other, 0, "x"); v != chat.StreamIsOpen {
			t.Errorf("another agent appends: %s", v)
		}
		if dropped, err := s.DropStreams(t.Context(), mine.ConversationID, chat.Principal{}, "closed"); err != nil || !slices.Equal(dropped, []string{"s2"}) {
			t.Errorf("dropped %v, %v", dropped, err)
		}
	})
}

// However pieces are reordered, doubled and merged into whole parts, each character is
// handed out once and at its place, and the text is what was written.
func TestStreamPiecesInAnyOrder(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		for round := range 20 {
			seed := rand.Uint64()
			r := rand.New(rand.NewPCG(seed, 0))
			st := streamOf(s, "A")
			st.ID = fmt.Sprint("s", round)
			st = open(t, s, st)
			var pieces []chat.StreamPiece
			var text strings.Builder
			for i := range 12 {
				piece := strings.Repeat([]string{"a", "é", "😀", " "}[r.IntN(4)], 1+r.IntN(3))
				text.WriteString(piece)
				pieces = append(pieces, chat.StreamPiece{Part: "content", Index: i, Text: piece})
				if r.IntN(6) == 0 {
					pieces = append(pieces, chat.StreamPiece{Part: "content", Index: i, Text: text.String(), Whole: true})
				}
			}
			pieces = append(pieces, pieces[:r.IntN(len(pieces))]...)
			r.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
			var shown []uint16
			for _, piece := range pieces {
				v, d, _, _, err := s.AppendStream(t.Context(), st, piece, lease)
				if v != chat.StreamIsOpen || err != nil {
					t.Fatalf("seed %d: %s, %v", seed, v, err)
				}
				units := utf16Of(d.Text)
				if len(units) != d.Length || d.Offset > len(shown) {
					t.Fatalf("seed %d: %+v after %d", seed, d, len(shown))
				}
				if d.Offset+d.Length > len(shown) {
					shown = append(shown[:d.Offset:d.Offset], units...)
				}
				s.pass(time.Second)
			}
			got, err := s.Stream(t.Context(), st.ConversationID, st.ID)
			if err != nil || got.Parts[0].Text != text.String() || got.Parts[0].Next != 12 || got.Parts[0].Length != len(shown) || !slices.Equal(shown, utf16Of(text.String())) {
				t.Fatalf("seed %d: %+v, %v, want %q", seed, got.Parts, err, text.String())
			}
		}
	})
}

func utf16Of(s string) []uint16 { return utf16.Encode([]rune(s)) }
