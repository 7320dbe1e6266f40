// Command conversations is the Lambda behind the REST routes of conversations and presence.
package main

import (
	"log"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"aiwm-chat/functions/conversations/handler"
	summarize "aiwm-chat/functions/summarize/handler"
	"aiwm-chat/shared/auth"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/live"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/summary"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	cfg, err := config.Load(os.Getenv, config.Mongo, config.Redis, config.Connections, config.JWT, config.OpenAI)
	if err != nil {
		return err
	}
	gateway.LogJSON(os.Stdout, cfg.LogLevel)
	store, err := mongostore.Open(cfg.Mongo.URI, cfg.Mongo.Database)
	if err != nil {
		return err
	}
	l, err := live.Open(cfg)
	if err != nil {
		return err
	}
	tokens, err := auth.NewVerifier(auth.OptionsOf(cfg))
	if err != nil {
		return err
	}
	sum := summarize.New(store, summary.Of(cfg), l.Announce)
	h := handler.New(store, l.Presence, l.Deliver, l.Announce, sum, time.Now)
	lambda.StartHandlerFunc(gateway.HTTP(tokens, h.Routes()))
	return nil
}
