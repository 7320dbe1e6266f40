// Command default is the Lambda behind the route $default.
package main

import (
	"context"
	"log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"aiwm-chat/functions/default/handler"
	join "aiwm-chat/functions/join/handler"
	leave "aiwm-chat/functions/leave/handler"
	send "aiwm-chat/functions/send/handler"
	typing "aiwm-chat/functions/typing/handler"
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
	cfg, err := config.Load(os.Getenv, config.Mongo, config.Redis, config.Connections, config.SummaryQueue, config.SendLimit, config.TypingLimit)
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
	h := handler.New(l.Presence, handler.Actions{
		Join:   join.New(store, l.Presence, l.Announce).Handle,
		Leave:  leave.New(l.Presence, l.Announce).Handle,
		Send:   send.New(store, l.Presence, l.Deliver, jobs).Handle,
		Typing: typing.New(l.Presence, l.Deliver).Handle,
	})
	lambda.StartHandlerFunc(gateway.Frames(l.Deliver, h.Handle))
	return nil
}
