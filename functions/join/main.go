// Command join is the Lambda behind the route join.
package main

import (
	"aiwm-chat/functions/join/wiring"
	"aiwm-chat/shared/gateway"
)

func main() { gateway.Run(wiring.Function) }
