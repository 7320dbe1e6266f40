package e2e_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/tools/txtar"

	"aiwm-chat/shared/chat"
)

var update = flag.Bool("update", false, "write what is received into testdata/*.txtar")

// A transcript is a story in sections, which happen in their order:
//
//	-- user: connect --              opens the connection of an actor
//	-- user: send --                 sends frames, one a line
//	-- user: receive --              all frames since the last such section, in any order
//	-- user: POST /conversations --  calls the REST interface with a body
//	-- user: 201 --                  its answer
//	-- user: close --                closes the connection
//
// An actor whose name begins with agent is an agent, nobody has no token, all
// others are users. <user> is the id of the actor user, <id:1> the first id
// that the server made, <connection:1> the first connection, <time> a time.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			p := &play{t: t, actors: map[string]*player{}}
			got := &txtar.Archive{Comment: archive.Comment}
			for _, section := range archive.Files {
				p.enter(section)
			}
			for _, section := range archive.Files {
				got.Files = append(got.Files, p.do(section))
			}
			p.nothingElse()
			want := txtar.Format(archive)
			if *update && !t.Failed() {
				if err := os.WriteFile(file, txtar.Format(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if text := txtar.Format(got); !bytes.Equal(text, want) {
				t.Errorf("%s: %s\nif that is right: go test ./local/e2e -run TestTranscripts -update", file, firstDifference(text, want))
			}
		})
	}
}

// firstDifference shows the first line in which two texts differ.
func firstDifference(got, want []byte) string {
	g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	section := ""
	for i := 0; i < len(g) && i < len(w); i++ {
		if strings.HasPrefix(w[i], "-- ") {
			section = w[i]
		}
		if g[i] != w[i] {
			return fmt.Sprintf("line %d, in %s\n got %s\nwant %s", i+1, section, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}

// A play is a transcript that is being played.
type play struct {
	t           *testing.T
	actors      map[string]*player
	names       []name // what stands for values that differ from run to run
	ids, conns  int
	lastAnswer  string // of REST, until its section comes
	lastRequest string
}

type name struct{ value, placeholder string }

// A player is an actor with its own connection, which keeps frames as they are.
type player struct {
	*actor
	conn   *websocket.Conn
	frames chan string
}

var (
	restSection   = regexp.MustCompile(`^(GET|POST|PUT|DELETE) (/\S*)$`)
	statusSection = regexp.MustCompile(`^[1-5][0-9][0-9]$`)
)

// do plays a section and returns it as it turned out.
func (p *play) do(section txtar.File) txtar.File {
	p.t.Helper()
	who, what, _ := strings.Cut(section.Name, ": ")
	a := p.actors[who]
	switch rest := restSection.FindStringSubmatch(what); {
	case what == "connect":
		p.connect(a)
		if a.principal.Type == chat.Agent {
			time.Sleep(quiet) // what waits for an agent is read after it is greeted: a message now might come twice
		}
	case what == "close":
		if err := a.conn.Close(websocket.StatusNormalClosure, ""); err != nil {
			p.t.Fatal(err)
		}
	case what == "send":
		for _, line := range lines(section.Data) {
			if err := a.conn.Write(p.t.Context(), websocket.MessageText, []byte(p.real(line))); err != nil {
				p.t.Fatal(err)
			}
		}
	case what == "receive":
		section.Data = p.told(a.receive(p.t, section.Name, len(lines(section.Data))))
	case rest != nil:
		p.lastRequest = who
		status, body := p.call(a, rest[1], p.real(rest[2]), p.real(strings.TrimSpace(string(section.Data))))
		p.lastAnswer = strconv.Itoa(status) + body
	case statusSection.MatchString(what) && p.lastAnswer != "" && who == p.lastRequest:
		section.Name = who + ": " + p.lastAnswer[:3]
		section.Data = p.told([]string{p.lastAnswer[3:]})
		p.lastAnswer = ""
	default:
		p.t.Fatalf("nobody knows how to play %q here", section.Name)
	}
	return section
}

func lines(data []byte) []string {
	return slices.DeleteFunc(strings.Split(string(data), "\n"), func(l string) bool { return strings.TrimSpace(l) == "" })
}

// enter makes the actors whom a section names, unless they are there.
func (p *play) enter(section txtar.File) {
	p.t.Helper()
	who, _, ok := strings.Cut(section.Name, ": ")
	if !ok {
		p.t.Fatalf("the section %q names no actor", section.Name)
	}
	p.actor(who)
	for _, m := range someone.FindAllSubmatch(section.Data, -1) {
		if string(m[1]) != "time" {
			p.actor(string(m[1]))
		}
	}
}

var someone = regexp.MustCompile(`<([a-z]+)>`)

func (p *play) actor(who string) {
	if p.actors[who] != nil {
		return
	}
	kind := chat.User
	if strings.HasPrefix(who, "agent") {
		kind = chat.Agent
	}
	id := unique(who)
	a := &player{actor: newActor(p.t, shared, chat.Principal{Type: kind, ID: chat.PrincipalID(id), OrgID: "acme"})}
	if who == "nobody" {
		a.token = ""
	}
	p.actors[who] = a
	p.names = append(p.names, name{id, "<" + who + ">"})
}

func (p *play) connect(a *player) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, shared.WebSocketURL(), &websocket.DialOptions{Subprotocols: []string{"bearer", a.token}})
	if err != nil {
		p.t.Fatal(err)
	}
	a.conn, a.frames = conn, make(chan string, 1000)
	read := make(chan struct{})
	go func(frames chan<- string) {
		defer close(read)
		for {
			_, text, err := conn.Read(context.Background()) // ended by CloseNow
			if err != nil {
				return
			}
			holdFrame("", text)
			frames <- string(text)
		}
	}(a.frames)
	p.t.Cleanup(func() {
		_ = conn.CloseNow()
		<-read
	})
}

// receive waits for n frames; to write the transcript, for all there are.
func (a *player) receive(t *testing.T, section string, n int) (frames []string) {
	t.Helper()
	wait := patience
	if *update {
		wait, n = 4*quiet, cap(a.frames)
	}
	for len(frames) < n {
		select {
		case f := <-a.frames:
			frames = append(frames, f)
		case <-time.After(wait):
			if !*update {
				t.Errorf("%s: %d frames, want %d", section, len(frames), n)
			}
			return frames
		}
	}
	return frames
}

// nothingElse fails if anybody was sent what is in no section.
func (p *play) nothingElse() {
	p.t.Helper()
	time.Sleep(quiet)
	for who, a := range p.actors {
		for len(a.frames) > 0 {
			p.t.Errorf("%s was sent what is in no section: %s", who, <-a.frames)
		}
	}
	if p.lastAnswer != "" {
		p.t.Errorf("no section has the answer %s", p.lastAnswer)
	}
}

func (p *play) call(a *player, method, path, body string) (status int, answer string) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, shared.URL()+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if a.token != "" {
		r.Header.Set("Authorization", "Bearer "+a.token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := web.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return response.StatusCode, string(b)
}

// real puts values in for their placeholders.
func (p *play) real(text string) string {
	for _, n := range p.names {
		text = strings.ReplaceAll(text, n.placeholder, n.value)
	}
	if left := placeholder.FindString(text); left != "" {
		p.t.Fatalf("%s stands for nothing yet: %s", left, text)
	}
	return text
}

var (
	placeholder = regexp.MustCompile(`<[a-z]+(:[0-9]+)?>`)
	timestamp   = regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z`)
	made        = regexp.MustCompile(`"connectionId":"([^"]+)"|"([0-9a-f]{24})"`)
)

// told returns texts, sorted, as a transcript has them.
func (p *play) told(texts []string) []byte {
	for i, text := range texts {
		texts[i] = members.ReplaceAllStringFunc(p.known(timestamp.ReplaceAllString(text, "<time>")), sortMembers)
	}
	masked := func(text string) string { return made.ReplaceAllString(text, "") } // new ids differ from run to run
	slices.SortFunc(texts, func(a, b string) int { return strings.Compare(masked(a), masked(b)) })
	var b bytes.Buffer
	for _, text := range texts {
		for _, m := range made.FindAllStringSubmatch(text, -1) {
			p.meet(m[1], m[2])
		}
		if text != "" {
			b.WriteString(p.known(text) + "\n")
		}
	}
	return b.Bytes()
}

// members are a set: Redis gives them in any order.
var members = regexp.MustCompile(`"members":\[\{[^\]]*\}\]`)

func sortMembers(text string) string {
	inner := strings.TrimSuffix(strings.TrimPrefix(text, `"members":[{`), `}]`)
	all := strings.Split(inner, "},{")
	slices.Sort(all)
	return `"members":[{` + strings.Join(all, "},{") + `}]`
}

// meet gives a placeholder to a connection or another id that is new.
func (p *play) meet(connection, id string) {
	value := connection + id
	if placeholder.MatchString(value) || slices.ContainsFunc(p.names, func(n name) bool { return n.value == value }) {
		return
	}
	if connection != "" {
		p.conns++
		p.names = append(p.names, name{value, fmt.Sprintf("<connection:%d>", p.conns)})
		return
	}
	p.ids++
	p.names = append(p.names, name{value, fmt.Sprintf("<id:%d>", p.ids)})
}

// known puts placeholders in for the values that have one.
func (p *play) known(text string) string {
	for _, n := range p.names {
		text = strings.ReplaceAll(text, `"`+n.value+`"`, `"`+n.placeholder+`"`)
	}
	return text
}
