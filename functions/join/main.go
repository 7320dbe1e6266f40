// Command join is the Lambda behind the route join.
package main

import (
	"log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"aiwm-chat/functions/join/handler"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/live"
	"aiwm-chat/shared/mongostore"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	cfg, err := config.Load(os.Getenv, config.Mongo, config.Redis, config.Connections)
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
	h := handler.New(store, l.Presence, l.Announce)
	lambda.StartHandlerFunc(gateway.Action(l.Deliver, h.Handle))
	return nil
}
