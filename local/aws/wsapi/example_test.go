package wsapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"

	"github.com/coder/websocket"

	"aiwm-chat/local/aws/wsapi"
)

// A greeter stands for Lambda: it runs every function in process.
type greeter struct{}

func (greeter) Invoke(_ context.Context, function string, event []byte) ([]byte, error) {
	var e struct{ Body string }
	if err := json.Unmarshal(event, &e); err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{"statusCode": 200, "body": function + " heard " + e.Body})
}

// A WebSocket API and its management API on one port.
func Example() {
	api, err := wsapi.New(wsapi.Options{
		APIID: "local", Stage: "dev",
		RouteSelectionExpression: "$request.body.action",
		Routes:                   []wsapi.Route{{Key: "$default", Function: "Greeter", RouteResponse: true}},
	}, greeter{})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/@connections/{id}", api.ManagementHandler())
	mux.Handle("/{stage}/@connections/{id}", api.ManagementHandler())
	mux.Handle("/{stage}", api.ConnectHandler())

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: mux}
	go server.Serve(wsapi.KeepHeaderCase(server, listener))
	defer server.Close()
	ctx := context.Background()
	defer api.Shutdown(ctx)

	client, _, err := websocket.Dial(ctx, "ws://"+listener.Addr().String()+"/dev", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer client.CloseNow()
	if err := client.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		log.Fatal(err)
	}
	_, frame, err := client.Read(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(frame))
	// Output: Greeter heard hello
}
