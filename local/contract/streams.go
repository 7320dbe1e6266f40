package contract

import (
	"math"
	"reflect"

	"github.com/google/jsonschema-go/jsonschema"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// inHand is the answer while it is being written.
var inHand = chat.Stream{
	ConversationID: conversation.ID, ID: "a-1", Principal: agent, ParentID: question.ID, StartedAt: asked, Epoch: 1795582259024000, State: chat.StreamOpen,
	Doing: "generating", Parts: []chat.StreamPart{{Name: protocol.PartThinking, Text: "The order was", Next: 1, Length: 13}, {Name: protocol.PartContent, Text: "It arrives", Next: 2, Length: 10}},
}

// streamed is what becomes of it when it is broken off.
func streamed(status chat.MessageStatus) chat.Message {
	m := answer
	m.Draft = chat.Draft{Content: "It arrives", Role: chat.RoleAgent, Type: chat.TypeText, ParentID: question.ID}
	m.Status, m.Streamed = status, true
	return m
}

// streamForms are the frames of the action stream.
func streamForms() []action {
	of := func(state string) protocol.Stream {
		return protocol.Stream{
			Envelope: protocol.Envelope{Action: protocol.ActionStream, ID: "1"}, MessageInput: protocol.MessageInput{ConversationID: conversation.ID},
			State: state, StreamID: inHand.ID,
		}
	}
	start, piece, doing, end, pieces, abort := of(protocol.StreamStart), of(protocol.StreamAppend), of(protocol.StreamAppend), of(protocol.StreamEnd), of(protocol.StreamEnd), of(protocol.StreamAbort)
	start.ParentID = question.ID
	piece.Index, piece.Text = new(2), " on Friday"
	whole := piece
	whole.Text, whole.Whole = "It arrives on Friday", true
	thinking := piece
	thinking.Index, thinking.Part, thinking.Text = new(0), protocol.PartThinking, "The order was"
	doing.Status = "tool"
	end.MessageInput = answerInput()
	end.ClientMessageID = ""
	pieces.Pieces = map[string]int{protocol.PartContent: 3, protocol.PartThinking: 1}
	abort.Reason = "the model does not answer"
	message := []string{"attachments", "latency", "mentions", "name", "parentId", "role", "thinking", "toolCalls", "toolResults", "type", "usage", "error"}
	return []action{
		{form: form{"start", protocol.StreamStart, ": begin an answer, or go on with it", nil, []string{"parentId"}}, examples: map[string]any{"start": start}},
		{
			form:     form{"append", protocol.StreamAppend, ": add a piece", []string{"index", "text"}, []string{"part", "whole"}},
			examples: map[string]any{"a piece": piece, "the whole so far": whole, "of the thinking": thinking},
		},
		{form: form{"status", protocol.StreamAppend, ": say what the agent does", []string{"status"}, nil}, examples: map[string]any{"a tool runs": doing}},
		{form: form{"end", protocol.StreamEnd, ": commit the message", nil, append(message, "content")}, examples: map[string]any{"with all of it": end}},
		{form: form{"end-pieces", protocol.StreamEnd, ": commit what was appended", []string{"pieces"}, nil}, examples: map[string]any{"with what was appended": pieces}},
		{form: form{"abort", protocol.StreamAbort, ": break it off", nil, []string{"reason", "cancelled"}}, examples: map[string]any{"broken off": abort}},
	}
}

// streamEvents are what is told of streams; their ends are messages.
func streamEvents(frame func(name, id string, data any) map[string][]byte) []event {
	piece := chat.StreamDelta{Epoch: inHand.Epoch, Part: protocol.PartContent, Offset: 10, Length: 10, Text: " on Friday"}
	deltas := map[string][]byte{
		"a piece":     protocol.StreamDeltaFrames(inHand, piece, answered)[0],
		"a tool runs": protocol.StreamDeltaFrames(inHand, chat.StreamDelta{Epoch: inHand.Epoch, Doing: "tool"}, answered)[0],
	}
	stopping := protocol.StreamStopping{ConversationID: inHand.ConversationID, StreamIDs: []string{inHand.ID}, RunIDs: []chat.RunID{run.ID}}
	return []event{
		{name: protocol.EventStreamStarted, data: reflect.TypeFor[protocol.StreamStarted](), frames: frame(protocol.EventStreamStarted, "1", protocol.StreamStartedOf(inHand))},
		{name: protocol.EventStreamStart, data: reflect.TypeFor[protocol.StreamBegun](), frames: frame(protocol.EventStreamStart, "", protocol.StreamBegunOf(inHand))},
		{name: protocol.EventStreamDelta, data: reflect.TypeFor[protocol.StreamDelta](), frames: deltas},
		{name: protocol.EventStreamSnapshot, data: reflect.TypeFor[protocol.StreamSnapshot](), frames: frame(protocol.EventStreamSnapshot, "1", protocol.StreamSnapshotOf(inHand, protocol.MaxSnapshot))},
		{name: protocol.EventStreamStop, data: reflect.TypeFor[protocol.StreamStop](), frames: frame(protocol.EventStreamStop, "", protocol.StreamStopOf(inHand, user))},
		{name: protocol.EventStreamStopping, data: reflect.TypeFor[protocol.StreamStopping](), frames: frame(protocol.EventStreamStopping, "1", stopping)},
		{name: protocol.EventStreamDropped, data: reflect.TypeFor[protocol.StreamDropped](), frames: frame(protocol.EventStreamDropped, "", protocol.StreamDropped{
			ConversationID: inHand.ConversationID, StreamID: inHand.ID, Reason: "removed",
		})},
	}
}

// streamRoutes are the same over REST.
func streamRoutes() []route {
	theStream := pathParameter("streamId", reflect.TypeFor[chat.ClientMessageID](), "The stream.", inHand.ID)
	return []route{
		{
			method: "GET", path: "/conversations/{id}/streams", id: "listStreams", tag: ofStreams, summary: "See what is being written",
			description: "The open streams of a conversation, each cut as a frame is. Only participants may.",
			parameters:  append([]parameter{theTalk}, getHeaders...),
			answers: []answerOf{{status: 200, description: "The streams that are open.", body: reflect.TypeFor[protocol.Streams](), example: protocol.Streams{
				Data: []protocol.StreamSnapshot{protocol.StreamSnapshotOf(inHand, protocol.MaxSnapshot)},
			}}, notModified},
			codes: []chat.Code{chat.NotFound},
		}, {
			method: "GET", path: "/conversations/{id}/streams/{streamId}", id: "getStream", tag: ofStreams, summary: "Read a stream, whole",
			description: "All that was written of it so far. One that has ended does not exist: its message is in the log.",
			parameters:  append([]parameter{theTalk, theStream}, getHeaders...),
			answers: []answerOf{{status: 200, description: "The stream.", body: reflect.TypeFor[protocol.StreamSnapshot](), example: protocol.StreamSnapshotOf(inHand, math.MaxInt)},
				notModified},
			codes: []chat.Code{chat.NotFound},
		}, {
			method: "POST", path: "/conversations/{id}/streams/{streamId}/stop", id: "stopStream", tag: ofStreams, summary: "Stop a stream",
			description: "Any participant may. Its agent has 10 s to end it; then it is ended for it, as `cancelled`.",
			parameters:  []parameter{theTalk, theStream},
			answers: []answerOf{{status: 200, description: "The streams that are asked to end: none, if it had ended.", body: reflect.TypeFor[protocol.StreamStopping](), example: protocol.StreamStopping{
				ConversationID: inHand.ConversationID, StreamIDs: []string{inHand.ID},
			}}},
			codes: []chat.Code{chat.NotFound},
		},
	}
}

const ofStreams = "Streams"

// streamValue is the schema of a member of a stream whose Go type says less than is
// known.
func streamValue(key string) *jsonschema.Schema {
	const parts = `^(content|thinking|tool:[A-Za-z0-9_.:-]{1,64})$`
	switch key {
	case "Stream.Part", "StreamDelta.Part", "StreamText.Part":
		return &jsonschema.Schema{Type: "string", Pattern: parts}
	case "Stream.Status", "StreamDelta.Status", "StreamSnapshot.Status":
		return oneOf("thinking", "generating", "tool", "waiting")
	case "Join.Streams":
		return oneOf(protocol.StreamsFull, protocol.StreamsFinal)
	case "Stream.Pieces", "StreamStarted.Next":
		return &jsonschema.Schema{
			Type: "object", PropertyNames: &jsonschema.Schema{Pattern: parts}, Required: []string{protocol.PartContent},
			AdditionalProperties: &jsonschema.Schema{Type: "integer", Minimum: new(float64), Maximum: new(float64(protocol.MaxPieces))},
		}
	}
	return nil
}
