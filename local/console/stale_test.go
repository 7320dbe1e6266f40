package console_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

var (
	adapter = regexp.MustCompile(`^(react|call\.|ai-sdk|ag-ui|assistant-ui)\b`)
	madeOf  = regexp.MustCompile(`^/\*! @aiwm/chat sources sha256:([0-9a-f]{64}) \*/`)
)

// The client in the page is that of shared/clients/typescript: its first line names the
// sources that it was made of, as that package's bundle script says.
func TestClientIsNotStale(t *testing.T) {
	t.Parallel()
	const src = "../../shared/clients/typescript/src"
	files, err := filepath.Glob(filepath.Join(src, "*.ts"))
	if err != nil || len(files) < 10 {
		t.Fatalf("%v: there are %d sources in %s: the test is broken", err, len(files), src)
	}
	slices.Sort(files)
	hash := sha256.New()
	for _, f := range files {
		if adapter.MatchString(filepath.Base(f)) {
			continue
		}
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(hash, "%s\n%d\n", filepath.Base(f), len(text))
		hash.Write(text)
	}
	bundle, err := os.ReadFile("assets/console/chat.js")
	if err != nil {
		t.Fatal(err)
	}
	want := hex.EncodeToString(hash.Sum(nil))
	if m := madeOf.FindSubmatch(bundle); m == nil || string(m[1]) != want {
		t.Errorf("assets/console/chat.js is stale: it says it was made of %.100q, and the sources are %s.\nIn shared/clients/typescript: npm ci && npm run bundle -- ../../../local/console/assets/console/chat.js", bundle, want)
	}
}
