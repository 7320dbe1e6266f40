// Command leave is the Lambda behind the route leave.
package main

import (
	"log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"aiwm-chat/functions/leave/handler"
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
	cfg, err := config.Load(os.Getenv, config.Redis, config.Connections)
	if err != nil {
		return err
	}
	gateway.LogJSON(os.Stdout, cfg.LogLevel)
	l, err := live.Open(cfg)
	if err != nil {
		return err
	}
	h := handler.New(l.Presence, l.Announce)
	lambda.StartHandlerFunc(gateway.Action(l.Deliver, h.Handle))
	return nil
}
