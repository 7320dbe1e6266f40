package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

const protocolReference = "../shared/protocol/README.md"

// The reference of the protocol names every route, action, event and error
// code that exists. (That of the variables is made from their comments.)
func TestReadmeNamesTheProtocol(t *testing.T) {
	b, err := os.ReadFile(protocolReference)
	if err != nil {
		t.Fatal(err)
	}
	for what, names := range map[string][]string{
		"route": routes(t), "action, event": constants(t, "../shared/protocol", "Event", "Action"), "code": codes(t),
	} {
		if len(names) == 0 {
			t.Errorf("found no %s: the test is broken", what)
		}
		for _, name := range unnamed(string(b), names) {
			t.Errorf("shared/protocol/README.md does not name the %s `%s`", what, name)
		}
	}
	for _, code := range codes(t) {
		status := protocol.ProblemOf(chat.Errorf(chat.Code(code), "")).Status
		if row := fmt.Sprintf("\n| `%s` | %d |", code, status); !strings.Contains(string(b), row) {
			t.Errorf("shared/protocol/README.md does not have%s", row)
		}
	}
}

// unnamed returns the names that a text does not have as code.
func unnamed(text string, names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return strings.Contains(text, "`"+name+"`") })
}

func TestReadmeFindsWhatIsUnnamed(t *testing.T) {
	got := unnamed("`GET /a` and b, `c`", []string{"GET /a", "GET /", "b", "c"})
	if want := []string{"GET /", "b"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// routes are those of the template, as "GET /health".
func routes(t *testing.T) (keys []string) {
	t.Helper()
	for _, r := range loadTemplate(t, nil).HTTPAPIs[0].Routes {
		keys = append(keys, r.Method+" "+r.Path)
	}
	return keys
}

// codes are the constants of type Code in the domain.
func codes(t *testing.T) []string { return constants(t, "../shared/chat/error.go", "Code") }

// constants returns the strings of the constants in a file or folder whose
// name begins with one of the prefixes, or whose type is one of them.
func constants(t *testing.T, path string, prefixes ...string) (values []string) {
	t.Helper()
	files := []string{path}
	if info, err := os.Stat(path); err != nil {
		t.Fatal(err)
	} else if info.IsDir() {
		entries, err := os.ReadDir(path)
		if err != nil {
			t.Fatal(err)
		}
		files = nil
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".go") && !strings.HasSuffix(e.Name(), "_test.go") {
				files = append(files, path+"/"+e.Name())
			}
		}
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			literal, ok := spec.Values[0].(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				return true
			}
			kind, _ := spec.Type.(*ast.Ident)
			for _, p := range prefixes {
				if strings.HasPrefix(spec.Names[0].Name, p) || kind != nil && kind.Name == p {
					s, err := strconv.Unquote(literal.Value)
					if err != nil {
						t.Fatal(err)
					}
					values = append(values, s)
				}
			}
			return true
		})
	}
	return values
}
