// Command indexes is the Lambda behind the custom resource that creates the indexes
// of MongoDB.
package main

import (
	"aiwm-chat/functions/indexes/wiring"
	"aiwm-chat/shared/gateway"
)

func main() { gateway.Run(wiring.Function) }
