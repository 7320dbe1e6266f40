package mongostore_test

import (
	"encoding/json"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/shared/chat"
)

func rawObjects(objects ...string) []json.RawMessage {
	var raw []json.RawMessage
	for _, o := range objects {
		raw = append(raw, json.RawMessage(o))
	}
	return raw
}

// What goes in comes out, from the database and from Append alike.
func TestToolJSONRoundTrip(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	same := []string{
		`{}`,
		`{"z":1,"a":2,"m":3}`,
		`{"a":{"b":[1,[],{},[{"c":null}],"x",true,false]}}`,
		`{"$oid":"507f1f77bcf86cd799439011"}`,
		`{"x":{"$oid":"507f1f77bcf86cd799439011"},"y":{"$date":0},"$set":{"a.b":1},"":{"$numberLong":"1"}}`,
		`{"n":[0,-1,2147483647,2147483648,-2147483648,9007199254740993,9223372036854775807,-9223372036854775808]}`,
		`{"big":18446744073709551615,"bigger":123456789012345678901234567890}`,
		`{"f":[0.1,-2.5,1e+100,5e-324]}`,
		`{"s":"ü\u0000\n\"\\😀"}`,
	}
	other := []struct{ in, out string }{
		{` { "a" : [ 1 , 2 ] } `, `{"a":[1,2]}`},
		{`{"a":1.0,"b":1e2,"c":-0}`, `{"a":1,"b":100,"c":0}`},
		{`{"a":1e400}`, `{"a":1E+400}`},
		{`{"s":"\u0041\/"}`, `{"s":"A/"}`},
	}
	var in, want []string
	for _, s := range same {
		in, want = append(in, s), append(want, s)
	}
	for _, o := range other {
		in, want = append(in, strings.TrimSpace(o.in)), append(want, o.out)
	}
	stored := f.append(t, newMessage(t, c.ID, bot, "m1", chat.Draft{ToolCalls: rawObjects(in...), ToolResults: rawObjects(`{"r":1}`)}))
	read, err := f.Message(t.Context(), bot.OrgID, stored.ID)
	if err != nil {
		t.Fatal(err)
	}
	for where, m := range map[string]chat.Message{"Append": stored, "Message": read} {
		if len(m.ToolCalls) != len(want) || len(m.ToolResults) != 1 || string(m.ToolResults[0]) != `{"r":1}` {
			t.Fatalf("%s: %d calls, results %s", where, len(m.ToolCalls), m.ToolResults)
		}
		for i, got := range m.ToolCalls {
			if string(got) != want[i] {
				t.Errorf("%s: %s comes back as %s, want %s", where, in[i], got, want[i])
			}
		}
	}
}

func TestToolCallsAreDocumentsInTheDatabase(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	m := f.append(t, newMessage(t, c.ID, bot, "m1", chat.Draft{ToolCalls: rawObjects(`{"function":{"name":"weather","n":3}}`)}))
	got, err := f.db.Collection("messages").FindOne(t.Context(), bson.M{"toolCalls.function.name": "weather", "toolCalls.function.n": 3}).Raw()
	if err != nil || got.Lookup("_id").StringValue() != string(m.ID) {
		t.Errorf("found %v, error %v", got, err)
	}
}

func TestToolJSONThatBSONCannotHoldIsRefused(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	for _, in := range []string{
		`{"a\u0000b":1}`,
		`{"a":1,"a":2}`,
		`{"a":1e7000}`,
		`{"a":1` + strings.Repeat("7", 40) + `}`,
	} {
		_, _, err := f.Append(t.Context(), chat.Head{}, newMessage(t, c.ID, bot, "m1", chat.Draft{ToolResults: rawObjects(in)}))
		wantCode(t, err, chat.ValidationFailed)
		if chat.Public(err).Details["toolResults"] == nil {
			t.Errorf("%s: the error does not name the field: %v", in, err)
		}
	}
	if page, _, err := f.Messages(t.Context(), c.ID, chat.MessageQuery{Limit: 1}); err != nil || len(page) != 0 {
		t.Errorf("the log has %d messages, error %v", len(page), err)
	}
}

// Documents of other programs have types that JSON has not.
func TestForeignTypesAreReadAsStrings(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	m := f.append(t, newMessage(t, c.ID, bot, "m1", draftOf("x")))
	id, err := bson.ObjectIDFromHex("507f1f77bcf86cd799439011")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.db.Collection("messages").UpdateOne(t.Context(), bson.M{"_id": m.ID},
		bson.M{"$set": bson.M{"toolCalls": bson.A{bson.D{{Key: "id", Value: id}, {Key: "bin", Value: []byte{1}}, {Key: "at", Value: start}}}}}); err != nil {
		t.Fatal(err)
	}
	got, err := f.Message(t.Context(), bot.OrgID, m.ID)
	if err != nil || len(got.ToolCalls) != 1 || !json.Valid(got.ToolCalls[0]) || !strings.HasPrefix(string(got.ToolCalls[0]), `{"id":"507f1f77bcf86cd799439011","bin":`) || !strings.HasSuffix(string(got.ToolCalls[0]), `,"at":"2026-03-01T12:00:00.123Z"}`) {
		t.Errorf("toolCalls = %s, error %v", got.ToolCalls, err)
	}
}
