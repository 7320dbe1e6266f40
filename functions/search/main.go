// Command search is the Lambda behind GET /search.
package main

import (
	"aiwm-chat/functions/search/wiring"
	"aiwm-chat/shared/gateway"
)

func main() { gateway.Run(wiring.Function) }
