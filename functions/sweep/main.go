// Command sweep is the Lambda that finishes what sends had to leave, each minute.
package main

import (
	"log"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	send "aiwm-chat/functions/send/handler"
	"aiwm-chat/functions/sweep/handler"
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
	cfg, err := config.Load(os.Getenv, config.Mongo, config.Redis, config.Connections, config.SummaryQueue)
	if err != nil {
		return err
	}
	gateway.LogJSON(os.Stdout, cfg.LogLevel)
	b, err := backend.Open(cfg)
	if err != nil {
		return err
	}
	sender := send.New(b.Store, b.Live.Presence, b.Live.Deliver, b.Jobs)
	h := handler.New(b.Live.Presence, b.Store, sender, time.Now)
	lambda.Start(gateway.Schedule(h.Handle))
	return nil
}
