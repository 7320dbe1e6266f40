package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"aiwm-chat/local/aws/template"
	"aiwm-chat/shared/config"
)

// The README is a reference for names: every variable, route, action, event and
// error code that exists is in it.
func TestReadmeNamesEverything(t *testing.T) {
	b, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(b)
	for what, names := range map[string][]string{
		"variable": variables(), "route": routes(t),
		"action, event": constants(t, "../shared/protocol", "Event", "Action"), "code": codes(t),
	} {
		if len(names) == 0 {
			t.Errorf("found no %s: the test is broken", what)
		}
		for _, name := range names {
			if !strings.Contains(readme, name) {
				t.Errorf("README.md does not name the %s %s", what, name)
			}
		}
	}
}

func variables() (names []string) {
	for p := config.Mongo; p <= config.TypingLimit; p++ {
		names = append(names, p.Variables()...)
	}
	return append(names, "LOG_LEVEL", "PORT")
}

func routes(t *testing.T) (paths []string) {
	t.Helper()
	tmpl, err := template.Load("../template.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range tmpl.HTTPAPIs[0].Routes {
		paths = append(paths, r.Path)
	}
	return paths
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
