package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"aiwm-chat/local/template"
	"aiwm-chat/shared/config"
)

// What a main asks of its environment is exactly what template.yaml gives to
// its function: no function knows more than it needs, none is short of any.
func TestMainsAskForWhatTheTemplateGives(t *testing.T) {
	parts := map[string]config.Part{
		"Mongo": config.Mongo, "Redis": config.Redis, "Connections": config.Connections, "WelcomeQueue": config.WelcomeQueue,
		"SummaryQueue": config.SummaryQueue, "JWT": config.JWT, "OpenAI": config.OpenAI,
		"SendLimit": config.SendLimit, "TypingLimit": config.TypingLimit,
	}
	tmpl, err := template.Load("../template.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	folders := map[string]bool{}
	for _, f := range tmpl.Functions {
		folders[strings.TrimSuffix(f.CodeURI, "/")] = true
		want := []string{"LOG_LEVEL"}
		for _, name := range partsOf(t, filepath.Join("..", f.CodeURI, "main.go")) {
			part, ok := parts[name]
			if !ok {
				t.Fatalf("%s: unknown part config.%s", f.CodeURI, name)
			}
			want = append(want, part.Variables()...)
		}
		got := tmpl.Variables(f.LogicalID)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: template.yaml gives %v, main.go asks for %v", f.LogicalID, got, want)
		}
	}
	entries, err := os.ReadDir("../functions")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !folders["functions/"+e.Name()] {
			t.Errorf("functions/%s is no function of template.yaml", e.Name())
		}
	}
}

// partsOf returns the names of the parts that a main gives to config.Load.
func partsOf(t *testing.T, file string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || !isSelector(call.Fun, "config", "Load") {
			return true
		}
		for _, arg := range call.Args[1:] {
			names = append(names, arg.(*ast.SelectorExpr).Sel.Name)
		}
		return false
	})
	if len(names) == 0 {
		t.Fatalf("%s does not call config.Load", file)
	}
	return names
}

func isSelector(e ast.Expr, pkg, name string) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == pkg && s.Sel.Name == name
}
