package tools

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// resultOf turns an answer into text. What is no text is named, so that the model does
// not think that there was nothing.
func resultOf(answer *mcp.CallToolResult) Result {
	if answer.NeedsInput() {
		return failed("The tool asks for something that only a person could answer, which is not possible here. It was not executed.")
	}
	var parts []string
	for _, c := range answer.Content {
		if text := textOf(c); text != "" {
			parts = append(parts, text)
		}
	}
	if len(parts) == 0 && answer.StructuredContent != nil {
		if text, err := json.Marshal(answer.StructuredContent); err == nil {
			parts = append(parts, string(text))
		}
	}
	text := strings.ToValidUTF8(strings.Join(parts, "\n"), "\uFFFD")
	switch {
	case text == "" && answer.IsError:
		text = "The tool failed, and did not say why."
	case text == "":
		text = "The tool was executed, and has nothing to say."
	case len(text) > MaxResult:
		note := fmt.Sprintf("\n[cut here: the result has %d bytes]", len(text))
		text = clean(text, MaxResult-len(note)) + note
	}
	return Result{Text: text, IsError: answer.IsError}
}

func textOf(c mcp.Content) string {
	switch c := c.(type) {
	case *mcp.TextContent:
		return c.Text
	case *mcp.ImageContent:
		return fmt.Sprintf("[an image, %s, %d bytes]", c.MIMEType, len(c.Data))
	case *mcp.AudioContent:
		return fmt.Sprintf("[a recording, %s, %d bytes]", c.MIMEType, len(c.Data))
	case *mcp.ResourceLink:
		return strings.TrimSpace(fmt.Sprintf("[%s](%s) %s", c.Name, c.URI, c.Description))
	case *mcp.EmbeddedResource:
		switch {
		case c.Resource == nil:
			return ""
		case c.Resource.Text != "":
			return c.Resource.Text
		}
		return fmt.Sprintf("[a file, %s, %s, %d bytes]", c.Resource.URI, c.Resource.MIMEType, len(c.Resource.Blob))
	}
	return "[something that is no text]"
}
