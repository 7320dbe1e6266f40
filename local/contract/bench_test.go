package contract

import (
	"testing"

	"aiwm-chat/local/contract/verify"
	"aiwm-chat/shared/protocol"
)

// What it costs to hold a frame against the contract.
func BenchmarkVerifyFrame(b *testing.B) {
	d, err := New(Local)
	if err != nil {
		b.Fatal(err)
	}
	c, err := verify.New(d.OpenAPI, d.AsyncAPI)
	if err != nil {
		b.Fatal(err)
	}
	frame := protocol.MessageFrame(protocol.EventMessageNew, answer, answered)
	for b.Loop() {
		if err := c.Frame(aiwm, frame); err != nil {
			b.Fatal(err)
		}
	}
}
