// Command messages is the Lambda behind the REST routes of messages.
package main

import (
	"aiwm-chat/functions/messages/wiring"
	"aiwm-chat/shared/gateway"
)

func main() { gateway.Run(wiring.Function) }
