package main

import (
	"bufio"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Nothing is left over: every file is named by another one, and every package
// is reached from a main or by tests of another package.
func TestLeftovers(t *testing.T) {
	for _, file := range unnamedFiles(repository(t)) {
		t.Errorf("%s is named by no other file: delete it, or name it where it is used", file)
	}
	tests := packagesOf(t, func(file string) bool { return strings.HasSuffix(file, "_test.go") })
	for _, pkg := range unreachedPackages(packages(t), tests) {
		t.Errorf("no main and no test of another package imports %s: delete it, or import it where it is needed", pkg)
	}
}

// foundByTools are the files that tools find by themselves. A README.md may be
// in any folder, and so may what npm and the tests of Node find.
var foundByTools = []string{
	"LICENSE", "CHANGELOG.md", "go.mod", "go.sum", "Makefile", "template.yaml", "samconfig.toml", ".gitignore", ".env.example", ".ci/run",
}

var foundByNode = regexp.MustCompile(`(^|/)(package(-lock)?\.json|\.npmrc|tsconfig\.json|typedoc\.json|[\w.-]+\.test\.mjs)$`)

// repository returns the files of the repository and what is in them, without
// hidden folders other than that of CI, and without what Git ignores.
func repository(t *testing.T) map[string]string {
	t.Helper()
	ignored := ignoredNames(t)
	files := map[string]string{}
	err := filepath.WalkDir("..", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || file == ".." {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if strings.HasPrefix(name, ".") && name != ".ci" || slices.Contains(ignored, name+"/") {
				return fs.SkipDir
			}
			return nil
		}
		isIgnored := func(pattern string) bool { ok, err := path.Match(pattern, name); return ok && err == nil }
		if name == ".git" || slices.ContainsFunc(ignored, isIgnored) {
			return nil // .git is a file in a linked working tree
		}
		content, err := os.ReadFile(file)
		files[filepath.ToSlash(strings.TrimPrefix(file, ".."+string(filepath.Separator)))] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 100 {
		t.Fatalf("found %d files only: the walk is broken", len(files))
	}
	return files
}

// ignoredNames are the patterns of .gitignore that are for files, and with a / at
// their end for folders, anywhere.
func ignoredNames(t *testing.T) (patterns []string) {
	t.Helper()
	f, err := os.Open("../.gitignore")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if line := strings.TrimSpace(lines.Text()); line != "" && line[0] != '#' && !strings.Contains(strings.TrimSuffix(line, "/"), "/") {
			patterns = append(patterns, line)
		}
	}
	return patterns
}

// unnamedFiles returns the files, other than Go's, that no file needs.
func unnamedFiles(files map[string]string) (unnamed []string) {
	for file := range files {
		if path.Ext(file) == ".go" || path.Base(file) == "README.md" || slices.Contains(foundByTools, file) || foundByNode.MatchString(file) {
			continue
		}
		if !isNamed(files, file) {
			unnamed = append(unnamed, file)
		}
	}
	slices.Sort(unnamed)
	return unnamed
}

func isNamed(files map[string]string, file string) bool {
	if above, inner, ok := testdata(file); ok {
		for other, content := range files {
			if path.Dir(other) == above && path.Ext(other) == ".go" && namesTestdata(content, inner) {
				return true
			}
		}
		return false
	}
	name := regexp.QuoteMeta(path.Base(file))
	if stem, ok := strings.CutSuffix(strings.TrimSuffix(path.Base(file), "x"), ".ts"); ok {
		name = regexp.QuoteMeta(stem) + `\.(tsx?|js)` // which is what TypeScript imports
	}
	word := regexp.MustCompile(`(^|[^\w.-])` + name + `($|[^\w-])`)
	for other, content := range files {
		if other != file && word.MatchString(content) {
			return true
		}
	}
	return false
}

// testdata splits "a/testdata/b/c" into "a" and "testdata/b/c".
func testdata(file string) (above, inner string, ok bool) {
	above, rest, ok := strings.Cut("/"+file, "/testdata/")
	if !ok {
		return "", "", false
	}
	if above = strings.TrimPrefix(above, "/"); above == "" {
		above = "."
	}
	return above, "testdata/" + rest, true
}

// namesTestdata reports whether a string of a Go file is the file, its name, a
// folder it is in, or a glob that matches it.
func namesTestdata(source, file string) bool {
	for _, s := range stringsOf(source) {
		if s = strings.TrimPrefix(s, "./"); s == "" {
			continue
		}
		if s == path.Base(file) || s == file || strings.HasPrefix(file, strings.TrimSuffix(s, "/")+"/") {
			return true
		}
		if ok, err := path.Match(s, file); ok && err == nil && strings.Contains(s, "/") {
			return true
		}
	}
	return false
}

// stringsOf returns the strings in the source of a Go file.
func stringsOf(source string) (all []string) {
	var s scanner.Scanner
	s.Init(token.NewFileSet().AddFile("", -1, len(source)), []byte(source), func(token.Position, string) {}, 0)
	for {
		_, tok, text := s.Scan()
		if tok == token.EOF {
			return all
		}
		if value, err := strconv.Unquote(text); tok == token.STRING && err == nil {
			all = append(all, value)
		}
	}
}

// unreachedPackages returns the packages that no main reaches through imports,
// and no test outside of them.
func unreachedPackages(pkgs, tests []goPackage) (unreached []string) {
	imports, reached := map[string][]string{}, map[string]bool{}
	for _, p := range pkgs {
		imports[p.path] = p.imports
	}
	for _, p := range pkgs {
		if p.main {
			reached[p.path] = true
			link(imports, reached, p.path)
		}
	}
	for _, test := range tests {
		for _, imported := range test.imports {
			if inner, ours := strings.CutPrefix(imported, module); ours && inner != test.path && !reached[inner] {
				reached[inner] = true
				link(imports, reached, inner)
			}
		}
	}
	for _, p := range pkgs {
		if !reached[p.path] {
			unreached = append(unreached, p.path)
		}
	}
	return unreached
}

func TestLeftoverFilesAreFound(t *testing.T) {
	for name, tt := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"tools find these":      {map[string]string{"go.mod": "", "Makefile": "", ".ci/run": "", "README.md": "", "a/README.md": ""}, nil},
		"elsewhere nobody does": {map[string]string{"a/Makefile": ""}, []string{"a/Makefile"}},
		"named":                 {map[string]string{"a/x.json": "", "b/b.go": "//go:embed x.json"}, nil},
		"named by a script":     {map[string]string{"a/x.py": "", ".ci/run": "python3 a/x.py"}, nil},
		"named by itself":       {map[string]string{"a/x.json": "x.json"}, []string{"a/x.json"}},
		"part of another name":  {map[string]string{"a/x.js": "", "b/b.go": "max.js x.json x.js-old"}, []string{"a/x.js"}},
		"testdata by name":      {map[string]string{"a/testdata/x": "", "a/a_test.go": `read("testdata/x")`}, nil},
		"testdata by base":      {map[string]string{"a/testdata/x": "", "a/a_test.go": `read(dir, "x")`}, nil},
		"testdata by folder":    {map[string]string{"a/testdata/s/x": "", "a/a_test.go": "read(`testdata/s/` + name)"}, nil},
		"testdata by glob":      {map[string]string{"a/testdata/x.txt": "", "a/a_test.go": `glob("testdata/*.txt")`}, nil},
		"testdata by another glob": {
			map[string]string{"a/testdata/x.txt": "", "a/a_test.go": `glob("testdata/*.json"); sep("*")`}, []string{"a/testdata/x.txt"},
		},
		"testdata of another folder": {map[string]string{"a/testdata/x": "", "b/b_test.go": `"testdata/x"`}, []string{"a/testdata/x"}},
		"testdata in a comment":      {map[string]string{"a/testdata/x": "", "a/a.go": "// testdata/x"}, []string{"a/testdata/x"}},
	} {
		if got := unnamedFiles(tt.files); !slices.Equal(got, tt.want) {
			t.Errorf("%s: found %v, want %v", name, got, tt.want)
		}
	}
}

func TestLeftoverPackagesAreFound(t *testing.T) {
	pkgs := []goPackage{
		{path: "cmd", main: true, imports: []string{"fmt", module + "a"}},
		{path: "a", imports: []string{module + "b"}},
		{path: "b"},
		{path: "alone", imports: []string{module + "only"}},
		{path: "only"},
		{path: "helper", imports: []string{module + "deep"}},
		{path: "deep"},
	}
	tests := []goPackage{
		{path: "a", imports: []string{module + "helper"}},
		{path: "alone", imports: []string{module + "alone"}},
	}
	if got, want := unreachedPackages(pkgs, tests), []string{"alone", "only"}; !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
}
