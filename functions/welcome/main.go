// Command welcome is the Lambda that greets new connections, from the welcome queue.
package main

import (
	"log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"aiwm-chat/functions/welcome/handler"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/delivery/apigateway"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/mongostore"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	cfg, err := config.Load(os.Getenv, config.Mongo, config.Connections)
	if err != nil {
		return err
	}
	gateway.LogJSON(os.Stdout, cfg.LogLevel)
	store, err := mongostore.Open(cfg.Mongo.URI, cfg.Mongo.Database)
	if err != nil {
		return err
	}
	poster, err := apigateway.New(apigateway.Options{Endpoint: cfg.ConnectionsURL, AWS: cfg.AWS})
	if err != nil {
		return err
	}
	h := handler.New(store, poster)
	lambda.StartHandlerFunc(gateway.Queue(h.Handle))
	return nil
}
