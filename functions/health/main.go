// Command health is the Lambda behind GET /health.
package main

import (
	"aiwm-chat/functions/health/wiring"
	"aiwm-chat/shared/gateway"
)

func main() { gateway.Run(wiring.Function) }
