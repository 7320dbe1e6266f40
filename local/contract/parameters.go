package contract

import (
	"math"
	"reflect"

	"github.com/google/jsonschema-go/jsonschema"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/export"
	"aiwm-chat/shared/terms"
)

// A parameter is one of a route. Its schema is a function of the builder, because
// that of a Go type is a reference.
type parameter struct {
	Name        string             `json:"name"`
	In          string             `json:"in"`
	Description string             `json:"description"`
	Required    bool               `json:"required,omitempty"`
	Schema      *jsonschema.Schema `json:"schema"`
	Example     any                `json:"example,omitempty"`

	schema func(*builder) *jsonschema.Schema
}

func query(name string, schema func(*builder) *jsonschema.Schema, description string, example any) parameter {
	return parameter{Name: name, In: "query", Description: description, Example: example, schema: schema}
}

func (p parameter) must() parameter {
	p.Required = true
	return p
}

func pathParameter(name string, t reflect.Type, description, example string) parameter {
	return parameter{Name: name, In: "path", Description: description, Required: true, Example: example, schema: of(t)}
}

func of(t reflect.Type) func(*builder) *jsonschema.Schema {
	return func(b *builder) *jsonschema.Schema { return b.ref(t, output) }
}

func text(most int) func(*builder) *jsonschema.Schema {
	return func(*builder) *jsonschema.Schema { return &jsonschema.Schema{Type: "string", MaxLength: &most} }
}

func whole(least, most float64, otherwise string) func(*builder) *jsonschema.Schema {
	return func(*builder) *jsonschema.Schema {
		s := &jsonschema.Schema{Type: "integer", Format: "int64", Minimum: &least}
		if most < math.MaxInt64 {
			s.Maximum = &most
		}
		if otherwise != "" {
			s.Default = []byte(otherwise)
		}
		return s
	}
}

func changeCursor(*builder) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Pattern: chat.ChangeCursorPattern}
}

func exportCursor(*builder) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Pattern: export.CursorPattern}
}

func yesOrNo(*builder) *jsonschema.Schema { return &jsonschema.Schema{Type: "boolean"} }

func cursor(*builder) *jsonschema.Schema { return &jsonschema.Schema{Type: "string"} }

var ifNoneMatch = parameter{
	Name: "If-None-Match", In: "header", schema: cursor, Example: `"1rC8_OHq2mF0pXwJmN3tVg"`,
	Description: "The `ETag` of what one has: where nothing has changed the answer is 304.",
}

func idempotencyKey(of string) parameter {
	return parameter{
		Name: "Idempotency-Key", In: "header", Example: "c-1",
		Description: "An id of the caller's own choice, as it is or in quotes. A repeat under it gets " + of + ".",
		schema: func(*builder) *jsonschema.Schema {
			return &jsonschema.Schema{Type: "string", Pattern: `^("[A-Za-z0-9._@:|+=~-]{1,128}"|[A-Za-z0-9._@:|+=~-]{1,128})$`}
		},
	}
}

func listParameters() []parameter {
	var orders []any
	b := &jsonschema.Schema{Type: "string", Default: []byte(`"` + string(chat.NewestActivity) + `"`)}
	for _, o := range []chat.ConversationSort{chat.NewestActivity, chat.OldestActivity, chat.NewestFirst, chat.OldestFirst, chat.TitleAToZ, chat.TitleZToA} {
		orders = append(orders, string(o))
	}
	b.Enum = orders
	return []parameter{
		query("status", of(reflect.TypeFor[chat.ConversationStatus]()), "Only those of this status.", string(chat.Active)),
		query("agentId", of(reflect.TypeFor[chat.PrincipalID]()), "Only those that this agent serves.", string(agent.ID)),
		query("userId", of(reflect.TypeFor[chat.PrincipalID]()), "Only those in which this user takes part.", string(user.ID)),
		query("tag", text(chat.MaxTag), "Only those with this tag.", "orders"),
		query("sort", func(*builder) *jsonschema.Schema { return b }, "The order; with `-` the largest first. Titles are in the order of Unicode collation.", string(chat.TitleAToZ)),
		query("page", whole(1, 10_000, ""), "The number of the page, from 1; not with `cursor`.", 1),
		query("cursor", cursor, "That of the page before, which had the same filters and order.", nil),
		query("limit", whole(1, 100, "20"), "The most entries of the page.", 20),
	}
}

func logParameters() []parameter {
	return []parameter{
		query("conversationId", of(reflect.TypeFor[chat.ConversationID]()), "The conversation.", string(conversation.ID)).must(),
		query("afterSeq", whole(0, math.MaxInt64, ""), "The messages that follow this one; not with `beforeSeq`.", 0),
		query("beforeSeq", whole(1, math.MaxInt64, ""), "The messages before this one.", nil),
		query("aroundSeq", whole(1, math.MaxInt64, ""), "The messages around this one, half of them before it; then `pagination` has a cursor for each direction in which the log goes on. Not with `afterSeq`, `beforeSeq`, `role` or `threadId`.", nil),
		query("changedAfter", changeCursor, "What changed since: the last cursor of changes that the client has. Not with `afterSeq`, `beforeSeq`, `aroundSeq`, `role` or `threadId`.", nil),
		query("limit", whole(1, 100, "50"), "The most entries of the page.", 50),
		query("threadId", of(reflect.TypeFor[chat.MessageID]()), "Only what is in the thread of this message, itself aside; not with `role`.", nil),
		query("role", of(reflect.TypeFor[chat.Role]()), "Only those of this role.", string(chat.RoleUser)),
	}
}

func searchParameters() []parameter {
	instant := text(40)
	return []parameter{
		query("q", text(terms.MaxQuery), "What is looked for: messages that have all of its words. One of three letters or more with which it ends may go on.", "order 47").must(),
		query("conversationId", of(reflect.TypeFor[chat.ConversationID]()), "Only in this conversation.", string(conversation.ID)),
		query("agentId", of(reflect.TypeFor[chat.PrincipalID]()), "Only in conversations that this agent serves; not with `conversationId`.", string(agent.ID)),
		query("role", of(reflect.TypeFor[chat.Role]()), "Only messages of this role.", string(chat.RoleUser)),
		query("from", instant, "Only messages from then on: a time, or a day of UTC.", "2026-11-01"),
		query("to", instant, "Only messages before: a time, or a day of UTC.", "2026-12-01T00:00:00Z"),
		query("cursor", searchCursor, "That of the page before, which had the same query.", nil),
		query("limit", whole(1, 50, "20"), "The most entries of the page.", 20),
	}
}

func searchCursor(*builder) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Pattern: chat.SearchCursorPattern}
}

func backlogParameters() []parameter {
	return []parameter{
		query("cursor", cursor, "That of the page before.", nil),
		query("limit", whole(1, 200, "50"), "The most entries of the page.", 50),
	}
}
