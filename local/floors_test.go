package main

import (
	"fmt"
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
// up. The longest prefix of a package's path decides. The imports are read with
// go/parser, because `go test` would cache what `go list` says.
var floors = map[string]int{
	"shared/outside":             -1,
	"shared/chat":                0,
	"shared/terms":               1,
	"shared/config":              0,
	"shared/observe":             0,
	"shared/observe/observetest": 1,
	"shared/protocol":            1,
	"shared/delivery":            1,
	"shared/wire":                1,
	"shared/credentials":         1,
	"shared/secrets":             1,
	"shared/completion":          1,
	"shared/profiles":            1,
	"shared/gateway":             2,
	"shared/mongostore":          2,
	"shared/presence":            2,
	"shared/auth":                2,
	"shared/objects":             2,
	"shared/queue":               2,
	"shared/summary":             2,
	"shared/export":              2,
	"shared/delivery/apigateway": 2,
	"shared/live":                3,
	"functions/*/handler":        handlerFloor,
	"functions/*/tools":          2,
	"functions/*/runlog":         2,
	"functions/*/wiring":         wiringFloor,
	"functions/*":                5,

	"local/embedded":          0,
	"local/faults":            0,
	"local/filelock":          -1,
	"local/logline":           0,
	"local/proxy":             0,
	"local/scripted":          0,
	"local/toolserver":        0,
	"local/aws/account":       0,
	"local/aws/drain":         0,
	"local/aws":               1,
	"local/client":            4,
	"local/command":           4,
	"local/prometheus":        4,
	"local/tracing":           4,
	"local/server":            5,
	"local/server/servertest": 6,
	"local/contract":          5,
	"local/bench":             6,
	"local/checker":           6,
	"local/cost":              6,
	"local/cold":              7,
	"local/demo":              6,
	"local/docs":              6,
	"local/indexes":           6,
	"local/migrate":           6,
	"local/transfer":          6,
	"local/reindex":           6,
	"local/token":             6,
	"local/console":           7,
	"local/serve":             8,

	"local/checker/evidence": 7,
	"local/e2e":              8,
	"local/soak":             8,
	"local":                  9,
}

const (
	handlerFloor = 3
	wiringFloor  = 4 // the one floor whose packages may use each other
)

// drivers are what only floor 2 may know, and below it the credentials of two of
// its packages, what reads the secrets of all, and the client of models, which
// summaries and answers share.
var drivers = []string{"go.mongodb.org/", "github.com/redis/", "github.com/aws/aws-sdk-go-v2", "github.com/sashabaranov/", "github.com/modelcontextprotocol/"}

// forLocal are libraries of the local server alone.
var forLocal = []string{"github.com/google/jsonschema-go", "github.com/swaggest/", "github.com/alicebob/", "github.com/tidwall/", "github.com/gobwas/"}

// emulators know nothing of chat: they would run any other template as well.
var emulators = []string{"local/embedded", "local/faults", "local/filelock", "local/logline", "local/proxy", "local/scripted", "local/aws"}

func TestFloors(t *testing.T) {
	for _, pkg := range packages(t) {
		floor, known := floorOf(pkg.path)
		if !known {
			t.Errorf("%s has no floor: add it to the table", pkg.path)
			continue
		}
		for _, imported := range pkg.imports {
			if bad := forbidden(pkg.path, floor, imported); bad != "" {
				t.Errorf("%s (floor %d) imports %s: %s", pkg.path, floor, imported, bad)
			}
		}
	}
}

func forbidden(pkg string, floor int, imported string) string {
	if inner, ours := strings.CutPrefix(imported, module); ours {
		below, known := floorOf(inner)
		sideways := floor == wiringFloor && below == wiringFloor
		switch {
		case !known || below >= floor && !sideways:
			return fmt.Sprintf("it is on floor %d", below)
		case within(pkg, emulators) && !strings.HasPrefix(inner, "local/"):
			return "an emulator knows nothing of chat"
		}
		return ""
	}
	standard := !strings.Contains(strings.SplitN(imported, "/", 2)[0], ".")
	isDriver := slices.ContainsFunc(drivers, func(d string) bool { return strings.HasPrefix(imported, d) })
	switch {
	case pkg == "shared/credentials", pkg == "shared/secrets", pkg == "shared/completion", strings.HasPrefix(pkg, "local"):
		return ""
	case floor <= 0 && !standard:
		return "the lowest floors need the standard library only"
	case slices.ContainsFunc(forLocal, func(d string) bool { return strings.HasPrefix(imported, d) }):
		return "no binary that deploys carries it"
	case isDriver && floor != 2:
		return "drivers belong to floor 2"
	case floor == handlerFloor && imported == "os":
		return "a handler is given its configuration"
	case strings.HasPrefix(pkg, "functions/") && imported == "text/template":
		return "it keeps ten megabytes of dead code alive"
	}
	return ""
}

func within(pkg string, folders []string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return pkg == f || strings.HasPrefix(pkg, f+"/") })
}

func floorOf(pkg string) (floor int, known bool) {
	if parts := strings.Split(pkg, "/"); parts[0] == "functions" && len(parts) > 1 {
		parts[1] = "*"
		pkg = strings.Join(parts, "/")
	}
	for p := pkg; p != "."; p = path.Dir(p) {
		if floor, known = floors[p]; known {
			return floor, p == pkg || p != "local" && !strings.HasPrefix(p, "functions")
		}
	}
	return 0, false
}

const module = "aiwm-chat/"

type goPackage struct {
	path    string
	main    bool
	imports []string
}

// packages returns the packages of the module with the imports of their
// non-test files.
func packages(t *testing.T) []goPackage {
	t.Helper()
	return packagesOf(t, func(file string) bool { return !strings.HasSuffix(file, "_test.go") })
}

// packagesOf returns the packages of the module with the imports of the files
// that are wanted.
func packagesOf(t *testing.T, wanted func(file string) bool) []goPackage {
	t.Helper()
	byPath := map[string]*goPackage{}
	err := filepath.WalkDir("..", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && entry.Name() != ".." {
			return fs.SkipDir
		}
		if entry.IsDir() || path.Ext(file) != ".go" || !wanted(file) {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(strings.TrimPrefix(filepath.Dir(file), ".."+string(filepath.Separator)))
		if byPath[dir] == nil {
			byPath[dir] = &goPackage{path: dir, main: parsed.Name.Name == "main"}
		}
		for _, imp := range parsed.Imports {
			name, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				return err
			}
			byPath[dir].imports = append(byPath[dir].imports, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []goPackage
	for _, p := range byPath {
		slices.Sort(p.imports)
		p.imports = slices.Compact(p.imports)
		all = append(all, *p)
	}
	if len(all) < 20 {
		t.Fatalf("found %d packages only: the walk is broken", len(all))
	}
	slices.SortFunc(all, func(a, b goPackage) int { return strings.Compare(a.path, b.path) })
	return all
}
