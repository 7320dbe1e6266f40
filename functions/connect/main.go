// Command connect is the Lambda behind the route $connect.
package main

import (
	"log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"aiwm-chat/functions/connect/handler"
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
	cfg, err := config.Load(os.Getenv, config.Mongo, config.Redis, config.Connections, config.WelcomeQueue)
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
	jobs, err := queue.New(queue.OptionsOf(cfg))
	if err != nil {
		return err
	}
	h := handler.New(l.Presence, store, jobs, l.Announce)
	lambda.StartHandlerFunc(gateway.Connect(h.Handle))
	return nil
}
