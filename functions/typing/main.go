// Command typing is the Lambda behind the route typing.
package main

import (
	"log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"aiwm-chat/functions/typing/handler"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/live"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	cfg, err := config.Load(os.Getenv, config.Redis, config.Connections, config.TypingLimit)
	if err != nil {
		return err
	}
	gateway.LogJSON(os.Stdout, cfg.LogLevel)
	l, err := live.Open(cfg)
	if err != nil {
		return err
	}
	h := handler.New(l.Presence, l.Deliver)
	lambda.StartHandlerFunc(gateway.Action(l.Deliver, h.Handle))
	return nil
}
