package presence_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/presence"
)

func (s *server) piece(t *testing.T, st chat.Stream, p chat.StreamPiece) (chat.StreamVerdict, chat.StreamDelta, error) {
	t.Helper()
	s.pass(time.Second) // the rate
	v, d, _, _, err := s.AppendStream(t.Context(), st, p, lease)
	return v, d, err
}

// A whole part stands for every piece up to its index; those beyond stay, and so do
// the pieces before it that come late: they change nothing.
func TestWholeParts(t *testing.T) {
	type piece struct {
		index int
		text  string
		whole bool
	}
	for name, tt := range map[string]struct {
		pieces []piece
		text   string
		next   int
		last   chat.StreamDelta // of the last piece
	}{
		"the first":              {[]piece{{0, "a", true}}, "a", 1, chat.StreamDelta{Text: "a", Length: 1}},
		"repairs a gap":          {[]piece{{0, "a", false}, {2, "abc", true}}, "abc", 3, chat.StreamDelta{Text: "abc", Length: 3}},
		"what is beyond stays":   {[]piece{{0, "a", false}, {3, "d", false}, {2, "abc", true}}, "abcd", 4, chat.StreamDelta{Text: "abcd", Length: 4}},
		"further beyond waits":   {[]piece{{4, "e", false}, {2, "abc", true}, {3, "d", false}}, "abcde", 5, chat.StreamDelta{Offset: 3, Text: "de", Length: 2}},
		"what was kept before":   {[]piece{{1, "b", false}, {2, "abc", true}, {3, "d", false}}, "abcd", 4, chat.StreamDelta{Offset: 3, Text: "d", Length: 1}},
		"it is old":              {[]piece{{0, "a", false}, {1, "b", false}, {0, "a", true}}, "ab", 2, chat.StreamDelta{Offset: 2}},
		"the piece it stood for": {[]piece{{1, "ab", true}, {1, "b", false}, {0, "a", false}}, "ab", 2, chat.StreamDelta{Offset: 2}},
		"twice":                  {[]piece{{1, "ab", true}, {1, "ab", true}}, "ab", 2, chat.StreamDelta{Offset: 2}},
		"far ahead":              {[]piece{{0, "a", false}, {19_999, "abc", true}}, "abc", 20_000, chat.StreamDelta{Text: "abc", Length: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
				st := open(t, s, streamOf(s, "A"))
				var last chat.StreamDelta
				for _, p := range tt.pieces {
					v, d, err := s.piece(t, st, chat.StreamPiece{Part: "content", Index: p.index, Text: p.text, Whole: p.whole})
					if v != chat.StreamIsOpen || err != nil {
						t.Fatal(v, err)
					}
					last = d
				}
				last.Epoch, last.Part = 0, ""
				if last != tt.last {
					t.Errorf("the last handed out %+v, want %+v", last, tt.last)
				}
				got, err := s.Stream(t.Context(), st.ConversationID, st.ID)
				if err != nil || got.Parts[0].Text != tt.text || got.Parts[0].Next != tt.next {
					t.Errorf("%+v, %v", got.Parts, err)
				}
			})
		})
	}
}

// What a stream keeps is bounded, and what is refused has changed nothing.
func TestStreamLimits(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		st := open(t, s, streamOf(s, "A"))
		text := strings.Repeat("x", 30_000)
		code := func(p chat.StreamPiece) chat.Code {
			t.Helper()
			_, _, err := s.piece(t, st, p)
			if err == nil {
				return ""
			}
			return chat.CodeOf(err)
		}
		for i := 1; i <= 18; i++ {
			want := chat.Code("")
			if i == 18 { // 17 times 30 KB wait already
				want = chat.Conflict
			}
			if got := code(chat.StreamPiece{Part: "content", Index: i, Text: text}); got != want {
				t.Errorf("piece %d beyond: %s, want %s", i, got, want)
			}
		}
		if got := code(chat.StreamPiece{Part: "content", Index: 0, Text: text}); got != chat.PayloadTooLarge {
			t.Errorf("what makes it too long: %s", got)
		}
		if got := code(chat.StreamPiece{Part: "content", Index: 201, Text: "x"}); got != chat.Conflict {
			t.Errorf("far beyond: %s", got)
		}
		if got := code(chat.StreamPiece{Part: "content", Index: 17, Text: "short", Whole: true}); got != "" {
			t.Errorf("the whole in their place: %s", got)
		}
		for i := range 34 {
			want := chat.Code("")
			if i == 33 {
				want = chat.PayloadTooLarge
			}
			if got := code(chat.StreamPiece{Part: "tool:" + name(i), Index: 0, Text: "x"}); got != want {
				t.Errorf("part %d: %s, want %s", i+1, got, want)
			}
		}
		got, err := s.Stream(t.Context(), st.ConversationID, st.ID)
		if err != nil || len(got.Parts) != 34 || got.Parts[0].Text != "short" || got.Parts[0].Next != 18 {
			t.Errorf("%d parts, %v", len(got.Parts), err)
		}
		if got := code(chat.StreamPiece{Part: "content", Index: 30, Text: text}); got != "" {
			t.Errorf("beyond, when there is room again: %s", got)
		}
	})
}

// The text of a stream is never the hash of another, whatever their ids are.
func TestStreamsWithIDsThatLookLikeParts(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		one := open(t, s, streamOf(s, "A"))
		for _, id := range []string{"s1:content", "s1:rate", "s1:content:content"} {
			st := streamOf(s, "A")
			st.ID = id
			st = open(t, s, st)
			if v, d := s.append(t, st, 0, "theirs"); v != chat.StreamIsOpen || d.Text != "theirs" {
				t.Errorf("%s: %s %+v", id, v, d)
			}
		}
		if v, d := s.append(t, one, 0, "mine"); v != chat.StreamIsOpen || d.Text != "mine" {
			t.Errorf("%s %+v", v, d)
		}
		if got, _ := s.Stream(t.Context(), one.ConversationID, "s1"); got.Parts[0].Text != "mine" {
			t.Errorf("%+v", got.Parts)
		}
	})
}

// A text that outlived its hash is not the beginning of what comes.
func TestATextWithoutItsStream(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		st := open(t, s, streamOf(s, "A"))
		s.append(t, st, 0, "before")
		s.lose(t, "conversation:{c"+s.token+"}:stream:s1")
		st = open(t, s, streamOf(s, "A"))
		if _, d := s.append(t, st, 0, "after"); d.Text != "after" || d.Offset != 0 {
			t.Errorf("%+v", d)
		}
		if got, _ := s.Stream(t.Context(), st.ConversationID, "s1"); got.Parts[0].Text != "after" {
			t.Errorf("%+v", got.Parts)
		}
	})
}

// What an agent does is kept, renews the lease, and leaves the texts alone; they live
// longer than the stream's last sign of life, for only the part that grows is touched.
func TestStreamDoing(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		st := open(t, s, streamOf(s, "A"))
		before, _ := s.Stream(t.Context(), st.ConversationID, "s1")
		s.append(t, st, 0, "a")
		v, d, err := s.piece(t, st, chat.StreamPiece{Part: "content", Doing: "tool"})
		if v != chat.StreamIsOpen || err != nil || d.Doing != "tool" || d.Text != "" || d.Epoch != st.Epoch {
			t.Errorf("%s %+v %v", v, d, err)
		}
		got, err := s.Stream(t.Context(), st.ConversationID, "s1")
		if err != nil || got.Doing != "tool" || got.Parts[0].Text != "a" || got.Parts[0].Next != 1 || !got.Lease.After(before.Lease) {
			t.Errorf("%+v, %v", got, err)
		}
		hash := "conversation:{c" + s.token + "}:stream:s1"
		if s.raw.TTL(t.Context(), hash+"/content").Val() < 2*s.raw.TTL(t.Context(), hash).Val() {
			t.Error("a text that has not grown for long would be lost")
		}
	})
}

// A drop of what was entered on trial leaves what began since.
func TestADropIsOfOneBeginning(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		st := streamOf(s, "A")
		_, entered, err := s.EnterStream(t.Context(), st, "")
		must(t, err)
		open(t, s, st)
		if v, _ := s.EndStream(t.Context(), st.ConversationID, "s1", chat.StreamEnd{Dropped: "refused", Epoch: entered.Epoch}, false); v != chat.StreamIsWritten {
			t.Errorf("%s", v)
		}
		if got, _ := s.Stream(t.Context(), st.ConversationID, "s1"); got.State != chat.StreamOpen {
			t.Errorf("%+v", got)
		}
	})
}

// An append is one round trip to one slot, with two commands; that of a piece alone
// runs at most ten in its script.
func TestAppendIsOneRoundTrip(t *testing.T) {
	s := onMini(t, presence.Limits{})
	st := open(t, s, streamOf(s, "A"))
	s.append(t, st, 0, "warm")
	commands, writes := s.sent(t, func() { s.append(t, st, 1, "x") })
	if writes != 1 || strings.Join(commands, " ") != "EVAL HGETALL" {
		t.Errorf("%v in %d writes", commands, writes)
	}
}

// An agent has so many streams open in a conversation, and others have their own.
func TestStreamsOfOneAgent(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		st := streamOf(s, "A")
		enter := func(st chat.Stream, id string) chat.Code {
			t.Helper()
			st.ID = id
			if _, _, err := s.EnterStream(t.Context(), st, ""); err != nil {
				return chat.CodeOf(err)
			}
			return ""
		}
		for i := range 100 {
			if code := enter(st, fmt.Sprint("s", i)); code != "" {
				t.Fatalf("stream %d: %s", i, code)
			}
		}
		other := st
		other.Principal.ID = "another"
		for i, got := range []chat.Code{enter(st, "more"), enter(st, "s7"), enter(other, "theirs")} {
			if want := []chat.Code{chat.RateLimited, "", ""}[i]; got != want {
				t.Errorf("%d: %q, want %q", i, got, want)
			}
		}
		if _, err := s.EndStream(t.Context(), st.ConversationID, "s7", chat.StreamEnd{Dropped: "aborted"}, true); err != nil {
			t.Fatal(err)
		}
		if code := enter(st, "more"); code != "" {
			t.Errorf("after an end: %s", code)
		}
	})
}
