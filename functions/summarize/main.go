// Command summarize is the Lambda that writes summaries, from the summary queue.
package main

import (
	"aiwm-chat/functions/summarize/wiring"
	"aiwm-chat/shared/gateway"
)

func main() { gateway.Run(wiring.Function) }
