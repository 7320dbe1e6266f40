package completion

import (
	"encoding/json"

	openai "github.com/sashabaranov/go-openai"
)

// nothing stands for content that is empty: services want some, and the library
// would leave it out.
const nothing = "(nothing)"

// messages are m as the library wants them.
func messages(list []Message) []openai.ChatCompletionMessage {
	out := make([]openai.ChatCompletionMessage, 0, len(list))
	for _, m := range list {
		o := openai.ChatCompletionMessage{Role: m.Role, Content: m.Content, ToolCallID: m.ToolCallID}
		if m.Role != RoleTool {
			o.Name = Name(m.Name)
		}
		for _, c := range m.ToolCalls {
			o.ToolCalls = append(o.ToolCalls, openai.ToolCall{
				ID: c.ID, Type: openai.ToolTypeFunction, Function: openai.FunctionCall{Name: c.Name, Arguments: object(c.Arguments)},
			})
		}
		if o.Content == "" && len(o.ToolCalls) == 0 {
			o.Content = nothing
		}
		out = append(out, o)
	}
	return out
}

// object is what a model gave as arguments, where that is JSON: services that put it
// into a template of the model's fail with what is none, in every question after it.
func object(arguments string) string {
	var o map[string]json.RawMessage
	if json.Unmarshal([]byte(arguments), &o) != nil || o == nil {
		return "{}"
	}
	return arguments
}

func tools(list []Tool) []openai.Tool {
	var out []openai.Tool
	for _, t := range list {
		schema := t.Schema
		if len(schema) == 0 {
			schema = json.RawMessage(`{"type":"object","properties":{}}`)
		}
		out = append(out, openai.Tool{
			Type: openai.ToolTypeFunction, Function: &openai.FunctionDefinition{Name: t.Name, Description: t.Description, Parameters: schema},
		})
	}
	return out
}
