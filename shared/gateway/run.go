package gateway

import (
	"io"
	"log"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"aiwm-chat/shared/config"
	"aiwm-chat/shared/wire"
)

// Run is the main of a function: it reads the environment, wires the function
// and serves Lambda's events. Where something is missing it names everything
// that is, and the process ends.
func Run(f wire.Function) {
	cfg, err := config.Load(os.Getenv, f.Needs...)
	if err != nil {
		log.Fatal(err)
	}
	LogJSON(os.Stdout, cfg.LogLevel)
	handler, err := f.Handler(wire.NewProcess(cfg))
	if err != nil {
		log.Fatal(err)
	}
	lambda.Start(handler)
}

// LogJSON makes lines of JSON, as CloudWatch reads them, the process's log.
func LogJSON(w io.Writer, level slog.Level) {
	slog.SetDefault(slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})))
}
