// Command stream is the Lambda behind the routes stream and stop.
package main

import (
	"aiwm-chat/functions/stream/wiring"
	"aiwm-chat/shared/gateway"
)

func main() { gateway.Run(wiring.Function) }
