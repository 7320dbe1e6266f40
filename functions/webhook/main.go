// Command webhook is the Lambda behind the queue of webhooks: it calls them.
package main

import (
	"aiwm-chat/functions/webhook/wiring"
	"aiwm-chat/shared/gateway"
)

func main() { gateway.Run(wiring.Function) }
