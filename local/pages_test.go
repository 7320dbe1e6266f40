package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The pages are every text in Markdown: what they say of each other and of the
// commands is so.

// pages are the texts by their path from the root of the repository.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := repository(t)
	maps.DeleteFunc(all, func(file, _ string) bool { return path.Ext(file) != ".md" })
	for _, file := range []string{".github/CONTRIBUTING.md", ".github/SECURITY.md"} {
		b, err := os.ReadFile(filepath.Join("..", file))
		if err != nil {
			t.Fatal(err)
		}
		all[file] = string(b)
	}
	if len(all) < 10 {
		t.Fatalf("found %d pages: the test is broken", len(all))
	}
	return all
}

var (
	pageLink    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	pageHeading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	notInAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// links are what a page links to in this repository: a path from its root, and
// the anchor there.
func links(page, text string) (to [][2]string) {
	for _, m := range pageLink.FindAllStringSubmatch(text, -1) {
		if strings.Contains(m[1], ":") {
			continue
		}
		target, anchor, _ := strings.Cut(m[1], "#")
		if target == "" {
			target = path.Base(page)
		}
		to = append(to, [2]string{path.Join(path.Dir(page), target), anchor})
	}
	return to
}

// hasAnchor reports whether a heading of the text has the anchor that GitHub gives it: of
// several that are the same the second has -1 behind it, and so on.
func hasAnchor(text, anchor string) bool {
	times := map[string]int{}
	for _, m := range pageHeading.FindAllStringSubmatch(text, -1) {
		own := strings.ReplaceAll(notInAnchor.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")
		if n := times[own]; anchor == own || n > 0 && anchor == fmt.Sprintf("%s-%d", own, n) {
			return true
		}
		times[own]++
	}
	return false
}

// What a page links to is there, and so is the heading.
func TestPagesLinkToWhatThereIs(t *testing.T) {
	all := pages(t)
	for page, text := range all {
		for _, to := range links(page, text) {
			if _, err := os.Stat(filepath.Join("..", to[0])); errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s links to %s, which is not there", page, to[0])
			} else if to[1] != "" && !hasAnchor(all[to[0]], to[1]) {
				t.Errorf("%s links to %s#%s, which is no heading", page, to[0], to[1])
			}
		}
	}
}

// Who reads the README finds every other page; a folder called reference is found from the
// README beside it.
func TestReadmeLinksToEveryPage(t *testing.T) {
	all := pages(t)
	for page := range all {
		from := "README.md"
		if dir := path.Dir(page); path.Base(dir) == "reference" {
			from = path.Join(path.Dir(dir), from)
		}
		if page != from && !slices.ContainsFunc(links(from, all[from]), func(to [2]string) bool { return to[0] == page }) {
			t.Errorf("%s does not link to %s", from, page)
		}
	}
}

func TestPageLinks(t *testing.T) {
	got := links("a/b.md", "[x](c.md#one-two) [y](../d) [z](#here) [w](https://example.org/#e)")
	if want := [][2]string{{"a/c.md", "one-two"}, {"d", ""}, {"a/b.md", "here"}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if text := "# A, `b` and c-d\n"; !hasAnchor(text, "a-b-and-c-d") || hasAnchor(text, "a") {
		t.Error("anchors are not those of GitHub")
	}
}

var (
	shownCommand = regexp.MustCompile("go run \\./local(?: ([^#|`)\n]*))?")
	codeCommand  = regexp.MustCompile("`((?:serve|demo|bench|soak|token|indexes|contract|migrate|cost|cold) -[^`]*)`")
)

// shown are the commands of the local server that a text shows, by their
// arguments, without what stands for something else.
func shown(text string) (commands [][]string) {
	text = strings.ReplaceAll(text, "\\\n", "")
	for _, m := range slices.Concat(shownCommand.FindAllStringSubmatch(text, -1), codeCommand.FindAllStringSubmatch(text, -1)) {
		command, _, _ := strings.Cut(m[1], "   ") // what stands beside it is something else
		args := slices.DeleteFunc(strings.Fields(command), func(s string) bool { return s == "…" })
		if len(args) == 0 || !strings.HasPrefix(args[0], "<") {
			commands = append(commands, args)
		}
	}
	return commands
}

func TestShownCommands(t *testing.T) {
	got := shown("`go run ./local`, `go run ./local <command> -h`\n$ A=b go run ./local token -user u1    Stop: Ctrl-C\n$(go run ./local indexes)\n`bench -room 2`, `bench …`")
	if want := [][]string{nil, {"token", "-user", "u1"}, {"indexes"}, {"bench", "-room", "2"}}; !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Each command that a page shows is one, with the flags and values that it takes.
func TestPagesShowCommandsAsTheyAre(t *testing.T) {
	discardStderr(t)
	n := 0
	for page, text := range pages(t) {
		for _, args := range shown(text) {
			n++
			// Twice, for a flag that is shown without its value.
			if err := run(t.Context(), append(args, "-h", "-h"), io.Discard, func(string) string { return "" }); !errors.Is(err, flag.ErrHelp) {
				t.Errorf("%s shows go run ./local %s: %v", page, strings.Join(args, " "), err)
			}
		}
	}
	if n < 20 {
		t.Errorf("found %d commands: the test is broken", n)
	}
}

// Who asks for help is told of every command, and so is who reads of the local server.
func TestCommandsAreListed(t *testing.T) {
	help := discardStderr(t)
	if err := run(t.Context(), []string{"-h"}, io.Discard, func(string) string { return "" }); !errors.Is(err, flag.ErrHelp) {
		t.Fatal(err)
	}
	b, err := os.ReadFile(help)
	if err != nil {
		t.Fatal(err)
	}
	usage, _, _ := strings.Cut(string(b), "\n")
	page := pages(t)["local/README.md"]
	for name := range commands {
		if !regexp.MustCompile(`[[|]` + name + `[]|]`).MatchString(usage) {
			t.Errorf("-h does not name %s: %s", name, usage)
		}
		if !strings.Contains(page, "\n| `"+name+"`") {
			t.Errorf("local/README.md has no row of %s", name)
		}
	}
}

// discardStderr sends what flags print, which is help, to a file for the time of the test.
func discardStderr(t *testing.T) (file string) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	before := os.Stderr
	os.Stderr = f
	t.Cleanup(func() {
		os.Stderr = before
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f.Name()
}
