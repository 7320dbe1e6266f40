package demo

import (
	_ "embed"
	"fmt"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

//go:embed transcript.json
var transcriptJSON []byte

// A transcript is the conversation that is played: what is created, and who
// says what in which order.
type transcript struct {
	Title       string   `json:"title"`
	Description string   `json:"description"`
	Tags        []string `json:"tags"`
	Messages    []line   `json:"messages"`
}

// A line is one message: all that its sender may say of it.
type line struct {
	From    chat.PrincipalType    `json:"from"`
	Message protocol.MessageInput `json:"message"`
}

func loadTranscript() (transcript, error) {
	t, err := protocol.Decode[transcript](transcriptJSON)
	if err != nil {
		return transcript{}, fmt.Errorf("read the transcript: %w", err)
	}
	return t, nil
}

// tokens is what the messages cost together.
func (t transcript) tokens() (total int64) {
	for _, l := range t.Messages {
		if u := l.Message.Usage; u != nil {
			total += u.TotalTokens
		}
	}
	return total
}
