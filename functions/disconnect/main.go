// Command disconnect is the Lambda behind the route $disconnect.
package main

import (
	"aiwm-chat/functions/disconnect/wiring"
	"aiwm-chat/shared/gateway"
)

func main() { gateway.Run(wiring.Function) }
