// Command messages is the Lambda behind the REST routes of messages.
package main

import (
	"log"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"aiwm-chat/functions/messages/handler"
	send "aiwm-chat/functions/send/handler"
	"aiwm-chat/shared/auth"
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
	cfg, err := config.Load(os.Getenv, config.Mongo, config.Redis, config.Connections, config.SummaryQueue, config.JWT, config.SendLimit)
	if err != nil {
		return err
	}
	gateway.LogJSON(os.Stdout, cfg.LogLevel)
	b, err := backend.Open(cfg)
	if err != nil {
		return err
	}
	tokens, err := auth.NewVerifier(auth.OptionsOf(cfg))
	if err != nil {
		return err
	}
	sender := send.New(b.Store, b.Live.Presence, b.Live.Deliver, b.Jobs)
	h := handler.New(b.Store, b.Live.Announce, sender, time.Now)
	lambda.StartHandlerFunc(gateway.HTTP(tokens, h.Routes()))
	return nil
}
