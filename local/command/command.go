// Package command is what the commands of the local server have in common.
package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"aiwm-chat/shared/chat"
)

// A Command does what `go run ./local NAME` asks for, with the arguments after
// the name.
type Command func(ctx context.Context, args []string, out io.Writer, getenv func(string) string) error

// The principals whose tokens the server prints, and who talk in the demo.
var (
	DemoUser  = chat.Principal{Type: chat.User, ID: "demo-user", OrgID: chat.DefaultOrg}
	DemoAgent = chat.Principal{Type: chat.Agent, ID: "demo-agent", OrgID: chat.DefaultOrg}
	Assistant = chat.Principal{Type: chat.Agent, ID: "assistant", OrgID: chat.DefaultOrg} // which the backend answers for
)

// Parse reads flags, and refuses what is left over. A mistake is one line: the
// list of all flags is for those who ask for it.
func Parse(fs *flag.FlagSet, args []string) error {
	fs.SetOutput(io.Discard)
	err := fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fs.SetOutput(nil) // stderr
		fs.Usage()
		return err
	}
	if err != nil {
		return fmt.Errorf("%w; -h lists the flags", err)
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("%s: unknown argument %q", fs.Name(), fs.Arg(0))
	}
	return nil
}

// Quiet silences the log: what the command prints is the point of it.
func Quiet() { slog.SetDefault(slog.New(slog.DiscardHandler)) }

// Unlimited returns getenv, or an empty environment, with all limits off: for
// commands that speak faster than people.
func Unlimited(getenv func(string) string) func(string) string {
	return func(name string) string {
		switch {
		case strings.HasPrefix(name, "LIMIT_"):
			return "0"
		case getenv == nil:
			return ""
		}
		return getenv(name)
	}
}
