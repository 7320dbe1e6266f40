package chat

import (
	"fmt"
	"slices"
	"strings"
)

// A ToolPolicy says what an agent that the backend runs may do with a tool.
type ToolPolicy string

// The policies. Denied is also what nothing names.
const (
	ToolAllowed ToolPolicy = "allow" // is called
	ToolAsked   ToolPolicy = "ask"   // is called when a user has approved
	ToolDenied  ToolPolicy = "deny"  // is not even shown to the model
)

// A ToolSelection says which tools of a server an agent that the backend runs may use.
// Allow, Ask and Deny are globs over the server's names of its tools: * stands for
// any characters, also none, ? for one. Deny wins over Ask, and Ask over Allow.
type ToolSelection struct {
	Server string // its name in the configuration
	Allow  []string
	Ask    []string
	Deny   []string
}

// Limits of what an agent selects, and of the names that a server gives.
const (
	MaxToolServers = 16
	MaxToolGlobs   = 64  // of one policy of one server
	MaxToolName    = 128 // bytes, of a name and of a glob, as in MCP
	MaxToolServer  = 32  // bytes
)

const (
	toolAlphabet   = "A-Z a-z 0-9 . _ / : -"
	serverAlphabet = "A-Z a-z 0-9 _ -"
)

// Policy returns what the selection says of a tool of its server.
func (s ToolSelection) Policy(tool string) ToolPolicy {
	names := func(glob string) bool { return MatchTool(glob, tool) }
	switch {
	case slices.ContainsFunc(s.Deny, names):
		return ToolDenied
	case slices.ContainsFunc(s.Ask, names):
		return ToolAsked
	case slices.ContainsFunc(s.Allow, names):
		return ToolAllowed
	}
	return ToolDenied
}

// Named returns the tools that the selection names without a wildcard, to be called
// or asked for: a server that does not have one of them is not the one that was meant.
func (s ToolSelection) Named() (tools []string) {
	for _, glob := range slices.Concat(s.Allow, s.Ask) {
		if !strings.ContainsAny(glob, "*?") && !slices.Contains(tools, glob) && s.Policy(glob) != ToolDenied {
			tools = append(tools, glob)
		}
	}
	return tools
}

// MatchTool reports whether a glob matches all of a tool's name.
func MatchTool(glob, tool string) bool {
	return match(glob, tool, func(g, t byte) bool { return g == t || g == '?' })
}

// covers reports whether a glob matches all that another one matches. It may miss
// it, where several wildcards follow each other, and is never wrong when it says so.
func covers(glob, other string) bool {
	return match(glob, other, func(g, o byte) bool { return g == o || g == '?' && o != '*' })
}

// match lets each * take as little as it can: only the last one ever has to take
// more, so that no glob takes longer than its length times that of the text.
func match(glob, text string, one func(g, t byte) bool) bool {
	g, t := 0, 0
	star, taken := -1, 0
	for t < len(text) {
		switch {
		case g < len(glob) && glob[g] == '*':
			star, taken = g, t
			g++
		case g < len(glob) && one(glob[g], text[t]):
			g++
			t++
		case star >= 0:
			taken++
			g, t = star+1, taken
		default:
			return false
		}
	}
	return strings.Trim(glob[g:], "*") == ""
}

// ValidToolName reports whether s may be a server's name of a tool: what MCP asks
// for, and the slash and colon with which some servers group theirs.
func ValidToolName(s string) bool { return len(s) <= MaxToolName && madeOf(s, "._/:-") }

// ValidToolServer reports whether s may be the name of a server in the configuration.
// It is a part of the names by which models call its tools.
func ValidToolServer(s string) bool { return len(s) <= MaxToolServer && madeOf(s, "_-") }

// madeOf reports whether s has letters, digits and some other characters only, and
// is not empty.
func madeOf(s, others string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte(others, c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}

// CheckTools notes what is wrong with the selections of an agent. Whether there are
// such servers and such tools it does not know.
func CheckTools(f *Faults, tools []ToolSelection) {
	if len(tools) > MaxToolServers {
		f.Add("tools", "must be at most %d", MaxToolServers)
		return
	}
	for i, s := range tools {
		field := fmt.Sprintf("tools[%d]", i)
		switch {
		case s.Server == "":
			f.Add(field+".server", "is required")
		case !ValidToolServer(s.Server):
			f.Add(field+".server", "must be 1 to %d characters of %s", MaxToolServer, serverAlphabet)
		case slices.ContainsFunc(tools[:i], func(earlier ToolSelection) bool { return earlier.Server == s.Server }):
			f.Add(field+".server", "must not repeat")
		}
		if len(s.Allow)+len(s.Ask) == 0 {
			f.Add(field+".allow", "is required, or else ask")
		}
		checkGlobs(f, field+".deny", s.Deny, nil, "")
		checkGlobs(f, field+".ask", s.Ask, s.Deny, "deny")
		checkGlobs(f, field+".allow", s.Allow, s.Deny, "deny")
		checkGlobs(f, field+".allow", s.Allow, s.Ask, "ask")
	}
}

// checkGlobs notes the globs that can match nothing, and those that decide nothing
// because each name that they match is decided by stronger ones, of another policy.
func checkGlobs(f *Faults, field string, globs, stronger []string, policy string) {
	if len(globs) > MaxToolGlobs {
		f.Add(field, "must be at most %d", MaxToolGlobs)
		return
	}
	for i, glob := range globs {
		each := fmt.Sprintf("%s[%d]", field, i)
		switch {
		case glob == "":
			f.Add(each, "must not be empty")
		case len(glob) > MaxToolName || !madeOf(glob, "._/:-*?"):
			f.Add(each, "must be 1 to %d characters of %s, with * and ? as wildcards: no tool has another name", MaxToolName, toolAlphabet)
		case slices.Contains(globs[:i], glob):
			f.Add(each, "must not repeat")
		}
		if len(stronger) > MaxToolGlobs {
			continue
		}
		if j := slices.IndexFunc(stronger, func(s string) bool { return covers(s, glob) }); j >= 0 {
			f.Add(each, "decides nothing: %q of %s names the same tools and wins", stronger[j], policy)
		}
	}
}
