package protocol_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// TestStreamFields are frames of stream and stop with one thing wrong, or nothing. The
// field is named in the details.
func TestStreamFields(t *testing.T) {
	long := strings.Repeat("x", 129)
	step := strings.Repeat("0", 32) + ":0:0" // of a run
	for _, tt := range []struct{ kind, fields, wrong string }{
		{"stream", `"state":"start"`, ""},
		{"stream", `"state":"start","parentId":"q1","clientMessageId":"s1"`, ""},
		{"stream", `"state":"append","index":0,"text":"a"`, ""},
		{"stream", `"state":"append","index":19999,"part":"thinking","text":"a","whole":true`, ""},
		{"stream", `"state":"append","index":0,"part":"tool:call_0:1.2-3","text":"a"`, ""},
		{"stream", `"state":"append","status":"thinking"`, ""},
		{"stream", `"state":"append","status":"generating"`, ""},
		{"stream", `"state":"append","status":"tool"`, ""},
		{"stream", `"state":"append","status":"waiting"`, ""},
		{"stream", `"state":"end","content":"a","usage":{"totalTokens":1},"thinking":{"content":"t"}`, ""},
		{"stream", `"state":"end","pieces":{"content":0}`, ""},
		{"stream", `"state":"end","pieces":{"content":7,"thinking":0,"tool:x":1}`, ""},
		{"stream", `"state":"end","pieces":{"content":7},"thinking":{"content":"t"}`, ""},
		{"stream", `"state":"abort"`, ""},
		{"stream", `"state":"abort","reason":"boom","cancelled":true`, ""},

		{"stream", ``, "state"},
		{"stream", `"state":"Start"`, "state"},
		{"stream", `"state":"sent"`, "state"},
		{"stream", `"state":1`, "state"},
		{"stream", `"state":"start","streamId":""`, "streamId"},
		{"stream", `"state":"start","streamId":"a/b"`, "streamId"},
		{"stream", `"state":"start","streamId":"a{b}"`, "streamId"},
		{"stream", `"state":"start","streamId":"` + long + `"`, "streamId"},
		{"stream", `"state":"start","streamId":7`, "streamId"},
		{"stream", `"state":"start","streamId":"` + step + `"`, "streamId"},
		{"stream", `"state":"append","index":0,"text":"a","streamId":"` + step + `"`, "streamId"},
		{"stream", `"state":"end","content":"a","streamId":"` + step + `"`, "streamId"},
		{"stream", `"state":"abort","streamId":"` + step + `"`, "streamId"},
		{"stream", `"state":"start","streamId":"approval:` + step + `"`, "streamId"},
		{"stream", `"state":"start","streamId":"` + step + `:1"`, ""},
		{"stop", `"streamId":"` + step + `"`, ""},
		{"stream", `"state":"start","conversationId":""`, "conversationId"},
		{"stream", `"state":"start","conversationId":"c{1}"`, "conversationId"},
		{"stream", `"state":"start","parentId":"q{1}"`, "parentId"},
		{"stream", `"state":"start","clientMessageId":"other"`, "clientMessageId"},
		{"stream", `"state":"start","id":"` + long + `"`, "id"},
		{"stream", `"state":"start","content":"a"`, "content"},
		{"stream", `"state":"start","text":"a"`, "text"},
		{"stream", `"state":"start","status":"tool"`, "status"},
		{"stream", `"state":"start","pieces":{"content":1}`, "pieces"},
		{"stream", `"state":"start","seq":1`, "seq"},

		{"stream", `"state":"append","text":"a"`, "index"},
		{"stream", `"state":"append","index":-1,"text":"a"`, "index"},
		{"stream", `"state":"append","index":20000,"text":"a"`, "index"},
		{"stream", `"state":"append","index":1.5,"text":"a"`, "index"},
		{"stream", `"state":"append","index":"1","text":"a"`, "index"},
		{"stream", `"state":"append","index":9223372036854775808,"text":"a"`, "index"},
		{"stream", `"state":"append","index":0`, "text"},
		{"stream", `"state":"append","index":0,"text":""`, "text"},
		{"stream", `"state":"append","index":0,"text":["a"]`, "text"},
		{"stream", `"state":"append","index":0,"text":"a","part":"Content"`, "part"},
		{"stream", `"state":"append","index":0,"text":"a","part":"tool:"`, "part"},
		{"stream", `"state":"append","index":0,"text":"a","part":"tool:a b"`, "part"},
		{"stream", `"state":"append","index":0,"text":"a","part":"tool:a\n"`, "part"},
		{"stream", `"state":"append","index":0,"text":"a","part":"tool:` + long + `"`, "part"},
		{"stream", `"state":"append","index":0,"text":"a","part":"rate"`, "part"},
		{"stream", `"state":"append","index":0,"whole":true,"text":"` + strings.Repeat("x", 20_000) + `"`, "text"},
		{"stream", `"state":"append","index":0,"whole":true,"text":"` + strings.Repeat(`\n`, 10_000) + `"`, "text"},
		{"stream", `"state":"append","index":0,"whole":1,"text":"a"`, "whole"},
		{"stream", `"state":"append","status":"busy"`, "status"},
		{"stream", `"state":"append","status":"tool","index":0,"text":"a"`, "status"},
		{"stream", `"state":"append","status":"tool","part":"content"`, "status"},
		{"stream", `"state":"append","index":0,"text":"a","content":"a"`, "content"},
		{"stream", `"state":"append","index":0,"text":"a","parentId":"q1"`, "parentId"},
		{"stream", `"state":"append","index":0,"text":"a","pieces":{}`, "pieces"},
		{"stream", `"state":"append","index":0,"text":"a","reason":"a"`, "reason"},
		{"stream", `"state":"append","index":0,"text":"a","usage":{"totalTokens":1}`, "usage"},

		{"stream", `"state":"end","pieces":{}`, "pieces"},
		{"stream", `"state":"end","pieces":{"thinking":1}`, "pieces"},
		{"stream", `"state":"end","pieces":{"content":-1}`, "pieces"},
		{"stream", `"state":"end","pieces":{"content":20001}`, "pieces"},
		{"stream", `"state":"end","pieces":{"content":1,"other":1}`, "pieces"},
		{"stream", `"state":"end","pieces":{"content":"1"}`, "pieces.content"},
		{"stream", `"state":"end","pieces":[1]`, "pieces"},
		{"stream", `"state":"end","pieces":{"content":1},"content":"a"`, "content"},
		{"stream", `"state":"end","pieces":{"content":1,"thinking":1},"thinking":{"content":"t"}`, "thinking"},
		{"stream", `"state":"end","content":"a","text":"a"`, "text"},
		{"stream", `"state":"end","content":"a","index":1`, "index"},
		{"stream", `"state":"end","content":"a","whole":true`, "whole"},
		{"stream", `"state":"end","content":"a","part":"content"`, "part"},
		{"stream", `"state":"end","content":"a","cancelled":true`, "cancelled"},

		{"stream", `"state":"abort","content":"a"`, "content"},
		{"stream", `"state":"abort","pieces":{"content":1}`, "pieces"},
		{"stream", `"state":"abort","reason":"` + strings.Repeat("x", 2001) + `"`, "reason"},
		{"stream", `"state":"abort","cancelled":"yes"`, "cancelled"},
		{"stream", `"state":"abort","toolCalls":[]`, "toolCalls"},

		{"stop", ``, ""},
		{"stop", `"streamId":"s1"`, ""},
		{"stop", `"messageId":"q1"`, ""},
		{"stop", `"streamId":"s1","messageId":"q1"`, "messageId"},
		{"stop", `"streamId":"a/b"`, "streamId"},
		{"stop", `"messageId":"` + long + `"`, "messageId"},
		{"stop", `"messageId":{"$ne":""}`, "messageId"},
		{"stop", `"conversationId":""`, "conversationId"},
		{"stop", `"runId":"r1"`, "runId"},
		{"stop", `"state":"start"`, "state"},
	} {
		fields := map[string]bool{}
		data := `"action":"` + tt.kind + `"`
		for _, f := range []string{`"conversationId":"c1"`, `"streamId":"s1"`} {
			if tt.kind == "stop" && strings.Contains(f, "streamId") || strings.Contains(tt.fields, strings.SplitAfter(f, ":")[0]) {
				continue
			}
			data += "," + f
		}
		if tt.fields != "" {
			data += "," + tt.fields
		}
		err := map[string]func(string) error{"stream": check[protocol.Stream], "stop": check[protocol.Stop]}[tt.kind]("{" + data + "}")
		if err != nil {
			for name := range chat.Public(err).Details {
				fields[name] = true
			}
		}
		if (err != nil) != (tt.wrong != "") || tt.wrong != "" && (!fields[tt.wrong] || chat.CodeOf(err) != chat.ValidationFailed) {
			t.Errorf("%s %.80s: %v, want %q", tt.kind, tt.fields, err, tt.wrong)
		}
	}
}

func FuzzDecodeStream(f *testing.F) {
	fuzz[protocol.Stream](f,
		`{"action":"stream","conversationId":"c1","streamId":"s1","state":"start","parentId":"q1"}`,
		`{"action":"stream","conversationId":"c1","streamId":"s1","state":"append","index":0,"part":"tool:x","text":"a","whole":true}`,
		`{"action":"stream","conversationId":"c1","streamId":"s1","state":"end","pieces":{"content":1,"thinking":2}}`,
		`{"action":"stream","conversationId":"c1","streamId":"s1","state":"abort","reason":"x","cancelled":true}`)
}

func FuzzDecodeStop(f *testing.F) {
	fuzz[protocol.Stop](f, `{"action":"stop","conversationId":"c1","streamId":"s1"}`, `{"action":"stop","conversationId":"c1","messageId":"q1"}`)
}

// Whatever a frame of stream says, what it adds can be told to the room in frames that
// fit, of which each says where it stands and together say all of it.
func FuzzStreamDeltaFrames(f *testing.F) {
	f.Add("a", 100_000, 7)
	f.Add("\x00\"é😀", 9_000, 0)
	f.Fuzz(func(t *testing.T, unit string, times, offset int) {
		if !utf8.ValidString(unit) || unit == "" || times < 0 || times > chat.MaxContentStream/len(unit) || offset < 0 || offset > 1<<20 {
			return
		}
		text := strings.Repeat(unit, times)
		st := chat.Stream{ConversationID: "c1", ID: strings.Repeat("s", 128), Epoch: 1 << 50}
		var all strings.Builder
		at := offset
		for _, frame := range protocol.StreamDeltaFrames(st, chat.StreamDelta{Epoch: 1 << 50, Part: "content", Offset: offset, Length: chat.UTF16Len(text), Text: text}, now) {
			got := dataOf[protocol.StreamDelta](t, frame)
			if len(frame) > protocol.MaxFrame || !json.Valid(frame) || *got.Offset != at || got.Length != chat.UTF16Len(got.Text) || got.Length == 0 {
				t.Fatalf("%d bytes: offset %d, want %d, length %d", len(frame), *got.Offset, at, got.Length)
			}
			at += got.Length
			all.WriteString(got.Text)
		}
		if all.String() != text {
			t.Errorf("%d bytes of %d", all.Len(), len(text))
		}
	})
}

// What an agent does is one frame, without a text; what did not grow is none.
func TestStreamDeltaOfAStatus(t *testing.T) {
	st := chat.Stream{ConversationID: "c1", ID: "s1"}
	frames := protocol.StreamDeltaFrames(st, chat.StreamDelta{Epoch: 7, Part: "content", Doing: "tool"}, now)
	if len(frames) != 1 || !strings.Contains(string(frames[0]), `"data":{"conversationId":"c1","streamId":"s1","epoch":7,"status":"tool"}`) {
		t.Errorf("%s", frames)
	}
	if frames := protocol.StreamDeltaFrames(st, chat.StreamDelta{Epoch: 7, Part: "content", Offset: 3}, now); len(frames) != 0 {
		t.Errorf("%s", frames)
	}
}

func FuzzStreamSnapshot(f *testing.F) {
	f.Add("a", "😀\x00", 100_000, 3)
	f.Fuzz(func(t *testing.T, content, thinking string, times, tools int) {
		most := chat.MaxContentStream / max(len(content)+len(thinking), 1)
		if !utf8.ValidString(content) || !utf8.ValidString(thinking) || times < 0 || times > most || tools < 0 || tools > 40 {
			return
		}
		st := chat.Stream{ConversationID: "c1", ID: "s1", Parts: []chat.StreamPart{part("thinking", strings.Repeat(thinking, times), 1)}}
		for i := range tools {
			st.Parts = append(st.Parts, part(fmt.Sprint("tool:", i), content, 1))
		}
		st.Parts = append(st.Parts, part("content", strings.Repeat(content, times), 1))
		got := protocol.StreamSnapshotOf(st, protocol.MaxSnapshot)
		b, err := protocol.Marshal(got)
		if err != nil || len(b) > protocol.MaxSnapshot || len(got.Parts) != len(st.Parts) {
			t.Fatalf("%d bytes, %d parts, %v", len(b), len(got.Parts), err)
		}
		for i, p := range got.Parts {
			if !strings.HasPrefix(st.Parts[i].Text, p.Text) || p.Length != chat.UTF16Len(p.Text) || !got.Truncated && p.Text != st.Parts[i].Text {
				t.Fatalf("%s: %d of %d", p.Part, len(p.Text), len(st.Parts[i].Text))
			}
		}
	})
}
