// Command answer is the Lambda behind the queue of runs: it answers for agents that the
// backend runs.
package main

import (
	"aiwm-chat/functions/answer/wiring"
	"aiwm-chat/shared/gateway"
)

func main() { gateway.Run(wiring.Function) }
