package transfer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/local/embedded/mongod"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// serverURI is the server that the tests run on: the one in MONGODB_URI, or an embedded one.
var serverURI string

func TestMain(m *testing.M) { os.Exit(begin(m)) }

func begin(m *testing.M) int {
	if serverURI = os.Getenv("MONGODB_URI"); serverURI == "" {
		server, err := mongod.Listen("127.0.0.1:0", mongod.Options{})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer server.Close()
		serverURI = server.URI()
	}
	return m.Run()
}

var (
	alice = chat.Principal{Type: chat.User, ID: "alice", OrgID: "acme"}
	bob   = chat.Principal{Type: chat.User, ID: "bob", OrgID: "acme"}
	agent = chat.Principal{Type: chat.Agent, ID: "bot", OrgID: "acme"}
)

// A world is a database of the chat.
type world struct {
	database
	getenv func(string) string
}

func newWorld(t testing.TB) world {
	t.Helper()
	name := "transfer_" + bson.NewObjectID().Hex()
	getenv := func(v string) string { return map[string]string{"MONGODB_URI": serverURI, "MONGODB_DB": name}[v] }
	db, end, err := open(getenv)
	if err != nil {
		t.Fatal(err)
	}
	client, err := mongo.Connect(options.Client().ApplyURI(serverURI))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		end()
		if err := errors.Join(client.Database(name).Drop(context.Background()), client.Disconnect(context.Background())); err != nil {
			t.Error(err)
		}
	})
	if err := db.store.CreateIndexes(t.Context()); err != nil {
		t.Fatal(err)
	}
	return world{db, getenv}
}

// run is a command, as people type it.
func (w world) run(t testing.TB, command func(context.Context, []string, *bytes.Buffer, func(string) string) error, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := command(t.Context(), args, &out, w.getenv)
	return out.String(), err
}

func (w world) export(t testing.TB, args ...string) (string, error) {
	t.Helper()
	return w.run(t, func(ctx context.Context, args []string, out *bytes.Buffer, getenv func(string) string) error {
		return Export(ctx, args, out, getenv)
	}, args...)
}

func (w world) bring(t testing.TB, file string) (string, error) {
	t.Helper()
	return w.run(t, func(ctx context.Context, args []string, out *bytes.Buffer, getenv func(string) string) error {
		return Import(ctx, args, out, getenv)
	}, file)
}

// all is the export of everything.
func (w world) all(t testing.TB) string {
	t.Helper()
	out, err := w.export(t, "-all")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (w world) say(t testing.TB, c chat.Conversation, sender chat.Principal, d chat.Draft) chat.Message {
	t.Helper()
	m, err := chat.NewMessage(c.ID, sender, chat.ClientMessageID(bson.NewObjectID().Hex()), d, chat.MaxContentREST, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	head := chat.Head{}
	if newest, _, err := w.store.Messages(t.Context(), c.ID, chat.MessageQuery{Limit: 1}); err != nil {
		t.Fatal(err)
	} else if len(newest) > 0 {
		head = chat.Head{Seq: newest[0].Seq, RunningTokens: newest[0].RunningTokens}
	}
	m, _, err = w.store.Append(t.Context(), head, m)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.store.Project(t.Context(), c, m); err != nil {
		t.Fatal(err)
	}
	return m
}

// talk is a conversation in which everything has happened that an export has, and some that
// it must not have: the words "secret".
func (w world) talk(t testing.TB, title string) chat.Conversation {
	t.Helper()
	ctx := t.Context()
	c, err := chat.NewConversation(alice, title, "", agent.ID, []string{"orders"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if c, _, err = w.store.CreateConversation(ctx, c, ""); err != nil {
		t.Fatal(err)
	}
	first := w.say(t, c, alice, chat.Draft{Content: "Hello \u0001 \"<\"\nworld", Attachments: []chat.Attachment{"document:d1"}})
	secret := w.say(t, c, alice, chat.Draft{Content: "secret of old"})
	gone := w.say(t, c, alice, chat.Draft{Content: "secret that is deleted"})
	w.say(t, c, agent, chat.Draft{
		Content: "Xin chào 👋", ParentID: first.ID, Thinking: &chat.Thinking{Content: "secret thought"}, Usage: &chat.Usage{TotalTokens: 7},
		ToolCalls: []json.RawMessage{json.RawMessage(`{"z":1,"a":{"b":[1.50,null,"x"]},"big":12345678901234567890}`)}, Latency: time.Second,
	})
	w.say(t, c, agent, chat.Draft{Type: chat.TypeThinking, Role: chat.RoleAgent, Thinking: &chat.Thinking{Content: "aloud", Visible: true, Duration: time.Second}})
	last := w.say(t, c, alice, chat.Draft{Content: "bye"})
	if _, _, err := w.store.EditMessage(ctx, alice, chat.Edit{ConversationID: c.ID, MessageID: secret.ID, Content: "edited"}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.store.DeleteMessage(ctx, gone, alice, time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, key := range []chat.ReactionKey{"👍", ":a:"} {
		if _, _, err := w.store.React(ctx, agent, chat.ReactionChange{ConversationID: c.ID, MessageID: last.ID, Key: key, On: true}, time.Now(), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func write(t testing.TB, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "chat.ndjson")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// dump is every document, by collection and id; when something changed of it is when it was
// imported.
func (w world) dump(t testing.TB) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, c := range []*mongo.Collection{w.conversations, w.messages} {
		cursor, err := c.Find(t.Context(), bson.M{})
		if err != nil {
			t.Fatal(err)
		}
		var docs []bson.M
		if err := cursor.All(t.Context(), &docs); err != nil {
			t.Fatal(err)
		}
		for _, d := range docs {
			delete(d, "changedAt")
			all[c.Name()+"/"+d["_id"].(string)] = fmt.Sprint(map[string]any(d))
		}
	}
	return all
}

// What is exported, brought into an empty database and exported again is the same, to the
// byte. Brought in twice it is there once.
func TestRoundTrip(t *testing.T) {
	from, to := newWorld(t), newWorld(t)
	for i := range 3 {
		from.talk(t, fmt.Sprint("talk ", i))
	}
	empty := must[chat.Conversation](t)(chat.NewConversation(bob, "empty", "", agent.ID, nil, time.Now()))
	if _, _, err := from.store.CreateConversation(t.Context(), empty, ""); err != nil {
		t.Fatal(err)
	}
	deleted := from.talk(t, "deleted")
	if _, err := from.store.DeleteConversation(t.Context(), alice, deleted.ID, time.Now()); err != nil {
		t.Fatal(err)
	}
	text := from.all(t)
	if strings.Count(text, `"format"`) != 4 || strings.Contains(text, "secret") || strings.Contains(text, string(deleted.ID)) {
		t.Errorf("exported\n%s", text)
	}
	file := write(t, text)
	out := must[string](t)(to.bring(t, file))
	if !strings.HasSuffix(out, "conversations: 4 imported, 0 were there\nmessages: 18 imported, 0 were there\n") {
		t.Errorf("said %q", out)
	}
	if again := to.all(t); again != text {
		t.Errorf("exported again\n%s\nwas\n%s", again, text)
	}
	before := to.dump(t)
	out = must[string](t)(to.bring(t, file))
	if !strings.HasSuffix(out, "conversations: 0 imported, 4 were there\nmessages: 0 imported, 18 were there\n") || !maps.Equal(to.dump(t), before) {
		t.Errorf("said %q, and wrote", out)
	}
}

// Whoever comes after an import goes on where the conversation was.
func TestLifeGoesOn(t *testing.T) {
	from, to := newWorld(t), newWorld(t)
	c := from.talk(t, "talk")
	file := write(t, from.all(t))
	must[string](t)(to.bring(t, file))
	here := must[chat.Conversation](t)(to.store.Conversation(t.Context(), alice, c.ID))
	if here.TotalMessages != 6 || here.TotalTokens != 7 || here.LastMessage == nil || here.LastMessage.Content != "bye" {
		t.Errorf("it is %+v", here)
	}
	if r := must[[]chat.Reading](t)(to.store.Readings(t.Context(), alice, []chat.Conversation{here})); r[0].Unread.Count != 0 {
		t.Errorf("%d are unread", r[0].Unread.Count)
	}
	// A client that knew it before is told what changed.
	changed, _, _, err := to.store.Changes(t.Context(), c.ID, chat.ChangeCursor{Since: time.Now().Add(-time.Minute).UnixMilli()}, 10)
	if err != nil || len(changed) != 3 {
		t.Errorf("%d have changed, %v", len(changed), err)
	}
	said := to.say(t, here, alice, chat.Draft{Content: "again"})
	if said.Seq != 7 || said.RunningTokens != 7 {
		t.Errorf("it is at %d, %d", said.Seq, said.RunningTokens)
	}
	if _, err := to.store.DeleteMessage(t.Context(), must[chat.Message](t)(to.store.Message(t.Context(), "acme", said.ID)), alice, time.Now()); err != nil {
		t.Fatal(err)
	}
	edited := changed[0]
	for _, m := range changed {
		if m.Edits > 0 {
			edited = m
		}
	}
	if _, err := to.store.DeleteMessage(t.Context(), edited, alice, time.Now()); err != nil {
		t.Fatal(err)
	}
	before := to.dump(t)
	if out := must[string](t)(to.bring(t, file)); !strings.Contains(out, "0 imported, 1 were there") || !maps.Equal(to.dump(t), before) {
		t.Errorf("the import brought back what was deleted: %s", out)
	}
	if _, err := to.store.DeleteConversation(t.Context(), alice, c.ID, time.Now()); err != nil {
		t.Fatal(err)
	}
	if must[string](t)(to.bring(t, file)); to.all(t) != "" {
		t.Error("a deleted conversation came back")
	}
}

var errKilled = errors.New("killed")

// An import that dies before any of its writes, and is begun again, is whole; until then
// nobody sees a conversation of which something is missing.
func TestKilled(t *testing.T) {
	from := newWorld(t)
	from.talk(t, "one")
	from.talk(t, "two")
	text := from.all(t)
	file := write(t, text)
	writes := 0
	for n := 0; ; n++ {
		to := newWorld(t)
		left := n
		im := newImporter(to.database, &bytes.Buffer{})
		im.batch = 4
		im.step = func() error {
			if left--; left < 0 {
				return errKilled
			}
			return nil
		}
		err := im.file(t.Context(), file)
		if part := to.all(t); !strings.HasPrefix(text, part) {
			t.Fatalf("after %d writes there is\n%s", n, part)
		}
		if err == nil {
			break
		}
		if writes++; !errors.Is(err, errKilled) {
			t.Fatal(err)
		}
		must[string](t)(to.bring(t, file))
		if to.all(t) != text {
			t.Errorf("killed after %d writes and begun again it is another one", n)
		}
	}
	if writes != 10 { // with those of what is searched
		t.Errorf("it died %d times", writes)
	}
}

func TestTwoAtOnce(t *testing.T) {
	from, to := newWorld(t), newWorld(t)
	for range 5 {
		from.talk(t, "talk")
	}
	text := from.all(t)
	file := write(t, text)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			im := newImporter(to.database, &bytes.Buffer{})
			im.batch = 2
			if err := im.file(t.Context(), file); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if to.all(t) != text {
		t.Error("it is another one")
	}
}

// What is in the way is named, and nothing is changed.
func TestConflicts(t *testing.T) {
	from := newWorld(t)
	c := from.talk(t, "talk")
	text := from.all(t)
	lines := strings.SplitAfter(text, "\n")
	id := func(line string) string {
		var m struct{ ID string }
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		return m.ID
	}
	short := strings.Replace(lines[0], `"lastSeq":6`, `"lastSeq":2`, 1) + lines[1] + lines[2]
	for _, tt := range []struct{ name, there, text, want string }{
		{"another conversation", strings.Replace(text, `"createdAt":"2`, `"createdAt":"3`, 1), text, "line 1: conversation.id is that of another conversation of the database; nothing is imported"},
		{"of another organisation", strings.Replace(text, `"orgId":"acme"`, `"orgId":"other"`, 1), text, "line 1: conversation.id is that of another conversation of the database; nothing is imported"},
		{"another message", strings.Replace(text, id(lines[3]), "another", 1), text, "line 4: seq is that of another message of the database; nothing is imported"},
		{"a longer log", short, text, "line 4: id is not in the conversation of the database, which has its id; nothing is imported"},
		{"a message elsewhere", strings.Replace(text, string(c.ID), "c2", 1), text, "line 2: id is that of another message of the database; nothing is imported"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.there == tt.text {
				t.Fatal("nothing is in the way")
			}
			to := newWorld(t)
			must[string](t)(to.bring(t, write(t, tt.there)))
			before := to.dump(t)
			if _, err := to.bring(t, write(t, tt.text)); err == nil || err.Error() != tt.want {
				t.Errorf("%v, want %s", err, tt.want)
			}
			if !maps.Equal(to.dump(t), before) {
				t.Error("something is written")
			}
		})
	}
	// Of an import that never came to its end there are messages of nobody.
	for _, tt := range []struct{ name, text, want string }{
		{"that say something else", strings.Replace(text, "edited", "changed", 1), "line 3: id is that of another message of the database; nothing is imported"},
		{"that are more", short, "the database has more messages of it than the file, of an import that was not finished; nothing is imported"},
		{"of another sender", strings.Replace(text, `"participantId":"alice"`, `"participantId":"bob"`, 1), "line 2: id is that of another message of the database; nothing is imported"},
	} {
		t.Run("messages "+tt.name, func(t *testing.T) {
			to := newWorld(t)
			im := newImporter(to.database, &bytes.Buffer{})
			writes := 0
			im.step = func() error {
				if writes++; writes == 2 {
					return errKilled
				}
				return nil
			}
			if err := im.file(t.Context(), write(t, text)); !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			before := to.dump(t)
			if _, err := to.bring(t, write(t, tt.text)); err == nil || !strings.HasSuffix(err.Error(), tt.want) {
				t.Errorf("%v, want %s", err, tt.want)
			}
			if !maps.Equal(to.dump(t), before) {
				t.Error("something is written")
			}
		})
	}
}

// A bad line is named by its number and field, and a file that has one changes nothing.
func TestBadFiles(t *testing.T) {
	from, to := newWorld(t), newWorld(t)
	from.talk(t, "talk")
	text := from.all(t)
	lines := strings.SplitAfter(text, "\n")
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "", "there is nothing in the file"},
		{"no JSON", "Hello\n", "line 1: the body must be a JSON object"},
		{"another format", strings.Replace(text, "aiwm-chat/1", "aiwm-chat/9", 1), "line 1: format must be aiwm-chat/1"},
		{"no head", lines[1], "line 1: seq is not known here"},
		{"a wrong role", strings.Replace(text, `"role":"agent"`, `"role":"boss"`, 1), "line 5: role must be user, agent, tool or system"},
		{"a gap", strings.Join(append(lines[:2:2], lines[3:]...), ""), "line 3: seq must be 2"},
		{"an id twice", strings.Replace(text, lines[2], strings.Replace(lines[1], `"seq":1`, `"seq":2`, 1), 1), "line 3: id is in the conversation twice"},
		{"too short", strings.Join(lines[:4], ""), "line 4: the file ends after message 3 of 6"},
		{"half a line", text[:len(text)-20], "line 7: the body is not valid JSON at reactions[1].at"},
		{"twice", text + text, "line 8: conversation.id is in the file twice"},
		{"more than there should be", text + lines[6], "line 8: seq is not known here"},
		{"an empty line", lines[0] + "\n" + strings.Join(lines[1:], ""), "line 2: the body must be a JSON object"},
		{"a long line", lines[0] + strings.Repeat("x", 5<<20), "line 2: is longer than 4194304 bytes"},
		{"a deleted one that speaks", strings.Replace(text, `"isDeleted":true`, `"isDeleted":true,"content":"back"`, 1), "line 4: isDeleted must not be true of a message that says something"},
		{"two faults", strings.Replace(strings.Replace(text, `"status":"sent"`, `"status":"read"`, 1), `"type":"text"`, `"type":"x"`, 1), "line 2: status must be sending, sent, delivered, failed or cancelled, type must be text, thinking, tool_call, tool_result, error or system"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := to.bring(t, write(t, tt.text))
			want := tt.want + "; nothing is imported"
			if err == nil || err.Error() != want {
				t.Errorf("%v, want %s", err, want)
			}
			if len(to.dump(t)) > 0 {
				t.Error("something is written")
			}
		})
	}
	if _, err := to.bring(t, filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// An export that was killed anywhere goes on behind what is in the file, and is the same.
func TestExportGoesOn(t *testing.T) {
	w := newWorld(t)
	c := w.talk(t, "one")
	w.talk(t, "two")
	text := w.all(t)
	for cut := 0; cut <= len(text); cut += max(1, len(text)/60) {
		name := filepath.Join(t.TempDir(), "chat.ndjson")
		if err := os.WriteFile(name+".part", []byte(text[:cut]), 0o600); err != nil {
			t.Fatal(err)
		}
		must[string](t)(w.export(t, "-o", name, "-all"))
		got, err := os.ReadFile(name)
		if err != nil || string(got) != text {
			t.Fatalf("cut at %d it is\n%s\n%v", cut, got, err)
		}
		if _, err := os.Stat(name + ".part"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the part is left: %v", err)
		}
	}
	one := must[string](t)(w.export(t, string(c.ID)))
	if !strings.HasPrefix(text, one) && !strings.HasSuffix(text, one) || strings.Count(one, "\n") != 7 {
		t.Errorf("of one it is\n%s", one)
	}
	name := filepath.Join(t.TempDir(), "one.ndjson")
	for _, tt := range []struct{ part, want string }{
		{strings.Replace(one, string(c.ID), "another", 1), "is of the conversation another"},
		{"{}\n", "line 1 is none of an export"},
		{one + "\n", "line 8 is none of an export"},
	} {
		if err := os.WriteFile(name+".part", []byte(tt.part), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := w.export(t, string(c.ID), "-o", name); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, want %s", err, tt.want)
		}
		if got, err := os.ReadFile(name + ".part"); err != nil || string(got) != tt.part {
			t.Error("the part was changed")
		}
	}
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := w.export(t, string(c.ID), "-o", name); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("%v", err)
	}
	// The log as it was when the export began is what goes on.
	half := strings.Join(strings.SplitAfter(one, "\n")[:4], "")
	name = filepath.Join(t.TempDir(), "late.ndjson")
	if err := os.WriteFile(name+".part", []byte(half), 0o600); err != nil {
		t.Fatal(err)
	}
	w.say(t, c, alice, chat.Draft{Content: "late"})
	must[string](t)(w.export(t, string(c.ID), "-o", name))
	if got, err := os.ReadFile(name); err != nil || string(got) != one {
		t.Errorf("it is\n%s\n%v", got, err)
	}
}

func TestArguments(t *testing.T) {
	w := newWorld(t)
	c := w.talk(t, "talk")
	for _, tt := range []struct{ args, want string }{
		{"", "name the conversation to export, or -all"},
		{"c1 -all", "name the conversation to export, or -all"},
		{"{c1}", `"{c1}" is not the id of a conversation`},
		{"c1", "there is no conversation c1"},
		{"c1 -format html", "-format must be ndjson or markdown"},
		{"-format markdown", "name the conversation to export, or -all"},
		{"c1 c2", `export: unknown argument "c2"`},
	} {
		if _, err := w.export(t, strings.Fields(tt.args)...); err == nil || err.Error() != tt.want {
			t.Errorf("export %s: %v, want %s", tt.args, err, tt.want)
		}
	}
	for _, args := range [][]string{{string(c.ID), "-format", "markdown"}, {"-format", "markdown", string(c.ID)}, {"-format=markdown", string(c.ID)}, {"-format", "markdown", "-all"}} {
		if out, err := w.export(t, args...); err != nil || !strings.HasPrefix(out, "# talk\n") || strings.Contains(out, "secret") {
			t.Errorf("%v: %s, %v", args, out, err)
		}
	}
	name := filepath.Join(t.TempDir(), "chat.md")
	if err := os.WriteFile(name+".part", []byte("half of it"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := must[string](t)(w.export(t, "-all", "-format", "markdown", "-o", name))
	if got, err := os.ReadFile(name); err != nil || !strings.HasPrefix(string(got), "# talk\n") || !strings.HasSuffix(out, "written: 1 conversations, 6 messages\n") {
		t.Errorf("%s, %v, said %s", got, err, out)
	}
	if _, err := w.bring(t, ""); err == nil || err.Error() != "name the file to import" {
		t.Errorf("%v", err)
	}
}

// BenchmarkExport is of 10,000 messages, from the embedded server to memory.
func BenchmarkExport(b *testing.B) {
	w := newWorld(b)
	c := must[chat.Conversation](b)(chat.NewConversation(alice, "long", "", agent.ID, nil, time.Now()))
	c.ID = "c1"
	var docs strings.Builder
	docs.Write(protocol.AppendExport(nil, protocol.ExportHeadOf(c, 10_000)))
	for i := range 10_000 {
		fmt.Fprintf(&docs, `{"seq":%d,"id":"m%d","participantType":"user","participantId":"alice","role":"user","type":"text","content":"%s","status":"sent","createdAt":"2026-11-29T09:00:00.000Z","updatedAt":"2026-11-29T09:00:00.000Z"}`+"\n",
			i+1, i, strings.Repeat("some words ", 20))
	}
	must[string](b)(w.bring(b, write(b, docs.String())))
	for _, format := range []string{"ndjson", "markdown"} {
		b.Run(format, func(b *testing.B) {
			for b.Loop() {
				out := must[string](b)(w.export(b, "c1", "-format", format))
				b.SetBytes(int64(len(out)))
			}
		})
	}
}
