// Command connect is the Lambda behind the route $connect.
package main

import (
	"aiwm-chat/functions/connect/wiring"
	"aiwm-chat/shared/gateway"
)

func main() { gateway.Run(wiring.Function) }
