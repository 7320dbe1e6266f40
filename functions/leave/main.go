// Command leave is the Lambda behind the route leave.
package main

import (
	"aiwm-chat/functions/leave/wiring"
	"aiwm-chat/shared/gateway"
)

func main() { gateway.Run(wiring.Function) }
