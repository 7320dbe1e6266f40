package protocol_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

var (
	now   = time.Date(2027, 1, 15, 9, 0, 0, 7e6, time.FixedZone("CET", 3600))
	user  = chat.Principal{Type: chat.User, ID: "u1", OrgID: "o1"}
	agent = chat.Principal{Type: chat.Agent, ID: "a1", OrgID: "o1"}
)

const stamp = "2027-01-15T08:00:00.007Z" // now, as every frame has it

// answered completes what a sender hears as send does.
func answered(m chat.Message, agentOnline, delivered *bool, resync bool) protocol.Sent {
	sent := protocol.SentOf(m, false)
	sent.AgentOnline, sent.Delivered, sent.Resync = agentOnline, delivered, resync
	return sent
}

func TestFrames(t *testing.T) {
	yes, no := true, false
	connection := chat.Connection{ID: "PJqB0fHsqRcCHlw=", Principal: user}
	ofAgent := chat.Connection{ID: "x=", Principal: agent}
	sent := chat.Message{ID: "m1", ConversationID: "c1", Seq: 7, ClientMessageID: "k1", CreatedAt: now}
	for _, tt := range []struct {
		event, id string
		data      any
		want      string
	}{
		{protocol.EventPong, "", protocol.PongOf(nil, nil, false), `{"event":"pong","data":{"rooms":[]},"timestamp":"` + stamp + `"}`},
		{protocol.EventPong, "f1", protocol.PongOf([]chat.ConversationID{"c2", "c1", "c3"}, map[chat.ConversationID]int64{"c1": 7, "c2": 0}, true),
			`{"event":"pong","id":"f1","data":{"rooms":[{"conversationId":"c2","lastSeq":0},{"conversationId":"c1","lastSeq":7}],"resync":true},"timestamp":"` + stamp + `"}`},
		{protocol.EventConnected, "", protocol.ConnectedOf(connection),
			`{"event":"connected","data":{"connectionId":"PJqB0fHsqRcCHlw=","type":"user","userId":"u1"},"timestamp":"` + stamp + `"}`},
		{protocol.EventConnected, "", protocol.ConnectedOf(ofAgent),
			`{"event":"connected","data":{"connectionId":"x=","type":"agent","agentId":"a1"},"timestamp":"` + stamp + `"}`},
		{protocol.EventJoined, "f1", protocol.JoinedOf("c1", 7, chat.Company{Members: []chat.Principal{user, agent}, AgentOnline: true}),
			`{"event":"conversation:joined","id":"f1","data":{"conversationId":"c1","lastSeq":7,"members":[{"type":"user","id":"u1"},{"type":"agent","id":"a1"}],"memberCount":2,"agentOnline":true},"timestamp":"` + stamp + `"}`},
		{protocol.EventJoined, "f1", protocol.JoinedOf("c1", 7, chat.Company{Members: []chat.Principal{user}, Typing: []chat.Principal{agent}}),
			`{"event":"conversation:joined","id":"f1","data":{"conversationId":"c1","lastSeq":7,"members":[{"type":"user","id":"u1"}],"memberCount":1,"agentOnline":false,"typing":[{"type":"agent","id":"a1"}]},"timestamp":"` + stamp + `"}`},
		{protocol.EventJoined, "", protocol.JoinedOf("c1", 0, chat.Company{}),
			`{"event":"conversation:joined","data":{"conversationId":"c1","lastSeq":0,"members":[],"memberCount":0,"agentOnline":false},"timestamp":"` + stamp + `"}`},
		{protocol.EventLeft, "f1", protocol.Room{ConversationID: "c1"}, `{"event":"conversation:left","id":"f1","data":{"conversationId":"c1"},"timestamp":"` + stamp + `"}`},
		{protocol.EventUserLeft, "", protocol.MembershipOf("c1", user, agent),
			`{"event":"user:left","data":{"conversationId":"c1","type":"user","id":"u1","more":[{"type":"agent","id":"a1"}]},"timestamp":"` + stamp + `"}`},
		{protocol.EventUserJoined, "", protocol.MembershipOf("c1", user),
			`{"event":"user:joined","data":{"conversationId":"c1","type":"user","id":"u1"},"timestamp":"` + stamp + `"}`},
		{protocol.EventTypingStart, "", protocol.TypingNotice{ConversationID: "c1", Identity: protocol.IdentityOf(user), ExpiresIn: 3000},
			`{"event":"typing:start","data":{"conversationId":"c1","type":"user","id":"u1","expiresIn":3000},"timestamp":"` + stamp + `"}`},
		{protocol.EventPresence, "", protocol.PresenceOf(true, now, agent), `{"event":"presence:update","data":{"type":"agent","id":"a1","status":"online","at":"` + stamp + `"},"timestamp":"` + stamp + `"}`},
		{protocol.EventPresence, "", protocol.PresenceOf(false, now.Add(-time.Second), user, agent),
			`{"event":"presence:update","data":{"type":"user","id":"u1","status":"offline","at":"2027-01-15T07:59:59.007Z","more":[{"type":"agent","id":"a1"}]},"timestamp":"` + stamp + `"}`},
		{protocol.EventPresence, "", protocol.PresenceNow(user, false), `{"event":"presence:update","data":{"type":"user","id":"u1","status":"offline"},"timestamp":"` + stamp + `"}`},
		{protocol.EventMessageSent, "f1", answered(sent, &yes, nil, false),
			`{"event":"message:sent","id":"f1","data":{"messageId":"m1","conversationId":"c1","seq":7,"clientMessageId":"k1","createdAt":"` + stamp + `","agentOnline":true},"timestamp":"` + stamp + `"}`},
		{protocol.EventMessageSent, "f1", answered(sent, &no, &no, true),
			`{"event":"message:sent","id":"f1","data":{"messageId":"m1","conversationId":"c1","seq":7,"clientMessageId":"k1","createdAt":"` + stamp + `","agentOnline":false,"resync":true,"delivered":false},"timestamp":"` + stamp + `"}`},
		{protocol.EventMessageSent, "", protocol.SentOf(sent, true), // in lean
			`{"event":"message:sent","data":{"messageId":"m1","conversationId":"c1","seq":7,"clientMessageId":"k1","createdAt":"` + stamp + `","duplicate":true},"timestamp":"` + stamp + `"}`},
		{protocol.EventBacklog, "", protocol.Backlog{More: true, Cursor: "here"}, `{"event":"backlog","data":{"more":true,"cursor":"here"},"timestamp":"` + stamp + `"}`},
		{protocol.EventMessageDeleted, "", protocol.MessageGone{ConversationID: "c1", MessageID: "m1", Seq: 7, Version: 2},
			`{"event":"message:deleted","data":{"conversationId":"c1","messageId":"m1","seq":7,"version":2},"timestamp":"` + stamp + `"}`},
	} {
		if got := string(protocol.Frame(tt.event, tt.id, tt.data, now)); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.event, got, tt.want)
		}
	}
}

func TestErrorFrame(t *testing.T) {
	for want, err := range map[string]error{
		`{"code":"not_found","message":"no such conversation","retryable":false}`:                                                         chat.Errorf(chat.NotFound, "no such conversation"),
		`{"code":"unavailable","message":"try again","retryable":true}`:                                                                   chat.Unavailablef(errors.New("10.0.0.1"), "try again"),
		`{"code":"internal","message":"something went wrong on our side","retryable":false}`:                                              errors.New("10.0.0.1"),
		`{"code":"validation_failed","message":"some fields are not valid","retryable":false,"details":{"a":"is \"b\""}}`:                 chat.Invalid("a", `is "b"`),
		`{"code":"rate_limited","message":"too many requests; wait before the next one","retryable":true,"details":{"retryAfterMs":250}}`: chat.LimitedFor(250 * time.Millisecond),
		`{"code":"too_many_connections","message":"no","retryable":false}`:                                                                chat.Errorf(chat.TooManyConnections, "no"), // its client does not come back
	} {
		got := string(protocol.ErrorFrame("f1", err, now))
		if full := `{"event":"error","id":"f1","error":` + want + `,"timestamp":"` + stamp + `"}`; got != full {
			t.Errorf("got %s\nwant %s", got, full)
		}
	}
}

// longest makes an id of the greatest length there is.
func longest(prefix string) string { return prefix + strings.Repeat("x", chat.MaxID-len(prefix)) }

// worst returns a message in which everything but the content is as large as
// the domain allows it to be.
func worst(content string) chat.Message {
	name := strings.Repeat("\x01", chat.MaxMessageName)
	tools := func() []json.RawMessage {
		return []json.RawMessage{json.RawMessage(`{"x":"` + strings.Repeat("y", chat.MaxToolsBytes-8) + `"}`)}
	}
	return chat.Message{
		Draft: chat.Draft{
			Content: content, Role: chat.RoleSystem, Type: chat.TypeToolResult, Name: name, ParentID: chat.MessageID(longest("p")),
			Attachments: slices.Repeat([]chat.Attachment{chat.Attachment("https://e.com/" + strings.Repeat("x", chat.MaxAttachment-14))}, chat.MaxAttachments),
			Thinking:    &chat.Thinking{Content: strings.Repeat("\x01", chat.MaxThinking), Visible: true, Duration: 24 * time.Hour},
			ToolCalls:   tools(), ToolResults: tools(),
			Usage:   &chat.Usage{PromptTokens: chat.MaxTokens, CompletionTokens: chat.MaxTokens, TotalTokens: chat.MaxTokens},
			Latency: 24 * time.Hour, Error: strings.Repeat("\x01", chat.MaxMessageError),
		},
		ID: chat.MessageID(longest("m")), ConversationID: chat.ConversationID(longest("c")), Seq: math.MaxInt64,
		Sender: chat.Principal{Type: chat.Agent, ID: chat.PrincipalID(longest("a")), OrgID: chat.OrgID(longest("o"))}, Status: chat.StatusDelivered,
		ClientMessageID: chat.ClientMessageID(longest("k")), CreatedAt: now, UpdatedAt: now,
	}
}

func dataOf[T any](t testing.TB, frame []byte) T {
	t.Helper()
	var f struct{ Data T }
	if err := json.Unmarshal(frame, &f); err != nil {
		t.Fatalf("%v in %.200q", err, frame)
	}
	return f.Data
}

func contents(size int) map[string]string {
	fill := func(s string) string { return chat.TruncateUTF8(strings.Repeat(s, size/len(s)+1), size) }
	return map[string]string{
		"letters": fill("x"), "control characters": fill("\x01"), "line breaks": fill("\n"), "quotes": fill(`"`), "backslashes": fill(`\`),
		"emoji": fill("😀"), "accents": fill("é"), "markup": fill("<&>"), "separators": fill("\u2028"), "mixed": fill("a\x00é\"😀"),
		"letters, then control": fill("x")[:size/2] + fill("\x01")[:size/2],
	}
}

func TestMessageFrameIsBounded(t *testing.T) {
	for _, size := range []int{0, 28_500, 29_700, chat.MaxContentREST} {
		for name, content := range contents(size) {
			plain := chat.Message{Draft: chat.Draft{Content: content, Role: chat.RoleUser, Type: chat.TypeText}, ID: "m1", ConversationID: "c1", Seq: 1, Sender: user}
			for kind, m := range map[string]chat.Message{"plain": plain, "worst": worst(content)} {
				frame := protocol.MessageFrame(protocol.EventMessageFromUser, m, now)
				got := dataOf[protocol.Message](t, frame)
				if len(frame) > protocol.MaxFrame || !strings.HasPrefix(content, got.Content) || !utf8.ValidString(got.Content) {
					t.Errorf("%s, %d bytes of %s: a frame of %d bytes with content of %d", kind, size, name, len(frame), len(got.Content))
				}
				if whole := kind == "plain" && got.Content == content; got.Truncated == whole {
					t.Errorf("%s, %d bytes of %s: truncated %v with content of %d", kind, size, name, got.Truncated, len(got.Content))
				}
				// What is cut is cut no further than it must be.
				if got.Truncated && len(frame) < protocol.MaxFrame-1000 && got.Content != content {
					t.Errorf("%s, %d bytes of %s: cut to a frame of %d", kind, size, name, len(frame))
				}
			}
		}
	}
}

// TestForYou: the agent that is asked hears so in the message itself, also in one
// that is cut, and nobody else does.
func TestForYou(t *testing.T) {
	for name, m := range map[string]chat.Message{"plain": {ID: "m1", Draft: chat.Draft{Content: "hi"}}, "worst": worst(strings.Repeat("x", chat.MaxContentREST))} {
		frame := protocol.MessageForYouFrame(m, now)
		got := dataOf[protocol.Message](t, frame)
		if !got.ForYou || len(frame) > protocol.MaxFrame || got.Truncated != (name == "worst") || !strings.HasPrefix(string(frame), `{"event":"message:new",`) {
			t.Errorf("%s: %.200s", name, frame)
		}
		if got.ForYou = false; name == "plain" && fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", protocol.MessageOf(m)) {
			t.Errorf("%s: got %+v", name, got)
		}
		if other := protocol.MessageFrame(protocol.EventMessageNew, m, now); strings.Contains(string(other), "forYou") {
			t.Errorf("%s: %.200s", name, other)
		}
	}
}

// TestCutInOrder: what a reader misses least goes first.
func TestCutInOrder(t *testing.T) {
	big := func(n int) []json.RawMessage {
		return []json.RawMessage{json.RawMessage(`{"x":"` + strings.Repeat("y", n) + `"}`)}
	}
	base := chat.Draft{Content: "c", Attachments: []chat.Attachment{"document:d"}, Error: "e"}
	for name, tt := range map[string]struct {
		thinking, tools int
		want            string
	}{
		"fits":            {100, 100, "thinking tools attachments"},
		"thinking goes":   {30_000, 100, "tools attachments"},
		"tools go":        {100, 30_000, "attachments"},
		"both go":         {30_000, 30_000, "attachments"},
		"together they":   {16_000, 8_000, "tools attachments"},
		"tools in halves": {0, 15_000, "attachments"},
	} {
		d := base
		d.Thinking = &chat.Thinking{Content: strings.Repeat("t", tt.thinking)}
		d.ToolCalls, d.ToolResults = big(tt.tools), big(tt.tools)
		got := dataOf[protocol.Message](t, protocol.MessageFrame(protocol.EventMessageNew, chat.Message{Draft: d, Seq: 1}, now))
		var left []string
		if got.Thinking != nil {
			left = append(left, "thinking")
		}
		if len(got.ToolCalls)+len(got.ToolResults) == 2 {
			left = append(left, "tools")
		}
		if len(got.Attachments) == 1 && got.Error == "e" {
			left = append(left, "attachments")
		}
		if s := strings.Join(left, " "); s != tt.want || got.Content != "c" || got.Truncated != (tt.want != "thinking tools attachments") {
			t.Errorf("%s: left %q, want %q, truncated %v", name, s, tt.want, got.Truncated)
		}
	}
}

func TestDeletedMessage(t *testing.T) {
	m := worst("secret")
	m.Deleted = true
	got := dataOf[protocol.Message](t, protocol.MessageFrame(protocol.EventMessageNew, m, now))
	want := protocol.Message{
		ID: m.ID, ConversationID: m.ConversationID, Seq: m.Seq, ParticipantID: m.Sender.ID, ParticipantType: m.Sender.Type, Role: m.Role, Type: m.Type,
		Status: m.Status, ClientMessageID: m.ClientMessageID, CreatedAt: stamp, UpdatedAt: stamp, IsDeleted: true,
	}
	if a, b := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); a != b {
		t.Errorf("got %s\nwant %s", a, b)
	}
}

func TestOtherFramesAreBounded(t *testing.T) {
	var members []chat.Principal
	var c chat.Conversation
	for i := range chat.MaxParticipants {
		p := chat.Principal{Type: chat.Agent, ID: chat.PrincipalID(longest(fmt.Sprint(i))), OrgID: "o1"}
		members = append(members, p)
		c.Participants = append(c.Participants, chat.Participant{Type: p.Type, ID: p.ID, Joined: now})
	}
	longID, frameID := chat.ConversationID(longest("c")), strings.Repeat("\x01", protocol.MaxFrameID)
	joined := protocol.JoinedOf(longID, math.MaxInt64, chat.Company{Members: members, Typing: members, AgentOnline: true})
	frame := protocol.Frame(protocol.EventJoined, frameID, joined, now)
	if len(frame) > protocol.MaxFrame || joined.MemberCount != len(members) || len(joined.Members) != 130 || len(joined.Typing) != 20 {
		t.Errorf("joined: %d bytes, %d of %d members, %d type", len(frame), len(joined.Members), joined.MemberCount, len(joined.Typing))
	}
	parted := protocol.MembershipOf(longID, members...)
	if frame := protocol.Frame(protocol.EventUserLeft, "", parted, now); len(frame) > protocol.MaxFrame || len(parted.More) != 130 || parted.ID != members[0].ID || parted.More[0].ID != members[1].ID {
		t.Errorf("left: %d bytes, %d more", len(frame), len(parted.More))
	}
	offline := protocol.PresenceOf(false, now, members...)
	if frame := protocol.Frame(protocol.EventPresence, "", offline, now); len(frame) > protocol.MaxFrame || len(offline.More) != 130 || offline.ID != members[0].ID || offline.More[0].ID != members[1].ID {
		t.Errorf("presence: %d bytes, %d more", len(frame), len(offline.More))
	}
	var rooms []chat.ConversationID
	heads := map[chat.ConversationID]int64{}
	for i := range 151 {
		rooms = append(rooms, chat.ConversationID(longest(fmt.Sprint(i))))
		heads[rooms[i]] = math.MaxInt64
	}
	for n, truncated := range map[int]bool{150: false, 151: true} {
		pong := protocol.PongOf(rooms[:n], heads, true)
		if frame := protocol.Frame(protocol.EventPong, frameID, pong, now); len(frame) > protocol.MaxFrame || len(pong.Rooms) != 150 || pong.Truncated != truncated {
			t.Errorf("pong: %d bytes, %d of %d rooms, truncated %v", len(frame), len(pong.Rooms), n, pong.Truncated)
		}
	}
	// Who is no participant of a room does not fill the pong with it.
	delete(heads, rooms[3])
	if pong := protocol.PongOf(rooms, heads, false); len(pong.Rooms) != 150 || pong.Truncated {
		t.Errorf("pong: %d rooms, truncated %v", len(pong.Rooms), pong.Truncated)
	}

	few := protocol.ConversationFrame(protocol.EventConversationUpdated, chat.Conversation{ID: "c1", Title: "t", Participants: c.Participants[:2]}, now)
	if got := dataOf[protocol.Conversation](t, few); got.Truncated || len(got.Participants) != 2 || got.Title != "t" {
		t.Errorf("a small conversation: %s", few)
	}
	c.ID, c.OrgID, c.AgentID = chat.ConversationID(longest("c")), chat.OrgID(longest("o")), chat.PrincipalID(longest("a"))
	c.Summary = &chat.Summary{Model: "gpt-4o-mini"}
	for name, char := range map[string]string{"letters": "x", "emoji": "😀", "control characters": "\x01"} {
		c.Title, c.Description = strings.Repeat(char, chat.MaxTitle), strings.Repeat(char, chat.MaxDescription)
		c.Tags, c.ContextSummary = slices.Repeat([]string{strings.Repeat(char, chat.MaxTag)}, chat.MaxTags), strings.Repeat(char, 2000)
		c.LastMessage = &chat.LastMessage{Content: strings.Repeat(char, 100)}
		frame := protocol.ConversationFrame(protocol.EventConversationUpdated, c, now)
		got := dataOf[protocol.Conversation](t, frame)
		if len(frame) > protocol.MaxFrame || !got.Truncated || got.Title != c.Title {
			t.Errorf("conversation of %s: %d bytes, truncated %v", name, len(frame), got.Truncated)
		}
	}
}

// log makes n messages whose sizes differ, from seq first on.
func log(first int64, n int) []chat.Message {
	out := make([]chat.Message, n)
	for i := range out {
		seq := first + int64(i)
		out[i] = chat.Message{
			Draft: chat.Draft{Content: strings.Repeat("\"é", int(seq*seq*37%7000))}, ID: "m", ConversationID: "c1", Seq: seq, Sender: user, CreatedAt: now, UpdatedAt: now,
		}
	}
	return out
}

// TestHistoryFrames follows a history frame by frame in both directions: no
// message is lost or repeated, the order is right, each cursor goes on where
// the frame ends, and every frame can be sent.
func TestHistoryFrames(t *testing.T) {
	for _, n := range []int{0, 1, 2, 100} {
		for _, dir := range []protocol.HistoryDirection{protocol.Newer, protocol.Older} {
			for _, more := range []bool{false, true} {
				name := fmt.Sprintf("%d messages, newer %v, more %v", n, dir, more)
				const first = 101
				messages := log(first, n)
				frames := protocol.HistoryFrames(strings.Repeat("\x01", protocol.MaxFrameID), chat.Principal{}, "c1", messages, dir, more, now)
				if len(frames) == 0 || n == 100 && len(frames) < 2 {
					t.Fatalf("%s: %d frames", name, len(frames))
				}
				next := int64(first) // the seq that must come next
				if dir == protocol.Older {
					next = first + int64(n) - 1
				}
				for i, frame := range frames {
					if len(frame) > protocol.MaxFrame {
						t.Errorf("%s: a frame of %d bytes", name, len(frame))
					}
					h := dataOf[struct {
						ConversationID              string
						Messages                    []protocol.Message
						HasMore                     bool
						NextAfterSeq, NextBeforeSeq int64
					}](t, frame)
					if !slices.IsSortedFunc(h.Messages, func(a, b protocol.Message) int { return int(a.Seq - b.Seq) }) || h.ConversationID != "c1" || h.Messages == nil {
						t.Errorf("%s: frame %d: %d messages of %q", name, i, len(h.Messages), h.ConversationID)
					}
					if dir == protocol.Older {
						slices.Reverse(h.Messages)
					}
					for _, m := range h.Messages {
						if m.Seq != next || m.Content != messages[m.Seq-first].Content || m.Truncated {
							t.Fatalf("%s: frame %d has seq %d, want %d", name, i, m.Seq, next)
						}
						if dir == protocol.Older {
							next--
						} else {
							next++
						}
					}
					wantMore := more || i < len(frames)-1
					after, before := next-1, int64(0)
					if dir == protocol.Older {
						after, before = 0, next+1
					}
					if !wantMore || n == 0 {
						after, before = 0, 0
					}
					if h.HasMore != wantMore || h.NextAfterSeq != after || h.NextBeforeSeq != before {
						t.Errorf("%s: frame %d: hasMore %v, after %d, before %d", name, i, h.HasMore, h.NextAfterSeq, h.NextBeforeSeq)
					}
				}
				if end := int64(first) + int64(n); dir == protocol.Newer && next != end || dir == protocol.Older && next != first-1 {
					t.Errorf("%s: ends before seq %d", name, next)
				}
			}
		}
	}
}

func TestHistoryOfLargeMessages(t *testing.T) {
	messages := []chat.Message{worst(strings.Repeat("\x01", chat.MaxContentREST)), worst("x"), worst(strings.Repeat("😀", chat.MaxContentREST/4))}
	for i := range messages {
		messages[i].Seq = int64(i + 1)
	}
	for _, frame := range protocol.HistoryFrames("", chat.Principal{}, messages[0].ConversationID, messages, protocol.Newer, true, now) {
		h := dataOf[struct{ Messages []protocol.Message }](t, frame)
		if len(frame) > protocol.MaxFrame || len(h.Messages) == 0 || !h.Messages[0].Truncated {
			t.Errorf("%d messages in a frame of %d bytes", len(h.Messages), len(frame))
		}
	}
}

// FuzzMessageFrame: whatever the content, the frame fits and holds the
// beginning of it.
func FuzzMessageFrame(f *testing.F) {
	f.Add("x", 40_000, "")
	f.Add("\x00\"é😀", 9_000, "thought")
	f.Fuzz(func(t *testing.T, unit string, times int, thinking string) {
		if !utf8.ValidString(unit) || !utf8.ValidString(thinking) || unit == "" || times < 0 || times > chat.MaxContentREST/len(unit) || len(thinking) > chat.MaxThinking {
			return
		}
		content := strings.Repeat(unit, times)
		m := worst(content)
		m.Thinking.Content = thinking
		frame := protocol.MessageFrame(protocol.EventMessageNew, m, now)
		got := dataOf[protocol.Message](t, frame)
		if len(frame) > protocol.MaxFrame || !strings.HasPrefix(content, got.Content) || !got.Truncated {
			t.Errorf("%q × %d: a frame of %d bytes, %d of %d bytes of content", unit, times, len(frame), len(got.Content), len(content))
		}
	})
}

func BenchmarkMessageFrame(b *testing.B) {
	for _, size := range []int{200, 20_000, chat.MaxContentREST} {
		m := chat.Message{
			Draft: chat.Draft{Content: strings.Repeat("word ", size/5), Role: chat.RoleUser, Type: chat.TypeText}, ID: "507f1f77bcf86cd799439011",
			ConversationID: "507f1f77bcf86cd799439012", Seq: 7, Sender: user, Status: chat.StatusSent, ClientMessageID: "k1", CreatedAt: now, UpdatedAt: now,
		}
		b.Run(fmt.Sprint(size, " bytes"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				protocol.MessageFrame(protocol.EventMessageNew, m, now)
			}
		})
	}
}

func BenchmarkHistoryFrames(b *testing.B) {
	messages := log(1, 50)
	b.ReportAllocs()
	for b.Loop() {
		protocol.HistoryFrames("f1", chat.Principal{}, "c1", messages, protocol.Older, true, now)
	}
}
