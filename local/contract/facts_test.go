package contract

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write facts.json from the comments of the code")

// sources are the packages whose comments the contract shows.
var sources = []string{"../../shared/protocol", "../../shared/chat", "../../functions/health/handler"}

// shown are the types of the domain that clients see; its others are its own affair.
var shown = []string{
	"ConversationID", "MessageID", "ClientMessageID", "PrincipalID", "OrgID", "ConnectionID", "Attachment", "ReactionKey", "UploadID",
	"Code", "Dialect", "PrincipalType", "Role", "MessageType", "MessageStatus", "ConversationStatus",
	"RunID", "CallID", "RunStatus", "RespondPolicy", "BusyPolicy", "MentionType", "WebhookID", "WebhookEvent", "Verdict", "UsageGroup", "Day",
	"LiveCallID", "PartyID", "SignalKind", "LiveCallState", "LiveCallOutcome",
}

func isShown(name string) bool {
	inner, domain := strings.CutPrefix(name, "chat.")
	return (!domain || slices.Contains(shown, inner)) && !strings.HasSuffix(name, "Job")
}

// What the contract says is what the comments of the code say.
func TestFacts(t *testing.T) {
	got := facts{Docs: map[string]string{}, Values: map[string][]value{}, Events: map[string]string{}, Actions: map[string]string{}}
	for _, dir := range sources {
		got.read(t, dir)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "\t")
	if err := e.Encode(got); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("facts.json", b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(b.Bytes(), factsFile) {
		t.Error("facts.json is stale: write it with go test ./local/contract -run TestFacts -update")
	}
}

func (f *facts) read(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in %s: %v", dir, err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if g, ok := d.(*ast.GenDecl); ok {
				f.declaration(t, parsed.Name.Name, g)
			}
		}
	}
}

func (f *facts) declaration(t *testing.T, pkg string, g *ast.GenDecl) {
	t.Helper()
	for _, s := range g.Specs {
		switch s := s.(type) {
		case *ast.TypeSpec:
			if !s.Name.IsExported() {
				continue
			}
			name := pkg + "." + s.Name.Name
			object, isObject := s.Type.(*ast.StructType)
			if !isShown(name) {
				continue
			}
			f.note(name, s.Doc, g.Doc)
			if isObject {
				for _, field := range object.Fields.List {
					for _, n := range field.Names {
						f.note(name+"."+n.Name, field.Comment, field.Doc)
					}
				}
			}
		case *ast.ValueSpec:
			f.constant(t, pkg, g, s)
		}
	}
}

func (f *facts) note(name string, comments ...*ast.CommentGroup) {
	for _, c := range comments {
		if text := oneLine(c); text != "" {
			f.Docs[name] = text
			return
		}
	}
}

func (f *facts) constant(t *testing.T, pkg string, g *ast.GenDecl, s *ast.ValueSpec) {
	t.Helper()
	if g.Tok != token.CONST || len(s.Values) != 1 || !s.Names[0].IsExported() {
		return
	}
	literal, ok := s.Values[0].(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return
	}
	text, err := strconv.Unquote(literal.Value)
	if err != nil {
		t.Fatal(err)
	}
	doc := oneLine(s.Comment)
	if doc == "" && len(g.Specs) == 1 {
		doc = oneLine(g.Doc)
	}
	name := s.Names[0].Name
	if kind, ok := s.Type.(*ast.Ident); ok && isShown(pkg+"."+kind.Name) {
		f.Values[pkg+"."+kind.Name] = append(f.Values[pkg+"."+kind.Name], value{text, doc})
		return
	}
	if s.Type != nil {
		return
	}
	for prefix, into := range map[string]map[string]string{"Event": f.Events, "Action": f.Actions} {
		if strings.HasPrefix(name, prefix) {
			into[text] = strings.TrimPrefix(doc, name+" ")
		}
	}
}

var white = regexp.MustCompile(`\s+`)

func oneLine(c *ast.CommentGroup) string {
	return strings.TrimSpace(white.ReplaceAllString(c.Text(), " "))
}
