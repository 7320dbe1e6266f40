package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A package imports only from floors below its own: nothing sideways, nothing
// up. The imports are read with go/parser, because `go test` would cache what
// `go list` says.
var floors = map[string]int{
	"shared/chat":                0,
	"shared/protocol":            1,
	"shared/delivery":            1,
	"shared/config":              1,
	"shared/gateway":             2,
	"shared/mongostore":          2,
	"shared/presence":            2,
	"shared/auth":                2,
	"shared/queue":               2,
	"shared/summary":             2,
	"shared/delivery/apigateway": 2,
	"shared/live":                3, // wires presence and delivery for the mains; no handler imports it
	"shared/backend":             4, // wires all that a sender needs for the mains
}

const (
	handlerFloor = 3
	mainFloor    = 5
)

// drivers are what only floor 2 may know.
var drivers = []string{"go.mongodb.org/", "github.com/redis/", "github.com/aws/aws-sdk-go-v2", "github.com/sashabaranov/"}

func TestFloors(t *testing.T) {
	for _, pkg := range packages(t) {
		floor, known := floorOf(pkg.path)
		if !known {
			t.Errorf("%s: no floor; add it to the table, and to the design", pkg.path)
			continue
		}
		for _, imported := range pkg.imports {
			if inner, ok := strings.CutPrefix(imported, "aiwm-chat/"); ok {
				below, known := floorOf(inner)
				local := strings.HasPrefix(pkg.path, "local") && strings.HasPrefix(inner, "local")
				if !known || below >= floor && !local {
					t.Errorf("%s (floor %d) imports %s (floor %d)", pkg.path, floor, inner, below)
				}
				if floor == handlerFloor && inner == "shared/live" {
					t.Errorf("%s imports shared/live, which is for mains", pkg.path)
				}
				continue
			}
			if bad := forbidden(pkg.path, floor, imported); bad != "" {
				t.Errorf("%s imports %s: %s", pkg.path, imported, bad)
			}
		}
	}
}

func forbidden(pkg string, floor int, imported string) string {
	standard := !strings.Contains(strings.SplitN(imported, "/", 2)[0], ".")
	isDriver := slices.ContainsFunc(drivers, func(d string) bool { return strings.HasPrefix(imported, d) })
	switch {
	case floor == 0 && !standard:
		return "the domain needs the standard library only"
	case isDriver && (floor == 1 || floor == handlerFloor):
		return "drivers belong to floor 2"
	case floor == handlerFloor && imported == "os":
		return "a handler is given its configuration"
	case strings.HasPrefix(pkg, "functions/") && imported == "text/template":
		return "it keeps ten megabytes of dead code alive"
	}
	return ""
}

func floorOf(pkg string) (floor int, known bool) {
	switch {
	case strings.HasPrefix(pkg, "local"):
		return mainFloor, true
	case strings.HasPrefix(pkg, "functions/") && strings.HasSuffix(pkg, "/handler"):
		return handlerFloor, true
	case strings.HasPrefix(pkg, "functions/"):
		return mainFloor, true
	}
	floor, known = floors[pkg]
	return floor, known
}

type goPackage struct {
	path    string
	imports []string
}

// packages returns the packages of the module with the imports of their
// non-test files.
func packages(t *testing.T) []goPackage {
	t.Helper()
	byPath := map[string]map[string]bool{}
	err := filepath.WalkDir("..", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && entry.Name() != ".." {
			return fs.SkipDir
		}
		if entry.IsDir() || path.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(strings.TrimPrefix(filepath.Dir(file), ".."+string(filepath.Separator)))
		if byPath[dir] == nil {
			byPath[dir] = map[string]bool{}
		}
		for _, imp := range parsed.Imports {
			name, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				return err
			}
			byPath[dir][name] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []goPackage
	for dir, imports := range byPath {
		p := goPackage{path: dir}
		for name := range imports {
			p.imports = append(p.imports, name)
		}
		slices.Sort(p.imports)
		all = append(all, p)
	}
	if len(all) < 20 {
		t.Fatalf("found %d packages only: the walk is broken", len(all))
	}
	slices.SortFunc(all, func(a, b goPackage) int { return strings.Compare(a.path, b.path) })
	return all
}
