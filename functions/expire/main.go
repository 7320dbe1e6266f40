// Command expire is the Lambda that ends streams whose agents do not, from the stream
// queue.
package main

import (
	"aiwm-chat/functions/expire/wiring"
	"aiwm-chat/shared/gateway"
)

func main() { gateway.Run(wiring.Function) }
