package contract

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
)

// factsFile is what the comments of the code say, which a binary does not have. It is
// written by `go test ./local/contract -run TestFacts -update`, and the same test
// fails when it is stale.
//
//go:embed facts.json
var factsFile []byte

// facts are the texts of the contract that stand in the code, and the values of types.
type facts struct {
	// Docs are the comments of types, as "protocol.Join", and of their fields, as
	// "protocol.Join.AfterSeq".
	Docs map[string]string `json:"docs"`
	// Values are the constants of each type of text, as "chat.Role".
	Values map[string][]value `json:"values"`
	// Events and Actions are those of the protocol, by name.
	Events  map[string]string `json:"events"`
	Actions map[string]string `json:"actions"`
}

type value struct {
	Value string `json:"value"`
	Doc   string `json:"doc,omitempty"`
}

func readFacts() (facts, error) {
	var f facts
	if err := json.Unmarshal(factsFile, &f); err != nil {
		return f, fmt.Errorf("read the facts of the contract: %w", err)
	}
	return f, nil
}

// sentence makes a sentence of a comment at the end of a line.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	s = strings.ToUpper(s[:1]) + s[1:]
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}
