// Command conversations is the Lambda behind the REST routes of conversations and presence.
package main

import (
	"aiwm-chat/functions/conversations/wiring"
	"aiwm-chat/shared/gateway"
)

func main() { gateway.Run(wiring.Function) }
