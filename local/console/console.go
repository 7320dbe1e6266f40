// Package console is the chat in a browser: what a newcomer sees who opens the address
// that the local server prints.
//
// Its files are the same on any static host, where they ask for the addresses of a
// deployed backend and a token. Here they need neither: the session endpoint knows both.
// What is below /console/ besides files is of this machine alone and says no to other
// sites.
package console

import (
	"net/http"
	"time"

	"aiwm-chat/local/contract"
	"aiwm-chat/local/faults"
	"aiwm-chat/local/logline"
	"aiwm-chat/local/server"
)

// Path is where the console begins.
const Path = "/"

// prefix is what everything else of it has.
const prefix = "/console/"

// Options say what the console shows of a server.
type Options struct {
	// Tokens signs one for each side of the talk; nil where tokens are those of another
	// issuer: then the page asks for one.
	Tokens func() (Tokens, error)
	Usage  func() server.Usage
	Faults *faults.Faults
	Exec   bool          // whether functions are processes, which may be killed
	Log    *logline.Tail // nil: none
}

// Tokens are what a newcomer begins with.
type Tokens struct {
	User  string `json:"token"`
	Agent string `json:"agentToken"`
	// Assistant is the agent that answers, and the second side is AgentID.
	Assistant string        `json:"assistant"`
	AgentID   string        `json:"agent"`
	TTL       time.Duration `json:"-"`
}

// Pages are those of the console, by path; none where the routes are not those of our
// contract: another template is run.
func Pages(o Options, routes []string) map[string]http.Handler {
	if !contract.IsOf(routes) {
		return nil
	}
	files := newFiles()
	pages := map[string]http.Handler{
		Path:               files,
		prefix:             files,
		prefix + "session": ours(session(o)),
		prefix + "meter":   ours(meter(o)),
	}
	if o.Faults != nil {
		pages[prefix+"faults"] = ours(showFaults(o))
		pages["PUT "+prefix+"faults"] = ours(setFaults(o))
	}
	if o.Log != nil {
		pages[prefix+"log"] = ours(tail(o))
	}
	return pages
}
