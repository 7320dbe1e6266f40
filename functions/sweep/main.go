// Command sweep is the Lambda that finishes what sends had to leave, each minute.
package main

import (
	"aiwm-chat/functions/sweep/wiring"
	"aiwm-chat/shared/gateway"
)

func main() { gateway.Run(wiring.Function) }
