package observe

import "strings"

// A Trace is what an invocation belongs to, as others pass it on. The zero value is
// none, or one that nobody keeps.
type Trace struct {
	XRay   string // Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1
	Parent string // W3C's traceparent: 00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01
}

// TraceOf returns the trace of X-Ray's header, where it is sampled, and else that of a
// traceparent. What is neither is none: others write them.
func TraceOf(xray, parent string) Trace {
	fields := map[string]string{}
	const longest = 256
	if len(xray) <= longest {
		for field := range strings.SplitSeq(xray, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
			fields[name] = value
		}
	}
	root := strings.Split(fields["Root"], "-")
	if len(root) == 3 && root[0] == "1" && isHex(root[1], 8) && isHex(root[2], 24) && isHex(fields["Parent"], 16) && fields["Sampled"] == "1" {
		return Trace{
			XRay:   "Root=" + fields["Root"] + ";Parent=" + fields["Parent"] + ";Sampled=1",
			Parent: "00-" + root[1] + root[2] + "-" + fields["Parent"] + "-01",
		}
	}
	if p := strings.Split(parent, "-"); len(p) == 4 && p[0] == "00" && isHex(p[1], 32) && isHex(p[2], 16) && isHex(p[3], 2) &&
		strings.Trim(p[1], "0") != "" && strings.Trim(p[2], "0") != "" {
		return Trace{Parent: parent}
	}
	return Trace{}
}

// ID is what finds all of a trace, in 32 hexadecimal digits.
func (t Trace) ID() string {
	if t.Parent == "" {
		return ""
	}
	return strings.Split(t.Parent, "-")[1]
}

// isHex reports whether s is n digits, as both forms want them.
func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}
