package handler

import (
	"maps"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// The event names of the AIWM clients, and the actions they stand for.
var aiwmActions = map[string]string{
	"conversation:join":  protocol.ActionJoin,
	"conversation:leave": protocol.ActionLeave,
	"message:send":       protocol.ActionSend,
	"typing:start":       protocol.ActionTyping,
	"typing:stop":        protocol.ActionTyping,
	"message:typing":     protocol.ActionTyping,
}

// AIWMActions returns the event names of the AIWM clients, each with the action that
// it stands for.
func AIWMActions() map[string]string { return maps.Clone(aiwmActions) }

// typingState is the state that an AIWM event name implies.
var typingState = map[string]string{
	"typing:start": protocol.TypingStart,
	"typing:stop":  protocol.TypingStop,
}

// translate returns the action of a frame and the frame in this protocol's own
// flat form. A frame is {"action": …, fields}, or {"event": …, "data":
// {fields}, "id": …} where the name, in either member, may be an AIWM one.
func translate(body []byte) (action string, flat []byte, err error) {
	fields, err := protocol.Decode[map[string]jsontext.Value](body)
	if err != nil {
		return "", nil, err
	}
	if _, wrapped := fields["event"]; wrapped {
		if fields, err = unwrap(fields); err != nil {
			return "", nil, err
		}
	}
	var name string
	if json.Unmarshal(fields["action"], &name) != nil || name == "" { // null is ""
		return "", nil, chat.Invalid("action", "is required, as a string")
	}
	action, known := aiwmActions[name]
	if !known {
		flat, err = protocol.Marshal(fields)
		return name, flat, err
	}
	fields["action"] = quote(action)
	if action == protocol.ActionTyping {
		if err := setTypingState(fields, name); err != nil {
			return "", nil, err
		}
	}
	flat, err = protocol.Marshal(fields)
	return action, flat, err
}

// unwrap turns {"event", "data", "id"} into flat fields.
func unwrap(frame map[string]jsontext.Value) (map[string]jsontext.Value, error) {
	for member := range frame {
		if member != "event" && member != "data" && member != "id" {
			return nil, chat.Invalid(chat.TruncateUTF8(member, 64), "is not known here")
		}
	}
	fields := map[string]jsontext.Value{}
	if data, ok := frame["data"]; ok {
		var err error
		if fields, err = protocol.Decode[map[string]jsontext.Value](data); err != nil {
			return nil, chat.Invalid("data", "must be an object")
		}
	}
	for _, own := range []string{"action", "id"} {
		if _, ok := fields[own]; ok {
			return nil, chat.Invalid("data."+own, "is not known here")
		}
	}
	fields["action"] = frame["event"]
	if id, ok := frame["id"]; ok {
		fields["id"] = id
	}
	return fields, nil
}

// setTypingState says in the field state what AIWM says in the event's name,
// or in isTyping.
func setTypingState(fields map[string]jsontext.Value, name string) error {
	state, implied := typingState[name]
	if !implied {
		switch fields["isTyping"].Kind() {
		case jsontext.KindTrue:
			state = protocol.TypingStart
		case jsontext.KindFalse:
			state = protocol.TypingStop
		default:
			return chat.Invalid("isTyping", "must be true or false")
		}
		delete(fields, "isTyping")
	}
	if _, ok := fields["state"]; ok {
		return chat.Invalid("state", "is not known here")
	}
	fields["state"] = quote(state)
	return nil
}

func quote(s string) jsontext.Value {
	b, err := jsontext.AppendQuote(nil, s)
	if err != nil {
		panic("default: quote a constant: " + err.Error())
	}
	return b
}
