// Command send is the Lambda behind the route send.
package main

import (
	"aiwm-chat/functions/send/wiring"
	"aiwm-chat/shared/gateway"
)

func main() { gateway.Run(wiring.Function) }
