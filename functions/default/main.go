// Command default is the Lambda behind the route $default.
package main

import (
	"aiwm-chat/functions/default/wiring"
	"aiwm-chat/shared/gateway"
)

func main() { gateway.Run(wiring.Function) }
