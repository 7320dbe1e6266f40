package config_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"aiwm-chat/shared/config"
)

var update = flag.Bool("update", false, "write README.md from the comments of config.go and rate.go")

const referenceHead = `# Environment variables

Written by ` + "`go test ./shared/config -update`" + ` from the comments of config.go and rate.go; change
them there.

template.yaml sets these from its parameters, and each function gets the parts that its wiring lists, no others. An
empty variable counts as one that is not set. ` + "`go run ./local`" + ` takes them from its own environment in place of
its defaults: MongoDB and Redis are embedded, the JWT secret is made once and kept in ` + "`.local`" + `; ` + "`CONNECTIONS_URL`" + `
and the AWS variables are always its own. Only the local server reads ` + "`PORT`" + `, default 3003.

`

// always are the parts that no function lists: what every function reads, and
// what Lambda sets for those that call AWS.
var always = []section{
	{"every function", []string{"LOG_LEVEL", "STACK_NAME"}},
	{"AWS, set by Lambda", []string{"AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"}},
}

type section struct {
	part      string
	variables []string
}

// README.md is what the comments of Config say, part by part.
func TestReferenceIsUpToDate(t *testing.T) {
	sections := slices.Clone(always)
	for i, name := range partNames(t) {
		sections = append(sections, section{name, config.Part(i).Variables()})
	}
	table, faults := reference(sections, allComments(t))
	for _, fault := range faults {
		t.Error(fault)
	}
	want := referenceHead + table
	if *update && len(faults) == 0 {
		if err := os.WriteFile("README.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile("README.md"); err != nil || string(got) != want {
		t.Errorf("shared/config/README.md is not what config.go and rate.go say (%v): run go test ./shared/config -update", err)
	}
}

// allComments returns what Config and Limits say of variables.
func allComments(t *testing.T) map[string]string {
	t.Helper()
	comments := map[string]string{}
	for _, name := range []string{"config.go", "rate.go"} {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(comments, variableComments(t, string(source)))
	}
	return comments
}

// limitDefault is where the comment of a limit says what it is without a variable.
var limitDefault = regexp.MustCompile(`default ([0-9]+(?:/[a-z]+ burst [0-9]+)?)(?:;|$)`)

// The defaults of the limits are those of their comments.
func TestLimitsAreAsCommented(t *testing.T) {
	env := enough()
	byDefault, err := config.Load(lookup(env), all...)
	if err != nil {
		t.Fatal(err)
	}
	comments := allComments(t)
	for _, p := range all {
		for _, name := range p.Variables() {
			if !strings.HasPrefix(name, "LIMIT_") {
				continue
			}
			if m := limitDefault.FindStringSubmatch(comments[name]); m != nil {
				env[name] = m[1]
			} else {
				t.Errorf("the comment of %s names no default: %q", name, comments[name])
			}
		}
	}
	commented, err := config.Load(lookup(env), all...)
	if err != nil || commented.Limits != byDefault.Limits {
		t.Errorf("the comments say %+v, %v\nthe defaults are %+v", commented.Limits, err, byDefault.Limits)
	}
}

// reference returns the table, and what is wrong with the comments.
func reference(sections []section, comments map[string]string) (table string, faults []string) {
	var b strings.Builder
	b.WriteString("| part | variable | |\n|---|---|---|\n")
	known := map[string]bool{}
	for _, s := range sections {
		for i, name := range s.variables {
			part := s.part
			if i > 0 {
				part = ""
			}
			if comments[name] == "" {
				faults = append(faults, name+" has no comment in Config: say there what it is")
			}
			known[name] = true
			fmt.Fprintf(&b, "| %s | `%s` | %s |\n", part, name, strings.ReplaceAll(comments[name], "|", `\|`))
		}
	}
	for name := range comments {
		if !known[name] {
			faults = append(faults, name+" is in a comment of Config, but no part reads it")
		}
	}
	slices.Sort(faults)
	return b.String(), faults
}

// variableComment is what a comment says of a variable: its name, and the rest.
var variableComment = regexp.MustCompile(`^(PROVIDERS|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:[,:] (.+))?$`)

// variableComments returns what the fields of the structs in source say of
// variables.
func variableComments(t *testing.T, source string) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "", source, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	comments := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		if field, ok := n.(*ast.Field); ok && field.Comment != nil {
			if m := variableComment.FindStringSubmatch(strings.TrimSpace(field.Comment.Text())); m != nil {
				comments[m[1]] = m[2]
			}
		}
		return true
	})
	return comments
}

// partNames returns the names of the parts in the order of their values.
func partNames(t *testing.T) (names []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "part.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range file.Decls {
		decl, ok := d.(*ast.GenDecl)
		if !ok || decl.Tok != token.CONST || !isPart(decl.Specs[0]) {
			continue
		}
		for _, spec := range decl.Specs {
			if name := spec.(*ast.ValueSpec).Names[0]; name.IsExported() { // the last one counts them
				names = append(names, name.Name)
			}
		}
	}
	if len(names) != len(all) {
		t.Fatalf("part.go has the parts %v, the tests know %d", names, len(all))
	}
	return names
}

func isPart(s ast.Spec) bool {
	kind, ok := s.(*ast.ValueSpec).Type.(*ast.Ident)
	return ok && kind.Name == "Part"
}

// A variable that nobody explains, or that nobody reads, is an error.
func TestReferenceFinds(t *testing.T) {
	const source = `package p
type Config struct {
	A struct {
		B string // A_B, default x: an a|b
		C string // A_C
	}
	D int // D_E: nobody reads it
	F int // no variable
}`
	table, faults := reference([]section{{"A", []string{"A_B", "A_C", "A_D"}}}, variableComments(t, source))
	want := "| part | variable | |\n|---|---|---|\n| A | `A_B` | default x: an a\\|b |\n|  | `A_C` |  |\n|  | `A_D` |  |\n"
	if table != want {
		t.Errorf("got\n%swant\n%s", table, want)
	}
	if got := strings.Join(faults, "\n"); len(faults) != 3 ||
		!strings.Contains(got, "A_C has no comment") || !strings.Contains(got, "A_D has no comment") || !strings.Contains(got, "D_E is in a comment") {
		t.Errorf("faults are\n%s", got)
	}
}
