// Command health is the Lambda behind GET /health.
package main

import (
	"log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"aiwm-chat/functions/health/handler"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/presence"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	cfg, err := config.Load(os.Getenv, config.Mongo, config.Redis)
	if err != nil {
		return err
	}
	gateway.LogJSON(os.Stdout, cfg.LogLevel)
	store, err := mongostore.Open(cfg.Mongo.URI, cfg.Mongo.Database)
	if err != nil {
		return err
	}
	redis, err := presence.Open(presence.OptionsOf(cfg))
	if err != nil {
		return err
	}
	lambda.StartHandlerFunc(handler.New(store, redis).Handle)
	return nil
}
