package completion

import (
	"encoding/json"
	"errors"

	"aiwm-chat/shared/chat"
)

// An event is what one event of a stream says.
type event struct {
	Content, Thinking string
	Calls             []callDelta
	Refused           bool
	Finish            string
	Usage             *chat.Usage
}

var errNoJSON = errors.New("it wrote what cannot be read")

// decodeEvent reads one event. What is not needed may be anything. An error that the
// service tells is a *serviceError.
func decodeEvent(data []byte) (event, error) {
	var in struct {
		Choices []struct {
			Index int `json:"index"`
			Delta struct {
				Content   text            `json:"content"`
				Thinking  text            `json:"reasoning_content"`
				Reasoning text            `json:"reasoning"` // the same, at others
				Refusal   text            `json:"refusal"`
				ToolCalls []toolCallDelta `json:"tool_calls"`
			} `json:"delta"`
			Finish text `json:"finish_reason"`
		} `json:"choices"`
		Usage json.RawMessage `json:"usage"`
		Error json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return event{}, errNoJSON
	}
	if len(in.Error) > 0 && string(in.Error) != "null" {
		return event{}, decodeError(in.Error)
	}
	out := event{Usage: decodeUsage(in.Usage)}
	for _, c := range in.Choices {
		if c.Index != 0 {
			continue // nobody asked for more than one
		}
		d := c.Delta
		out.Content += d.Content.said
		if out.Thinking += d.Thinking.said + d.Content.thought; d.Thinking.said == "" {
			out.Thinking += d.Reasoning.said // some say it under both names
		}
		out.Refused = out.Refused || d.Refusal.said != ""
		for _, t := range d.ToolCalls {
			out.Calls = append(out.Calls, callDelta{t.Index, t.ID, t.Function.Name, string(t.Function.Arguments)})
		}
		if c.Finish.said != "" {
			out.Finish = chat.TruncateUTF8(Clean(c.Finish.said), maxWord)
		}
	}
	return out, nil
}

type toolCallDelta struct {
	Index    *int   `json:"index"`
	ID       string `json:"id"`
	Function struct {
		Name      string    `json:"name"`
		Arguments arguments `json:"arguments"`
	} `json:"function"`
}

// arguments are JSON in a string, or, at some services, JSON.
type arguments string

func (a *arguments) UnmarshalJSON(data []byte) error {
	var s string
	if json.Unmarshal(data, &s) != nil {
		s = string(data)
	}
	*a = arguments(s)
	return nil
}

// A text comes as one or in parts, of which some are thoughts. Anything else is none.
type text struct{ said, thought string }

func (t *text) UnmarshalJSON(data []byte) error {
	if json.Unmarshal(data, &t.said) == nil {
		return nil
	}
	var parts []struct {
		Type     string `json:"type"`
		Text     string `json:"text"`
		Thinking []struct {
			Text string `json:"text"`
		} `json:"thinking"`
	}
	if json.Unmarshal(data, &parts) != nil {
		return nil
	}
	for _, p := range parts {
		switch p.Type {
		case "text", "output_text":
			t.said += p.Text
		case "thinking":
			for _, thought := range p.Thinking {
				t.thought += thought.Text
			}
		}
	}
	return nil
}

func decodeUsage(data []byte) *chat.Usage {
	var in *struct {
		Prompt     int `json:"prompt_tokens"`
		Completion int `json:"completion_tokens"`
		Total      int `json:"total_tokens"`
	}
	if json.Unmarshal(data, &in) != nil || in == nil {
		return nil // an answer is no worse without it
	}
	u := usageOf(in.Prompt, in.Completion, in.Total)
	return &u
}

// A serviceError is an error in the middle of a stream.
type serviceError struct {
	status int    // 0 where it is not told
	word   string // "" where it is not told
}

func (e *serviceError) Error() string { return withWord("it failed while it answered", e.word) }

func decodeError(data []byte) *serviceError {
	var in struct {
		Code   any `json:"code"`
		Type   any `json:"type"`
		Status any `json:"status"`
	}
	out := &serviceError{}
	if json.Unmarshal(data, &in) != nil {
		return out
	}
	for _, v := range []any{in.Code, in.Status} {
		if n, ok := v.(float64); ok && n >= 400 && n < 600 && out.status == 0 {
			out.status = int(n)
		}
	}
	out.word = wordOf(in.Code, in.Type)
	return out
}
