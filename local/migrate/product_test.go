package migrate

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aiwm-chat/local/client"
	"aiwm-chat/local/server"
	"aiwm-chat/local/server/servertest"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// What was moved in is the product's: it lists and reads it, and goes on behind it.
func TestTheProductGoesOnWithIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ordinary(t, "conv_1", 0, 5)
	w.ordinary(t, "conv_2", 20, 61)
	getenv := func(name string) string {
		return map[string]string{"MONGODB_URI": serverURI, "MONGODB_DB": w.now.Name(), "LOG_LEVEL": "error"}[name]
	}
	var out bytes.Buffer
	from := strings.Replace(serverURI, "/?", "/"+w.old.Name()+"?", 1)
	if from == serverURI {
		from += "/" + w.old.Name()
	}
	report := filepath.Join(t.TempDir(), "report")
	if err := Command(t.Context(), []string{"-from", from, "-report", report}, &out, getenv); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(report); err != nil || len(b) != 0 || !strings.Contains(out.String(), "messages: 66 taken, 0 were there, 0 cannot be taken") {
		t.Errorf("reported %s, %s, error %v", out.String(), b, err)
	}

	s := servertest.Start(t, server.Options{Getenv: getenv, Strict: true})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	user := chat.Principal{Type: chat.User, ID: "u1", OrgID: chat.DefaultOrg}
	token, err := s.Token(user, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	rest := client.NewREST(s.URL(), token)
	defer rest.Close()
	var list struct {
		Data []protocol.Conversation `json:"data"`
	}
	if err := rest.Do(ctx, http.MethodGet, "/conversations", nil, &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Data) != 2 || list.Data[0].ID != "conv_2" || list.Data[0].TotalMessages != 61 || list.Data[1].Title != "About conv_1" {
		t.Errorf("listed %+v", list.Data)
	}
	var history struct {
		Data []protocol.Message `json:"data"`
	}
	if err := rest.Do(ctx, http.MethodGet, "/messages?conversationId=conv_2&afterSeq=59", nil, &history); err != nil {
		t.Fatal(err)
	}
	if len(history.Data) != 2 || history.Data[1].Seq != 61 || history.Data[0].Role != "agent" || history.Data[1].Content != "conv_2 81" {
		t.Errorf("history %+v", history.Data)
	}
	c, err := client.Dial(ctx, s.WebSocketURL(), token)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Request(ctx, "join", map[string]any{"conversationId": "conv_1"}); err != nil {
		t.Fatal(err)
	}
	reply, err := c.Request(ctx, "send", map[string]any{"conversationId": "conv_1", "content": "And now?"})
	if err != nil {
		t.Fatal(err)
	}
	if sent, err := client.Data[protocol.Sent](reply); err != nil || sent.Seq != 6 {
		t.Errorf("sent %+v, error %v, want seq 6", sent, err)
	}
}

func TestBadInputIsNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	getenv := func(name string) string {
		return map[string]string{"MONGODB_URI": serverURI, "MONGODB_DB": w.now.Name()}[name]
	}
	host := strings.TrimPrefix(strings.SplitN(serverURI, "/?", 2)[0], "mongodb://")
	for name, tt := range map[string]struct{ args, want string }{
		"no source":        {"", "-from"},
		"no database":      {"-from " + serverURI, "-from: the database is missing"},
		"no URI":           {"-from postgres://bob:sEcret@host/x", "-from"},
		"another flag":     {"-form x", "-form"},
		"an argument":      {"x", `"x"`},
		"no organisation":  {"-from mongodb://h/x -org a/b", "-org"},
		"a dry rollback":   {"-rollback -dry-run", "-rollback"},
		"a file":           {"-from mongodb://h/x -report /nowhere/x", "-report"},
		"nothing to undo":  {"-rollback", "no migration"},
		"the same":         {"-from mongodb://" + host + "/" + w.now.Name() + "?directConnection=true", "MONGODB_DB"},
		"the same, hidden": {"-from mongodb://" + strings.Replace(host, "127.0.0.1", "localhost", 1) + "/" + w.now.Name() + "?directConnection=true", "MONGODB_DB"},
	} {
		var out bytes.Buffer
		err := Command(t.Context(), strings.Fields(tt.args), &out, getenv)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "sEcret") {
			t.Errorf("%s: error %v, want one with %q", name, err, tt.want)
		}
	}
	if left := dump(t, w.now, everything...); len(left) != 0 {
		t.Errorf("bad input wrote %d documents", len(left))
	}
	if err := Command(t.Context(), []string{"-from", "mongodb://h/x"}, &bytes.Buffer{}, func(string) string { return "" }); err == nil || !strings.Contains(err.Error(), "MONGODB_URI") {
		t.Errorf("no target: %v", err)
	}
}
