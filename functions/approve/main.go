// Command approve is the Lambda behind the route approve.
package main

import (
	"aiwm-chat/functions/approve/wiring"
	"aiwm-chat/shared/gateway"
)

func main() { gateway.Run(wiring.Function) }
