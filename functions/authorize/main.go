// Command authorize is the REQUEST authorizer of the WebSocket API.
package main

import (
	"aiwm-chat/functions/authorize/wiring"
	"aiwm-chat/shared/gateway"
)

func main() { gateway.Run(wiring.Function) }
