package bench

import (
	"bytes"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/gobwas/ws"

	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// What the beginning of a frame tells. The server's frames begin with their
// event; those of API Gateway itself with a message.
var (
	prefixNew     = []byte(`{"event":"` + protocol.EventMessageNew + `"`)
	prefixSent    = []byte(`{"event":"` + protocol.EventMessageSent + `"`)
	prefixHistory = []byte(`{"event":"` + protocol.EventHistory + `"`)
	prefixError   = []byte(`{"event":"` + protocol.EventError + `"`)
	prefixGateway = []byte(`{"message":`)
)

// Frames of a client are masked; a mask of zeros leaves the text as it is.
// It hides nothing from a proxy, and there is none on the way.
var (
	noMask     = [4]byte{}
	closeFrame = ws.MustCompileFrame(ws.MaskFrameWith(ws.NewCloseFrame(nil), noMask))
)

func textFrame(v any) ([]byte, error) {
	text, err := protocol.Marshal(v)
	if err != nil {
		return nil, err
	}
	return ws.CompileFrame(ws.MaskFrameWith(ws.NewTextFrame(text), noMask))
}

func joinFrame(id chat.ConversationID) ([]byte, error) {
	return textFrame(protocol.Join{Envelope: protocol.Envelope{Action: protocol.ActionJoin}, ConversationID: id})
}

// content is about as long as what people write.
const content = "Could you check whether the delivery of Thursday can be moved to Friday morning? The door code has changed as well."

// digits is the width of the number in a clientMessageId.
const digits = 10

// A sendFrame is a prepared send whose number is set in place.
type sendFrame struct {
	bytes  []byte
	number []byte // the part of bytes that differs from message to message
}

func newSendFrame(run string, id chat.ConversationID) (sendFrame, error) {
	client := run + "-" + string(bytes.Repeat([]byte{'0'}, digits))
	frame, err := textFrame(protocol.Send{
		Envelope:     protocol.Envelope{Action: protocol.ActionSend},
		MessageInput: protocol.MessageInput{ConversationID: id, ClientMessageID: chat.ClientMessageID(client), Content: content},
	})
	if err != nil {
		return sendFrame{}, err
	}
	at := bytes.Index(frame, []byte(client)) + len(run) + 1
	return sendFrame{bytes: frame, number: frame[at : at+digits]}, nil
}

// set makes it the n-th message.
func (f sendFrame) set(n int64) {
	for i := digits - 1; i >= 0; i-- {
		f.number[i] = byte('0' + n%10)
		n /= 10
	}
}

// A scanner finds the number of a message of this run in a frame.
type scanner struct{ key []byte }

func newScanner(run string) scanner {
	return scanner{key: []byte(`"clientMessageId":"` + run + "-")}
}

// number returns 0 for a frame without one.
func (s scanner) number(frame []byte) (n int64) {
	_, after, found := bytes.Cut(frame, s.key)
	if !found || len(after) < digits {
		return 0
	}
	for _, c := range after[:digits] {
		n = n*10 + int64(c-'0')
	}
	return n
}

// fault returns the error of a frame, nil for a frame that is none.
func fault(frame []byte) error {
	if !bytes.HasPrefix(frame, prefixError) && !bytes.HasPrefix(frame, prefixGateway) {
		return nil
	}
	var f client.Frame
	if err := json.Unmarshal(frame, &f); err != nil {
		return fmt.Errorf("parse an error frame: %w", err)
	}
	return f.Err()
}
