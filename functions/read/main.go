// Command read is the Lambda behind the routes read and unread.
package main

import (
	"aiwm-chat/functions/read/wiring"
	"aiwm-chat/shared/gateway"
)

func main() { gateway.Run(wiring.Function) }
