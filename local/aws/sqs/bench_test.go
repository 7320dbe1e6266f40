package sqs_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"aiwm-chat/local/aws/sqs"
)

// BenchmarkDelivery measures one message from the request that sends it to its
// function, the two sides one after the other.
func BenchmarkDelivery(b *testing.B) {
	server, err := sqs.New(sqs.Options{Logger: slog.New(slog.DiscardHandler)}, sqs.Queue{Name: "Jobs"})
	if err != nil {
		b.Fatal(err)
	}
	delivered := make(chan struct{})
	err = server.Map(sqs.Mapping{Queue: "Jobs"}, function(func(context.Context, []byte) ([]byte, error) {
		delivered <- struct{}{}
		return nil, nil
	}))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"QueueUrl":"/Jobs","MessageBody":"x"}`))
		req.Header.Set("Content-Type", "application/x-amz-json-1.0")
		req.Header.Set("X-Amz-Target", "AmazonSQS.SendMessage")
		server.ServeHTTP(httptest.NewRecorder(), req)
		<-delivered
	}
	if err := server.Shutdown(b.Context()); err != nil {
		b.Fatal(err)
	}
}
