// Command uploads is the Lambda behind the REST routes of uploads.
package main

import (
	"aiwm-chat/functions/uploads/wiring"
	"aiwm-chat/shared/gateway"
)

func main() { gateway.Run(wiring.Function) }
