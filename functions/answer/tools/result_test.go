package tools

import (
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

func TestResultOf(t *testing.T) {
	for name, tt := range map[string]struct {
		answer mcp.CallToolResult
		want   string
	}{
		"nothing":        {mcp.CallToolResult{}, "The tool was executed, and has nothing to say."},
		"failed":         {mcp.CallToolResult{IsError: true}, "The tool failed, and did not say why."},
		"text":           {mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "a"}}}, "a"},
		"texts":          {mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "a"}, &mcp.TextContent{}, &mcp.TextContent{Text: "b"}}}, "a\nb"},
		"invalid UTF-8":  {mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "a\xffb"}}}, "a\uFFFDb"},
		"image":          {mcp.CallToolResult{Content: []mcp.Content{&mcp.ImageContent{MIMEType: "image/png", Data: []byte("123")}}}, "[an image, image/png, 3 bytes]"},
		"recording":      {mcp.CallToolResult{Content: []mcp.Content{&mcp.AudioContent{MIMEType: "audio/wav", Data: []byte("123")}}}, "[a recording, audio/wav, 3 bytes]"},
		"link":           {mcp.CallToolResult{Content: []mcp.Content{&mcp.ResourceLink{Name: "bill", URI: "file:///bill.pdf"}}}, "[bill](file:///bill.pdf)"},
		"text in a file": {mcp.CallToolResult{Content: []mcp.Content{&mcp.EmbeddedResource{Resource: &mcp.ResourceContents{URI: "file:///a", Text: "a"}}}}, "a"},
		"file":           {mcp.CallToolResult{Content: []mcp.Content{&mcp.EmbeddedResource{Resource: &mcp.ResourceContents{URI: "file:///a", MIMEType: "x/y", Blob: []byte("1")}}}}, "[a file, file:///a, x/y, 1 bytes]"},
		"no file":        {mcp.CallToolResult{Content: []mcp.Content{&mcp.EmbeddedResource{}}}, "The tool was executed, and has nothing to say."},
		"structure":      {mcp.CallToolResult{StructuredContent: map[string]any{"a": 1}}, `{"a":1}`},
		"text of it":     {mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "one"}}, StructuredContent: map[string]any{"a": 1}}, "one"},
	} {
		if got := resultOf(&tt.answer); got.Text != tt.want || got.IsError != tt.answer.IsError || got.Unknown {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
