// Command default is the Lambda behind the route $default.
package main

import (
	"log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"aiwm-chat/functions/default/handler"
	join "aiwm-chat/functions/join/handler"
	leave "aiwm-chat/functions/leave/handler"
	send "aiwm-chat/functions/send/handler"
	typing "aiwm-chat/functions/typing/handler"
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
	cfg, err := config.Load(os.Getenv, config.Mongo, config.Redis, config.Connections, config.SummaryQueue, config.SendLimit, config.TypingLimit)
	if err != nil {
		return err
	}
	gateway.LogJSON(os.Stdout, cfg.LogLevel)
	b, err := backend.Open(cfg)
	if err != nil {
		return err
	}
	h := handler.New(b.Live.Presence, handler.Actions{
		Join:   join.New(b.Store, b.Live.Presence, b.Live.Announce).Handle,
		Leave:  leave.New(b.Live.Presence, b.Live.Announce).Handle,
		Send:   send.New(b.Store, b.Live.Presence, b.Live.Deliver, b.Jobs).Handle,
		Typing: typing.New(b.Live.Presence, b.Live.Deliver).Handle,
	})
	lambda.StartHandlerFunc(gateway.Frames(b.Live.Deliver, h.Handle))
	return nil
}
