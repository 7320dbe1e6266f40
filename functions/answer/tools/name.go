package tools

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

// maxName is the longest name that OpenAI and those who speak its protocol allow.
const maxName = 64

var (
	unnamed   = regexp.MustCompile(`[^A-Za-z0-9_-]`)
	looksHash = regexp.MustCompile(`_[0-9a-f]{10}$`)
)

// nameFor returns the name by which a model calls a tool of a server: always the
// same, and of no other tool. It is server__tool where that is allowed and can be
// read in one way only; else what is not allowed is replaced, and a hash makes it
// unique.
func nameFor(server, tool string) string {
	plain := server + "__" + tool
	ambiguous := strings.Contains(server, "__") || strings.HasSuffix(server, "_") || looksHash.MatchString(plain)
	if !ambiguous && len(plain) <= maxName && !unnamed.MatchString(plain) && tool != "" && server != "" {
		return plain
	}
	sum := sha256.Sum256([]byte(server + "\x00" + tool))
	hash := "_" + hex.EncodeToString(sum[:5])
	readable := unnamed.ReplaceAllString(plain, "_")
	return readable[:min(len(readable), maxName-len(hash))] + hash
}
