// Command send is the Lambda behind the route send.
package main

import (
	"log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"aiwm-chat/functions/send/handler"
	"aiwm-chat/shared/backend"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/gateway"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	cfg, err := config.Load(os.Getenv, config.Mongo, config.Redis, config.Connections, config.SummaryQueue, config.SendLimit)
	if err != nil {
		return err
	}
	gateway.LogJSON(os.Stdout, cfg.LogLevel)
	b, err := backend.Open(cfg)
	if err != nil {
		return err
	}
	h := handler.New(b.Store, b.Live.Presence, b.Live.Deliver, b.Jobs)
	lambda.StartHandlerFunc(gateway.Action(b.Live.Deliver, h.Handle))
	return nil
}
