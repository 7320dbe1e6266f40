// Command agents is the Lambda behind the REST routes of agents, their runs and their usage.
package main

import (
	"aiwm-chat/functions/agents/wiring"
	"aiwm-chat/shared/gateway"
)

func main() { gateway.Run(wiring.Function) }
