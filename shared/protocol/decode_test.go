package protocol_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// check decodes a T as the gateway does: the form, then the fields.
func check[T any](data string) error {
	v, err := protocol.Decode[T]([]byte(data))
	if err != nil {
		if !reflect.ValueOf(v).IsZero() {
			panic("what is refused must not be filled in")
		}
		return err
	}
	if c, ok := any(v).(interface{ Check() error }); ok {
		return c.Check()
	}
	return nil
}

var checks = map[string]func(string) error{
	"join": check[protocol.Join], "leave": check[protocol.Leave], "send": check[protocol.Send], "typing": check[protocol.Typing], "ping": check[protocol.Ping],
	"message": check[protocol.MessageInput], "create": check[protocol.CreateConversation], "update": check[protocol.UpdateConversation],
	"participant": check[protocol.AddParticipant], "stream": check[protocol.Stream], "stop": check[protocol.Stop], "approve": check[protocol.Approve], "react": check[protocol.React], "edit": check[protocol.Edit], "edit by REST": check[protocol.EditBody], "read": check[protocol.Read], "unread": check[protocol.Unread], "read by REST": check[protocol.ReadBody], "unread by REST": check[protocol.UnreadBody], "decide": check[protocol.Decide], "streamJob": check[protocol.StreamJob],
	"welcome": check[protocol.WelcomeJob], "summary": check[protocol.SummaryJob],
	"new agent": check[protocol.CreateAgent], "agent": check[protocol.UpdateAgent], "run": check[protocol.RunJob],
	"upload": check[protocol.CreateUpload],
}

// TestMalformed are bodies that no decoder accepts.
func TestMalformed(t *testing.T) {
	nested := func(n int) string { return `{"x":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + `}` }
	for name, tt := range map[string]struct {
		data string
		want chat.Code
	}{
		"nothing":                {"", chat.BadRequest},
		"white space":            {" \n", chat.BadRequest},
		"text":                   {"hello", chat.BadRequest},
		"null":                   {"null", chat.BadRequest},
		"list":                   {"[]", chat.BadRequest},
		"string":                 {`"{}"`, chat.BadRequest},
		"number":                 {"1", chat.BadRequest},
		"open":                   {`{`, chat.BadRequest},
		"truncated":              {`{"id":"a`, chat.BadRequest},
		"two values":             {`{}{}`, chat.BadRequest},
		"text after":             {`{} x`, chat.BadRequest},
		"byte order mark":        {"\ufeff{}", chat.BadRequest},
		"single quotes":          {`{'id':'a'}`, chat.BadRequest},
		"name without quotes":    {`{id:"a"}`, chat.BadRequest},
		"comma at the end":       {`{"id":"a",}`, chat.BadRequest},
		"comment":                {`{/**/}`, chat.BadRequest},
		"NaN":                    {`{"id":NaN}`, chat.BadRequest},
		"control character":      {"{\"id\":\"a\nb\"}", chat.BadRequest},
		"NUL after":              {"{}\x00", chat.BadRequest},
		"twice":                  {`{"x":1,"x":1}`, chat.BadRequest},
		"too deep":               {nested(protocol.MaxDepth + 1), chat.BadRequest},
		"far too deep":           {strings.Repeat(`{"x":`, 50_000), chat.BadRequest},
		"too large":              {`{"x":"` + strings.Repeat("x", protocol.MaxBody) + `"}`, chat.PayloadTooLarge},
		"too large, white space": {strings.Repeat(" ", protocol.MaxBody) + `{}`, chat.PayloadTooLarge},
		"unknown member":         {`{"$where":"1"}`, chat.ValidationFailed},
		"unknown deep member":    {nested(protocol.MaxDepth), chat.ValidationFailed},
		"unknown empty member":   {`{"":1}`, chat.ValidationFailed},
		"prototype":              {`{"__proto__":{}}`, chat.ValidationFailed},
	} {
		for kind, check := range checks {
			// A body without "id" or "x" may also be refused for that member, if it comes before the fault.
			err := check(tt.data)
			unknown := chat.CodeOf(err) == chat.ValidationFailed && strings.ContainsAny(tt.data, "ix")
			if err == nil || chat.CodeOf(err) != tt.want && !unknown {
				t.Errorf("%s, %s: %v, want %s", kind, name, err, tt.want)
			}
		}
	}
}

// TestFields are bodies of the right form with one thing wrong. The field is
// named in the details, or for a bad_request in the message.
func TestFields(t *testing.T) {
	long := strings.Repeat("x", 129)
	for _, tt := range []struct {
		kind, data string
		code       chat.Code
		field      string
	}{
		{"join", `{"action":"join","conversationId":"c1"}`, "", ""},
		{"join", ` {"action":"join","conversationId":"c1","afterSeq":0,"id":"1"} `, "", ""},
		{"join", `{"action":"join","conversationId":"c1","afterSeq":null}`, "", ""},
		{"join", `{"action":"join","conversationId":"c1","id":"` + strings.Repeat("é", 64) + `"}`, "", ""},
		{"join", `{"action":"join"}`, chat.ValidationFailed, "conversationId"},
		{"join", `{"action":"join","conversationId":""}`, chat.ValidationFailed, "conversationId"},
		{"join", `{"action":"join","conversationId":null}`, chat.ValidationFailed, "conversationId"},
		{"join", `{"action":"join","conversationId":1}`, chat.ValidationFailed, "conversationId"},
		{"join", `{"action":"join","conversationId":["c1"]}`, chat.ValidationFailed, "conversationId"},
		{"join", `{"action":"join","conversationId":{"$ne":""}}`, chat.ValidationFailed, "conversationId"},
		{"join", `{"action":"join","conversationId":"c{1}"}`, chat.ValidationFailed, "conversationId"},
		{"join", `{"action":"join","conversationId":"c\u0000"}`, chat.ValidationFailed, "conversationId"},
		{"join", `{"action":"join","conversationId":"` + long + `"}`, chat.ValidationFailed, "conversationId"},
		{"join", `{"action":"join","ConversationId":"c1"}`, chat.ValidationFailed, "ConversationId"},
		{"join", `{"action":"join","conversationID":"c1"}`, chat.ValidationFailed, "conversationID"},
		{"join", `{"action":"join","conversationId":"c1","conversationId":"c2"}`, chat.BadRequest, "conversationId"},
		{"join", `{"action":"join","conversationId":"c1","conversation\u0049d":"c2"}`, chat.BadRequest, "conversationId"},
		{"join", `{"action":"join","conversationId":"c1","afterSeq":-1}`, chat.ValidationFailed, "afterSeq"},
		{"join", `{"action":"join","conversationId":"c1","afterSeq":"1"}`, chat.ValidationFailed, "afterSeq"},
		{"join", `{"action":"join","conversationId":"c1","afterSeq":1.5}`, chat.ValidationFailed, "afterSeq"},
		{"join", `{"action":"join","conversationId":"c1","afterSeq":9223372036854775808}`, chat.ValidationFailed, "afterSeq"},
		{"join", `{"action":"join","conversationId":"c1","afterSeq":{"$gt":0}}`, chat.ValidationFailed, "afterSeq"},
		{"join", `{"action":"join","conversationId":"c1","id":7}`, chat.ValidationFailed, "id"},
		{"join", `{"action":"join","conversationId":"c1","id":"` + strings.Repeat("é", 65) + `"}`, chat.ValidationFailed, "id"},
		{"join", `{"action":"join","conversationId":"c1","seq":1}`, chat.ValidationFailed, "seq"},
		{"join", `{"action":1,"conversationId":"c1"}`, chat.ValidationFailed, "action"},
		{"join", "{\"action\":\"join\",\"conversationId\":\"c\xff\"}", chat.BadRequest, "conversationId"},
		{"join", `{"action":"join","conversationId":"\ud800"}`, chat.BadRequest, "conversationId"},
		{"join", `{"action":"join","conversationId":"\udc00\ud800"}`, chat.BadRequest, "conversationId"},

		{"upload", `{"conversationId":"c1","name":"a.png","type":"image/png","size":1}`, "", ""},
		{"upload", `{"conversationId":"c1","name":"a.png","type":"IMAGE/PNG; x=y","size":26214400}`, "", ""},
		{"upload", `{"name":"a.png","type":"image/png","size":1}`, chat.ValidationFailed, "conversationId"},
		{"upload", `{"conversationId":"c{1}","name":"a.png","type":"image/png","size":1}`, chat.ValidationFailed, "conversationId"},
		{"upload", `{"conversationId":"c1","type":"image/png","size":1}`, chat.ValidationFailed, "name"},
		{"upload", `{"conversationId":"c1","name":["a"],"type":"image/png","size":1}`, chat.ValidationFailed, "name"},
		{"upload", `{"conversationId":"c1","name":"../a","type":"image/png","size":1}`, chat.ValidationFailed, "name"},
		{"upload", `{"conversationId":"c1","name":"a\u0000","type":"image/png","size":1}`, chat.ValidationFailed, "name"},
		{"upload", `{"conversationId":"c1","name":"a\u202e","type":"image/png","size":1}`, chat.ValidationFailed, "name"},
		{"upload", `{"conversationId":"c1","name":"a\ud800","type":"image/png","size":1}`, chat.BadRequest, "name"},
		{"upload", `{"conversationId":"c1","name":"a","size":1}`, chat.ValidationFailed, "type"},
		{"upload", `{"conversationId":"c1","name":"a","type":"image/svg+xml","size":1}`, chat.ValidationFailed, "type"},
		{"upload", `{"conversationId":"c1","name":"a","type":{"$ne":""},"size":1}`, chat.ValidationFailed, "type"},
		{"upload", `{"conversationId":"c1","name":"a","type":"image/png"}`, chat.ValidationFailed, "size"},
		{"upload", `{"conversationId":"c1","name":"a","type":"image/png","size":0}`, chat.ValidationFailed, "size"},
		{"upload", `{"conversationId":"c1","name":"a","type":"image/png","size":-1}`, chat.ValidationFailed, "size"},
		{"upload", `{"conversationId":"c1","name":"a","type":"image/png","size":26214401}`, chat.ValidationFailed, "size"},
		{"upload", `{"conversationId":"c1","name":"a","type":"image/png","size":1e9}`, chat.ValidationFailed, "size"},
		{"upload", `{"conversationId":"c1","name":"a","type":"image/png","size":"1"}`, chat.ValidationFailed, "size"},
		{"upload", `{"conversationId":"c1","name":"a","type":"image/png","size":1.5}`, chat.ValidationFailed, "size"},
		{"upload", `{"conversationId":"c1","name":"a","type":"image/png","size":1,"id":"upl_1"}`, chat.ValidationFailed, "id"},
		{"upload", `{"conversationId":"c1","name":"a","type":"image/png","size":1,"messageId":"m1"}`, chat.ValidationFailed, "messageId"},
		{"upload", `{"conversationId":"c1","name":"a","name":"b","type":"image/png","size":1}`, chat.BadRequest, "name"},

		{"new agent", `{"agentId":"a","name":"A"}`, "", ""},
		{"new agent", `{"agentId":"a","name":"A","managed":null}`, "", ""},
		{"new agent", `{"agentId":"a","name":"A","managed":{"provider":"p","model":"m","temperature":0,"history":{"summary":false}}}`, "", ""},
		{"new agent", `{"agentId":"a","name":"A","managed":{"model":"m"}}`, chat.ValidationFailed, "managed.provider"},
		{"new agent", `{"agentId":"a","name":"A","managed":{"provider":"p","model":"m","url":"https://evil"}}`, chat.ValidationFailed, "managed.url"},
		{"new agent", `{"agentId":"a","name":"A","managed":{"provider":"p","model":"m","maxSteps":"9"}}`, chat.ValidationFailed, "managed.maxSteps"},
		{"new agent", `{"agentId":"a","name":"A","managed":{"provider":"p","model":"m","maxSteps":1e2}}`, chat.ValidationFailed, "managed.maxSteps"},
		{"new agent", `{"agentId":"a","name":"A","managed":{"provider":"p","model":"m","temperature":3}}`, chat.ValidationFailed, "managed.temperature"},
		{"new agent", `{"agentId":"a","name":"A","managed":{"provider":"p","model":"m","tools":[{"server":"s"}]}}`, chat.ValidationFailed, "managed.tools[0].allow"},
		{"new agent", `{"agentId":"a","name":"A","managed":{"provider":"p","model":"m","respond":"Always"}}`, chat.ValidationFailed, "managed.respond"},
		{"new agent", `{"agentId":"a","name":"A","version":1}`, chat.ValidationFailed, "version"},
		{"new agent", `{"agentId":"a","name":"A","createdBy":"u"}`, chat.ValidationFailed, "createdBy"},
		{"agent", `{"version":1,"name":"A"}`, "", ""},
		{"agent", `{"version":0,"name":"A"}`, chat.ValidationFailed, "version"},
		{"agent", `{"version":1,"name":"A","agentId":"b"}`, chat.ValidationFailed, "agentId"},
		{"agent", `{"version":1,"name":"A","managed":{"provider":"p","model":"m","budget":{"tokensPerDay":1.5}}}`, chat.ValidationFailed, "managed.budget.tokensPerDay"},
		{"run", `{"runId":"r","orgId":"o","conversationId":"c"}`, "", ""},
		{"run", `{"runId":"r","status":"active"}`, chat.ValidationFailed, "status"},

		{"leave", `{"action":"leave","conversationId":"c1"}`, "", ""},
		{"leave", `{"action":"leave"}`, chat.ValidationFailed, "conversationId"},
		{"leave", `{"action":"leave","conversationId":"c1","afterSeq":1}`, chat.ValidationFailed, "afterSeq"},

		{"typing", `{"action":"typing","conversationId":"c1","state":"start"}`, "", ""},
		{"typing", `{"action":"typing","conversationId":"c1","state":"stop"}`, "", ""},
		{"typing", `{"action":"typing","conversationId":"c1"}`, chat.ValidationFailed, "state"},
		{"typing", `{"action":"typing","conversationId":"c1","state":"Start"}`, chat.ValidationFailed, "state"},
		{"typing", `{"action":"typing","conversationId":"c1","state":true}`, chat.ValidationFailed, "state"},
		{"typing", `{"action":"typing","state":"start"}`, chat.ValidationFailed, "conversationId"},

		{"join", `{"action":"join","conversationId":"c1","changedAfter":"17-18-m1"}`, "", ""},
		{"join", `{"action":"join","conversationId":"c1","changedAfter":""}`, chat.ValidationFailed, "changedAfter"},
		{"join", `{"action":"join","conversationId":"c1","changedAfter":"17-18"}`, chat.ValidationFailed, "changedAfter"},
		{"join", `{"action":"join","conversationId":"c1","changedAfter":17}`, chat.ValidationFailed, "changedAfter"},

		{"react", `{"action":"react","conversationId":"c1","messageId":"m1","key":"👍","on":true}`, "", ""},
		{"react", `{"action":"react","conversationId":"c1","messageId":"m1","key":":party_2:","on":false}`, "", ""},
		{"react", `{"action":"react","conversationId":"c1","messageId":"m1","key":"👍"}`, chat.ValidationFailed, "on"},
		{"react", `{"action":"react","conversationId":"c1","messageId":"m1","key":"","on":true}`, chat.ValidationFailed, "key"},
		{"react", `{"action":"react","conversationId":"c1","messageId":"m1","key":["👍"],"on":true}`, chat.ValidationFailed, "key"},
		{"react", `{"action":"react","conversationId":"c1","messageId":"m{1}","key":"👍","on":true}`, chat.ValidationFailed, "messageId"},
		{"react", `{"action":"react","messageId":"m1","key":"👍","on":true}`, chat.ValidationFailed, "conversationId"},
		{"react", `{"action":"react","conversationId":"c1","messageId":"m1","key":"👍","on":true,"by":"u2"}`, chat.ValidationFailed, "by"},

		{"edit", `{"action":"edit","conversationId":"c1","messageId":"m1","content":"new","edits":0}`, "", ""},
		{"edit", `{"action":"edit","conversationId":"c1","messageId":"m1","content":"","edits":0,"attachments":["document:d"]}`, "", ""},
		{"edit", `{"action":"edit","conversationId":"c1","messageId":"m1","content":"new"}`, chat.ValidationFailed, "edits"},
		{"edit", `{"action":"edit","conversationId":"c1","messageId":"m1","content":"new","edits":-1}`, chat.ValidationFailed, "edits"},
		{"edit", `{"action":"edit","conversationId":"c1","messageId":"m1","content":" ","edits":0,"attachments":[]}`, chat.ValidationFailed, "content"},
		{"edit", `{"action":"edit","conversationId":"c1","messageId":"m1","content":"` + strings.Repeat("x", chat.MaxContentFrame+1) + `","edits":0}`, chat.ValidationFailed, "content"},
		{"edit", `{"action":"edit","conversationId":"c1","messageId":"m1","content":"x","edits":0,"attachments":["javascript:x"]}`, chat.ValidationFailed, "attachments"},
		{"edit", `{"action":"edit","conversationId":"c1","messageId":"m1","content":"x","edits":0,"version":9}`, chat.ValidationFailed, "version"},
		{"edit by REST", `{"content":"` + strings.Repeat("x", chat.MaxContentFrame+1) + `","edits":0}`, "", ""},
		{"edit by REST", `{"content":"` + strings.Repeat("x", chat.MaxContentREST+1) + `","edits":0}`, chat.ValidationFailed, "content"},
		{"edit", `{"action":"edit","conversationId":"c1","messageId":"m1","content":"x","edits":0,"mentions":[]}`, "", ""},
		{"edit", `{"action":"edit","conversationId":"c1","messageId":"m1","content":"x","edits":0,"mentions":[{"type":"all"},{"type":"boss","id":"b"}]}`, chat.ValidationFailed, "mentions[1].type"},
		{"edit by REST", `{"content":"x","edits":0,"mentions":[{"type":"user"}]}`, chat.ValidationFailed, "mentions[0].id"},
		{"edit by REST", `{"content":"x","edits":0,"messageId":"m2"}`, chat.ValidationFailed, "messageId"},

		{"read", `{"action":"read","conversationId":"c1","seq":7}`, "", ""},
		{"read", `{"action":"read","conversationId":"c1","seq":9223372036854775807,"private":true}`, "", ""},
		{"read", `{"action":"read","conversationId":"c1"}`, chat.ValidationFailed, "seq"},
		{"read", `{"action":"read","conversationId":"c1","seq":0}`, chat.ValidationFailed, "seq"},
		{"read", `{"action":"read","conversationId":"c1","seq":9223372036854775808}`, chat.ValidationFailed, "seq"},
		{"read", `{"action":"read","conversationId":"c1","seq":1.5}`, chat.ValidationFailed, "seq"},
		{"read", `{"action":"read","conversationId":"c1","seq":{"$gt":0}}`, chat.ValidationFailed, "seq"},
		{"read", `{"action":"read","conversationId":"c1","seq":7,"private":"yes"}`, chat.ValidationFailed, "private"},
		{"read", `{"action":"read","conversationId":"c1","seq":7,"fromSeq":7}`, chat.ValidationFailed, "fromSeq"},
		{"read", `{"action":"read","conversationId":"{c1}","seq":7}`, chat.ValidationFailed, "conversationId"},
		{"read", `{"action":"read","seq":7}`, chat.ValidationFailed, "conversationId"},
		{"unread", `{"action":"unread","conversationId":"c1","fromSeq":1}`, "", ""},
		{"unread", `{"action":"unread","conversationId":"c1","fromSeq":0}`, chat.ValidationFailed, "fromSeq"},
		{"unread", `{"action":"unread","conversationId":"c1","fromSeq":-1}`, chat.ValidationFailed, "fromSeq"},
		{"unread", `{"action":"unread","conversationId":"c1"}`, chat.ValidationFailed, "fromSeq"},
		{"unread", `{"action":"unread","conversationId":"c1","fromSeq":1,"private":true}`, chat.ValidationFailed, "private"},
		{"unread", `{"action":"unread","fromSeq":1}`, chat.ValidationFailed, "conversationId"},
		{"read by REST", `{"seq":7,"private":true}`, "", ""},
		{"read by REST", `{"seq":7,"conversationId":"c2"}`, chat.ValidationFailed, "conversationId"},
		{"read by REST", `{"private":true}`, chat.ValidationFailed, "seq"},
		{"unread by REST", `{"fromSeq":7}`, "", ""},
		{"unread by REST", `{"seq":7}`, chat.ValidationFailed, "seq"},

		{"ping", `{"action":"ping"}`, "", ""},
		{"ping", `{}`, "", ""},
		{"ping", `{"action":"ping","conversationId":"c1"}`, chat.ValidationFailed, "conversationId"},
		{"ping", `{"action":"ping","id":"` + long + `"}`, chat.ValidationFailed, "id"},

		{"send", `{"action":"send","content":"hi"}`, "", ""},
		{"send", `{"action":"send","content":"\ud83d\ude00"}`, "", ""},
		{"send", `{"action":"send","toolCalls":[{"a":{"b":[1]}}],"latency":5,"usage":{"promptTokens":1}}`, "", ""},
		{"send", `{"action":"send","content":["hi"]}`, chat.ValidationFailed, "content"},
		{"send", `{"action":"send","content":{"$gt":""}}`, chat.ValidationFailed, "content"},
		{"send", `{"action":"send","content":1}`, chat.ValidationFailed, "content"},
		{"send", `{"action":"send","content":"\ud83d"}`, chat.BadRequest, "content"},
		{"send", `{"action":"send","seq":1}`, chat.ValidationFailed, "seq"},
		{"send", `{"action":"send","status":"sent"}`, chat.ValidationFailed, "status"},
		{"send", `{"action":"send","orgId":"o2"}`, chat.ValidationFailed, "orgId"},
		{"send", `{"action":"send","createdAt":"2020-01-01T00:00:00Z"}`, chat.ValidationFailed, "createdAt"},
		{"send", `{"action":"send","isDeleted":true}`, chat.ValidationFailed, "isDeleted"},
		{"send", `{"action":"send","participants":[]}`, chat.ValidationFailed, "participants"},
		{"send", `{"action":"send","runningTokens":1}`, chat.ValidationFailed, "runningTokens"},
		{"send", `{"action":"send","attachments":"https://example.com"}`, chat.ValidationFailed, "attachments"},
		{"send", `{"action":"send","attachments":[{"url":"https://example.com"}]}`, chat.ValidationFailed, "attachments[0]"},
		{"send", `{"action":"send","mentions":[{"type":"user","id":"u1"},{"type":"all"}]}`, "", ""},
		{"send", `{"action":"send","mentions":{"type":"all"}}`, chat.ValidationFailed, "mentions"},
		{"send", `{"action":"send","mentions":["all"]}`, chat.ValidationFailed, "mentions[0]"},
		{"send", `{"action":"send","mentions":[{"type":"all","name":"x"}]}`, chat.ValidationFailed, "mentions[0].name"},
		{"send", `{"action":"send","mentions":[{"type":"user","id":{"$ne":""}}]}`, chat.ValidationFailed, "mentions[0].id"},
		{"send", `{"action":"send","mentions":[{"type":"all","type":"user"}]}`, chat.BadRequest, "mentions[0].type"},
		{"send", `{"action":"send","attachments":["document:x"],"voice":{"durationMs":1,"waveform":"AQID"}}`, "", ""},
		{"send", `{"action":"send","voice":true}`, chat.ValidationFailed, "voice"},
		{"send", `{"action":"send","voice":{"durationMs":"1"}}`, chat.ValidationFailed, "voice.durationMs"},
		{"send", `{"action":"send","voice":{"durationMs":1.5}}`, chat.ValidationFailed, "voice.durationMs"},
		{"send", `{"action":"send","voice":{"waveform":[1,2]}}`, chat.ValidationFailed, "voice.waveform"},
		{"send", `{"action":"send","voice":{"waveform":"AQ"}}`, chat.ValidationFailed, "voice.waveform"},
		{"send", `{"action":"send","voice":{"waveform":"A_Q="}}`, chat.ValidationFailed, "voice.waveform"},
		{"send", `{"action":"send","voice":{"transcript":"x"}}`, chat.ValidationFailed, "voice.transcript"},
		{"send", `{"action":"send","usage":{"promptTokens":"1"}}`, chat.ValidationFailed, "usage.promptTokens"},
		{"send", `{"action":"send","usage":{"cost":1}}`, chat.ValidationFailed, "usage.cost"},
		{"send", `{"action":"send","thinking":{"content":1}}`, chat.ValidationFailed, "thinking.content"},
		{"send", `{"action":"send","thinking":{"visible":"yes"}}`, chat.ValidationFailed, "thinking.visible"},
		{"send", `{"action":"send","toolCalls":{}}`, chat.ValidationFailed, "toolCalls"},
		{"send", `{"action":"send","toolCalls":[{"a":1,"a":2}]}`, chat.BadRequest, "toolCalls[0].a"},
		{"send", `{"action":"send","toolCalls":[{"a":"\ud800"}]}`, chat.BadRequest, "toolCalls[0].a"},
		{"send", `{"action":"send","latency":1.5}`, chat.ValidationFailed, "latency"},
		{"send", `{"action":"send","latency":1e400}`, chat.ValidationFailed, "latency"},

		{"create", `{"title":"t","agentId":"a1","description":"d","tags":["x"]}`, "", ""},
		{"create", `{"title":1,"agentId":"a1"}`, chat.ValidationFailed, "title"},
		{"create", `{"title":"t","agentId":"a1","orgId":"o2"}`, chat.ValidationFailed, "orgId"},
		{"create", `{"title":"t","agentId":"a1","tags":"x"}`, chat.ValidationFailed, "tags"},
		{"create", `{"title":"t","agentId":"a1","tags":[1]}`, chat.ValidationFailed, "tags[0]"},
		{"create", `{"title":"t","agentId":"a1","totalMessages":5}`, chat.ValidationFailed, "totalMessages"},

		{"update", `{}`, "", ""},
		{"update", `{"title":"t","description":"","status":"closed","tags":[]}`, "", ""},
		{"update", `{"title":""}`, chat.ValidationFailed, "title"},
		{"update", `{"description":"` + strings.Repeat("x", 2001) + `"}`, chat.ValidationFailed, "description"},
		{"update", `{"status":"deleted"}`, chat.ValidationFailed, "status"},
		{"update", `{"status":""}`, chat.ValidationFailed, "status"},
		{"update", `{"status":{"$set":"active"}}`, chat.ValidationFailed, "status"},
		{"update", `{"tags":[""]}`, chat.ValidationFailed, "tags"},
		{"update", `{"agentId":"a2"}`, chat.ValidationFailed, "agentId"},

		{"participant", `{"type":"user","id":"u2"}`, "", ""},
		{"participant", `{"type":"group","id":"u2"}`, chat.ValidationFailed, "type"},
		{"participant", `{"id":"u2"}`, chat.ValidationFailed, "type"},
		{"participant", `{"type":"agent","id":"a b"}`, chat.ValidationFailed, "id"},
		{"participant", `{"type":"agent"}`, chat.ValidationFailed, "id"},
		{"participant", `{"type":"agent","id":"a1","joined":"now"}`, chat.ValidationFailed, "joined"},

		{"welcome", `{"connectionId":"PJqB0fHsqRcCHlw=","type":"user","id":"u1","orgId":"o1","expiresAt":1800000000}`, "", ""},
		{"welcome", `{"connectionId":"x","expiresAt":"soon"}`, chat.ValidationFailed, "expiresAt"},
		{"summary", `{"orgId":"o1","conversationId":"c1","seq":10}`, "", ""},
		{"summary", `{"orgId":"o1","conversationId":"c1","seq":"10"}`, chat.ValidationFailed, "seq"},
	} {
		err := checks[tt.kind](tt.data)
		if tt.code == "" {
			if err != nil {
				t.Errorf("%s %.80s: %v", tt.kind, tt.data, err)
			}
			continue
		}
		e := chat.Public(err)
		if err == nil || e.Code != tt.code {
			t.Errorf("%s %.80s: %v, want %s", tt.kind, tt.data, err, tt.code)
			continue
		}
		if e.Code == chat.ValidationFailed && !slices.Equal(slices.Collect(maps.Keys(e.Details)), []string{tt.field}) {
			t.Errorf("%s %.80s: details %v, want %s", tt.kind, tt.data, e.Details, tt.field)
		}
		if e.Code == chat.BadRequest && !strings.Contains(e.Message, tt.field) {
			t.Errorf("%s %.80s: %q does not name %s", tt.kind, tt.data, e.Message, tt.field)
		}
	}
}

func TestDecodedSend(t *testing.T) {
	s, err := protocol.Decode[protocol.Send]([]byte(`{
		"action":"send","id":"f1","conversationId":"c1","content":"hi","clientMessageId":"k1","role":"agent","type":"tool_call","name":"n","parentId":"m0",
		"attachments":["document:d1"],"thinking":{"content":"hm","visible":true,"duration":1500},"toolCalls":[ {"a": 1} ],"toolResults":[],
		"usage":{"promptTokens":1,"completionTokens":2,"totalTokens":3},"latency":250,"error":"e","participantId":"a1","participantType":"agent"}`))
	if err != nil {
		t.Fatal(err)
	}
	if s.FrameID() != "f1" || s.ConversationID != "c1" || s.ClientMessageID != "k1" {
		t.Errorf("%+v", s)
	}
	d, err := s.Draft(agent)
	if err != nil {
		t.Fatal(err)
	}
	want := chat.Draft{
		Content: "hi", Role: chat.RoleAgent, Type: chat.TypeToolCall, Name: "n", ParentID: "m0", Attachments: []chat.Attachment{"document:d1"},
		Thinking:  &chat.Thinking{Content: "hm", Visible: true, Duration: 1500e6},
		ToolCalls: []json.RawMessage{json.RawMessage(`{"a": 1}`)}, ToolResults: []json.RawMessage{},
		Usage: &chat.Usage{PromptTokens: 1, CompletionTokens: 2, TotalTokens: 3}, Latency: 250e6, Error: "e",
	}
	if !reflect.DeepEqual(d, want) {
		t.Errorf("draft %+v\nwant %+v", d, want)
	}
}

// What is of another type is told what it must be; nothing of Go is in that.
func TestDecodeSaysWhatAFieldMustBe(t *testing.T) {
	type all struct {
		protocol.Send
		Float *float64
		When  *time.Time
	}
	for data, want := range map[string]string{
		`{"content":7}`:                    "content: must be a string",
		`{"conversationId":{}}`:            "conversationId: must be a string",
		`{"attachments":"a"}`:              "attachments: must be an array",
		`{"attachments":[1]}`:              "attachments[0]: must be a string",
		`{"thinking":"hm"}`:                "thinking: must be an object",
		`{"thinking":{"visible":1}}`:       "thinking.visible: must be true or false",
		`{"usage":{"promptTokens":"1"}}`:   "usage.promptTokens: must be a whole number",
		`{"usage":{"promptTokens":1.5}}`:   "usage.promptTokens: has the wrong type or is out of range",
		`{"usage":{"promptTokens":1e300}}`: "usage.promptTokens: has the wrong type or is out of range",
		`{"Float":"1"}`:                    "Float: must be a number",
		`{"When":1}`:                       `When: must be a time such as "2026-01-31T12:00:00Z"`,
		`{"When":"yesterday"}`:             `When: must be a time such as "2026-01-31T12:00:00Z"`,
	} {
		_, err := protocol.Decode[all]([]byte(data))
		refusal, ok := errors.AsType[*chat.Error](err)
		if !ok || refusal.Code != chat.ValidationFailed {
			t.Errorf("%s: %v", data, err)
			continue
		}
		var got string
		for field, why := range refusal.Details {
			got += fmt.Sprintf("%s: %v", field, why)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", data, got, want)
		}
	}
}

func TestDraftRefused(t *testing.T) {
	for data, want := range map[string]string{
		`{"participantId":"u1","participantType":"user","latency":0}`: "",
		`{"latency":86400000,"thinking":{"duration":86400000}}`:       "",
		`{"participantId":"u2"}`:                                      "participantId",
		`{"participantType":"agent"}`:                                 "participantType",
		`{"latency":-1}`:                                              "latency",
		`{"latency":86400001}`:                                        "latency",
		`{"latency":9223372036854775807}`:                             "latency",
		`{"thinking":{"duration":-1}}`:                                "thinking.duration",
		`{"thinking":{"duration":9223372036854775807}}`:               "thinking.duration",
	} {
		in, err := protocol.Decode[protocol.MessageInput]([]byte(data))
		if err != nil {
			t.Fatal(err)
		}
		_, err = in.Draft(user)
		if want == "" && err != nil {
			t.Errorf("%s: %v", data, err)
		}
		if _, named := chat.Public(err).Details[want]; want != "" && !named {
			t.Errorf("%s: %v, want a fault of %s", data, err, want)
		}
	}
}

func TestFrameID(t *testing.T) {
	for data, want := range map[string]string{
		`{"id":"f1"}`:                              "f1",
		`{"id":"f1","action":1}`:                   "f1",
		`{"action":"x","id":"f1","a":1,"a":2}`:     "f1",
		"{\"id\":\"f1\",\"x\":\"\xff\"}":           "f1",
		`{"id":"` + strings.Repeat("é", 64) + `"}`: strings.Repeat("é", 64),
		`{"id":"` + strings.Repeat("x", 65) + `"}`: "",
		"{\"id\":\"\xff\"}":                        "",
		`{"id":"\ud800"}`:                          "",
		`{"id":7}`:                                 "",
		`{"id":null}`:                              "",
		`{"id":{"a":1}}`:                           "",
		`{"ID":"f1"}`:                              "",
		`{"id":"f1"`:                               "",
		`["id"]`:                                   "",
		``:                                         "",
		`{"id":"f1","x":` + strings.Repeat("[", 100) + `}`:                "",
		`{"id":"f1","x":"` + strings.Repeat("x", protocol.MaxBody) + `"}`: "",
	} {
		if got := protocol.FrameID([]byte(data)); got != want {
			t.Errorf("FrameID(%.40s) = %q, want %q", data, got, want)
		}
	}
}

// fuzz looks for input that makes the decoder panic, that it accepts although
// it is not JSON, that changes when it is written and read again, or that
// cannot be answered in a frame.
func fuzz[T any](f *testing.F, seeds ...string) {
	for _, s := range append(seeds, `{}`, `{"x":1}`, `{"id":"a","id":"b"}`, "{\"\xff\":1}", `[[[[`) {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := protocol.Decode[T](data)
		if err != nil {
			if chat.CodeOf(err) == chat.Internal {
				t.Errorf("%q: %v is not for the client", data, err)
			}
			if frame := protocol.ErrorFrame(protocol.FrameID(data), err, now); len(frame) > protocol.MaxFrame || !json.Valid(frame) {
				t.Errorf("%q: answer %q", data, frame)
			}
			return
		}
		if !json.Valid(data) {
			t.Errorf("%q was accepted", data)
		}
		again, err := protocol.Marshal(v)
		if err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		w, err := protocol.Decode[T](again)
		if err != nil {
			t.Fatalf("%q became %q: %v", data, again, err)
		}
		if third, err := protocol.Marshal(w); err != nil || string(third) != string(again) {
			t.Errorf("%q became %q, then %q", data, again, third)
		}
	})
}

func FuzzDecodeSend(f *testing.F) {
	fuzz[protocol.Send](f, `{"action":"send","content":"hi","mentions":[{"type":"user","id":"u1"},{"type":"all"}],"toolCalls":[{"a":1}],"usage":{"totalTokens":1},"thinking":{"visible":true}}`)
}

func FuzzDecodeJoin(f *testing.F) {
	fuzz[protocol.Join](f, `{"action":"join","id":"1","conversationId":"c1","afterSeq":7}`)
}

func FuzzDecodeReact(f *testing.F) {
	fuzz[protocol.React](f, `{"action":"react","conversationId":"c1","messageId":"m1","key":"👍","on":true}`)
}

func FuzzDecodeEdit(f *testing.F) {
	fuzz[protocol.Edit](f, `{"action":"edit","conversationId":"c1","messageId":"m1","content":"new","edits":0,"attachments":[]}`)
}

func FuzzDecodeRead(f *testing.F) {
	fuzz[protocol.Read](f, `{"action":"read","conversationId":"c1","seq":7,"private":true}`)
}

func FuzzDecodeUnread(f *testing.F) {
	fuzz[protocol.Unread](f, `{"action":"unread","conversationId":"c1","fromSeq":7}`)
}

func FuzzDecodeCreateUpload(f *testing.F) {
	fuzz[protocol.CreateUpload](f, `{"conversationId":"c1","name":"a.png","type":"image/png","size":7}`)
}

func FuzzDecodeTyping(f *testing.F) {
	fuzz[protocol.Typing](f, `{"action":"typing","conversationId":"c1","state":"start"}`)
}

func FuzzDecodeUpdateConversation(f *testing.F) {
	fuzz[protocol.UpdateConversation](f, `{"title":"t","status":"closed","tags":["a"]}`)
}

func FuzzDecodeCreateConversation(f *testing.F) {
	fuzz[protocol.CreateConversation](f, `{"title":"t","agentId":"a1","tags":["a"]}`)
}

func FuzzDecodeCreateAgent(f *testing.F) {
	fuzz[protocol.CreateAgent](f, `{"agentId":"a","name":"A","managed":{"provider":"p","model":"m","temperature":0.5,"history":{"messages":3,"summary":false},`+
		`"tools":[{"server":"s","allow":["a*"],"ask":["b"],"deny":["c"]}],"maxSteps":3,"budget":{"tokensPerDay":5}}}`)
}

func FuzzDecodeUpdateAgent(f *testing.F) {
	fuzz[protocol.UpdateAgent](f, `{"version":1,"name":"A","description":"d","managed":{"provider":"p","model":"m","respond":"mention","busy":"reject"}}`)
}

func FuzzDecodeRunJob(f *testing.F) {
	fuzz[protocol.RunJob](f, `{"runId":"00000000000000000000000000000000","orgId":"o","conversationId":"c"}`)
}

func FuzzDecodeWelcomeJob(f *testing.F) {
	fuzz[protocol.WelcomeJob](f, `{"connectionId":"x=","type":"user","id":"u1","orgId":"o1","expiresAt":1}`)
}

func BenchmarkDecodeSend(b *testing.B) {
	data := []byte(`{"action":"send","id":"f1","conversationId":"507f1f77bcf86cd799439011","clientMessageId":"0190c1e2-7b1c-7a6e-9d53-3f6f3a1c2b11","content":"` + strings.Repeat("word ", 40) + `"}`)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := protocol.Decode[protocol.Send](data); err != nil {
			b.Fatal(err)
		}
	}
}
