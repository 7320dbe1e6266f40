package soak

import (
	"context"
	"errors"
	"flag"
	"io"
	"math/rand/v2"
	"time"

	"aiwm-chat/local/command"
)

// Command soaks a server of its own, with databases of its own.
func Command(ctx context.Context, args []string, out io.Writer, _ func(string) string) error {
	fs := flag.NewFlagSet("soak", flag.ContinueOnError)
	o := Options{}
	seconds := fs.Int("seconds", 120, "how long there is trouble")
	fs.Uint64Var(&o.Seed, "seed", 0, "`number` that makes the troubles repeatable (default random)")
	fs.IntVar(&o.Conversations, "conversations", 20, "conversations at the same time")
	fs.IntVar(&o.Streams, "streams", 3, "answers that each device of an agent writes at the same time")
	fs.StringVar(&o.Template, "template", "template.yaml", "the SAM `file` that says what to run")
	fs.StringVar(&o.Exec, "exec", "", "run the bootstrap binaries in this `folder`")
	fs.Float64Var(&o.Kill, "kill", 0, "`probability` that a function's process dies in the middle of an invocation (-exec only)")
	fs.BoolVar(&o.Passive, "passive", false, "clients ask for nothing that is missing, and Redis loses nothing: the server alone has to deliver in two minutes")
	if err := command.Parse(fs, args); err != nil {
		return err
	}
	if *seconds < 1 || o.Conversations < 1 {
		return errors.New("soak: -seconds and -conversations must be at least 1")
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	o.Duration = time.Duration(*seconds) * time.Second
	command.Quiet()
	return Run(ctx, o, out)
}
