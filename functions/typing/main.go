// Command typing is the Lambda behind the route typing.
package main

import (
	"aiwm-chat/functions/typing/wiring"
	"aiwm-chat/shared/gateway"
)

func main() { gateway.Run(wiring.Function) }
