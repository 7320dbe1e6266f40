// Command welcome is the Lambda that greets new connections, from the welcome queue.
package main

import (
	"aiwm-chat/functions/welcome/wiring"
	"aiwm-chat/shared/gateway"
)

func main() { gateway.Run(wiring.Function) }
