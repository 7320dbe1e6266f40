// Command authorize is the REQUEST authorizer of the WebSocket API.
package main

import (
	"log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"aiwm-chat/functions/authorize/handler"
	"aiwm-chat/shared/auth"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/gateway"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	cfg, err := config.Load(os.Getenv, config.JWT)
	if err != nil {
		return err
	}
	gateway.LogJSON(os.Stdout, cfg.LogLevel)
	tokens, err := auth.NewVerifier(auth.OptionsOf(cfg))
	if err != nil {
		return err
	}
	lambda.StartHandlerFunc(gateway.Authorizer(handler.New(tokens).Handle))
	return nil
}
