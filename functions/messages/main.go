// Command messages is the Lambda behind the REST routes of messages.
package main

import (
	"context"
	"log"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"aiwm-chat/functions/messages/handler"
	send "aiwm-chat/functions/send/handler"
	"aiwm-chat/shared/auth"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/live"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/queue"
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
	store, err := mongostore.Open(cfg.Mongo.URI, cfg.Mongo.Database)
	if err != nil {
		return err
	}
	if err := store.CheckIndexes(context.Background()); err != nil {
		return err
	}
	l, err := live.Open(cfg)
	if err != nil {
		return err
	}
	jobs, err := queue.New(queue.OptionsOf(cfg))
	if err != nil {
		return err
	}
	tokens, err := auth.NewVerifier(auth.OptionsOf(cfg))
	if err != nil {
		return err
	}
	sender := send.New(store, l.Presence, l.Deliver, jobs)
	h := handler.New(store, l.Announce, sender, time.Now)
	lambda.StartHandlerFunc(gateway.HTTP(tokens, h.Routes()))
	return nil
}
