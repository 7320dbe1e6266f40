// Command signal is the Lambda behind the route signal.
package main

import (
	"aiwm-chat/functions/signal/wiring"
	"aiwm-chat/shared/gateway"
)

func main() { gateway.Run(wiring.Function) }
