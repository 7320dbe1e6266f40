// Command local runs the whole chat on this machine: the functions behind an
// emulated API Gateway, with embedded databases.
//
//	go run ./local            serve on http://127.0.0.1:3003
//	go run ./local demo       play a conversation between two real clients
//	go run ./local bench      measure
//	go run ./local soak       let everything fail, and check what is promised
//	go run ./local token      sign a token for a user or an agent
//	go run ./local indexes    create the indexes in the MongoDB of MONGODB_URI
//	go run ./local contract   write the OpenAPI and AsyncAPI documents
//	go run ./local cost       what a month costs
//	go run ./local cold       measure how functions start: see make bench-cold
//	go run ./local migrate    bring the data of an AIWM service there
//	go run ./local export     write conversations from there to a file
//	go run ./local import     bring such a file there
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"aiwm-chat/local/bench"
	"aiwm-chat/local/cold"
	"aiwm-chat/local/command"
	"aiwm-chat/local/contract"
	"aiwm-chat/local/cost"
	"aiwm-chat/local/demo"
	"aiwm-chat/local/indexes"
	"aiwm-chat/local/migrate"
	"aiwm-chat/local/reindex"
	"aiwm-chat/local/serve"
	"aiwm-chat/local/soak"
	"aiwm-chat/local/token"
	"aiwm-chat/local/transfer"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second one ends the process at once
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	switch err := run(ctx, os.Args[1:], os.Stdout, os.Getenv); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// gcPercent lets the heap grow to five times what is alive before it is
// collected. Little is: a tenth of the time of a message went into collecting.
const gcPercent = 400

var commands = map[string]command.Command{
	"serve": serve.Command, "demo": demo.Command, "bench": bench.Command, "soak": soak.Command, "token": token.Command,
	"indexes": indexes.Command, "contract": contract.Command, "migrate": migrate.Command, "cost": cost.Command, "cold": cold.Command,
	"export": transfer.Export, "import": transfer.Import,
	"reindex": reindex.Command,
}

func run(ctx context.Context, args []string, out io.Writer, getenv func(string) string) error {
	name := "serve"
	if len(args) > 0 && len(args[0]) > 0 && args[0][0] != '-' {
		name, args = args[0], args[1:]
	}
	c, ok := commands[name]
	if !ok {
		return fmt.Errorf("unknown command %q: it is one of %s", name, strings.Join(slices.Sorted(maps.Keys(commands)), ", "))
	}
	return c(ctx, args, out, getenv)
}
