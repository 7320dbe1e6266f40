package contract

import (
	"reflect"

	"github.com/google/jsonschema-go/jsonschema"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/export"
	"aiwm-chat/shared/protocol"
)

// exported is a conversation with its first message, as lines.
func exported() string {
	lines := protocol.AppendExport(nil, protocol.ExportHeadOf(conversation, 1))
	return string(protocol.AppendExport(lines, protocol.ExportedMessageOf(question)))
}

func exportRoutes() []route {
	formats := func(*builder) *jsonschema.Schema {
		s := oneOf(string(export.NDJSON), string(export.Markdown))
		s.Default = []byte(`"` + string(export.NDJSON) + `"`)
		return s
	}
	return []route{{
		method: "GET", path: "/conversations/{id}/export", id: "exportConversation", tag: ofTalks, summary: "Write a conversation out, whole",
		description: "Pages that are the whole when they are put one behind the other, byte for byte: the log up to where it ended when the first one was asked for. " +
			"Of what is edited or deleted meanwhile each page has what it is then. Nothing is in it that was deleted, no reasoning that is not meant for people, and no name that a client gave to its messages.",
		parameters: []parameter{
			theTalk,
			query("format", formats, "Lines of JSON, which can be imported again, or CommonMark, for people.", string(export.NDJSON)),
			query("cursor", exportCursor, "The `Next-Cursor` of the page before, of the same format.", nil),
		},
		answers: []answerOf{{status: 200, description: "A page.", files: []fileOf{
			{media: export.NDJSON.Media(), description: "First, in the first page alone, an `ExportHead`, then an `ExportedMessage` in each line.", example: exported(),
				lines: []reflect.Type{reflect.TypeFor[protocol.ExportHead](), reflect.TypeFor[protocol.ExportedMessage]()}},
			{media: "text/markdown", description: "CommonMark, in UTF-8, in which what people wrote stands in fences.", example: "# Order 4711\n\n- With: alice\n"},
		}}},
		codes: []chat.Code{chat.NotFound},
	}}
}
