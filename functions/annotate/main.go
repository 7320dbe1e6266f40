// Command annotate is the Lambda behind the routes react and edit.
package main

import (
	"aiwm-chat/functions/annotate/wiring"
	"aiwm-chat/shared/gateway"
)

func main() { gateway.Run(wiring.Function) }
