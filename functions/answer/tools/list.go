package tools

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/outside"
)

// A list is what a server has, by the name of each, until then.
type list struct {
	tools []Tool
	until time.Time
}

// List returns the tools that selections name, without the denied ones: in the order
// of the selections, and of one server by name. The error is an *Error, or that of ctx.
func (s *Session) List(ctx context.Context, selections []chat.ToolSelection) ([]Tool, error) {
	for _, selection := range selections {
		if _, ok := s.servers.Configured[selection.Server]; !ok {
			return nil, &Error{Reason: NotConfigured, Server: selection.Server}
		}
	}
	selected := make([][]Tool, len(selections))
	g, some := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i, selection := range selections {
		g.Go(func() (err error) {
			selected[i], err = s.selected(some, selection)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, err
	}
	var all []Tool
	names := map[string]bool{}
	for _, t := range slices.Concat(selected...) {
		if !names[t.Name] { // a server that is selected twice
			all = append(all, t)
		}
		names[t.Name] = true
	}
	if len(all) > MaxTools {
		return nil, &Error{Reason: TooMany}
	}
	return all, nil
}

// selected returns what one selection names.
func (s *Session) selected(ctx context.Context, selection chat.ToolSelection) (tools []Tool, err error) {
	seen := &exchange{}
	all, err := s.listed(context.WithValue(ctx, exchangeKey{}, seen), selection.Server)
	if err != nil {
		if ctx.Err() == nil {
			slog.WarnContext(ctx, "the tools of a server cannot be listed", "server", selection.Server, "err", classOf(err, seen))
		}
		return nil, &Error{Reason: Unreachable, Server: selection.Server, cause: outside.Plain(err)}
	}
	for _, name := range selection.Named() {
		if !slices.ContainsFunc(all, func(t Tool) bool { return t.Tool == name }) {
			return nil, &Error{Reason: NotFound, Server: selection.Server, Tool: name}
		}
	}
	for _, t := range all {
		if policy := selection.Policy(t.Tool); policy != chat.ToolDenied {
			t.Ask = policy == chat.ToolAsked
			tools = append(tools, t)
		}
	}
	return tools, nil
}

// listed returns all tools of a server, from memory where the server allows it.
func (s *Session) listed(ctx context.Context, server string) ([]Tool, error) {
	if l, ok := s.servers.remembered(server); ok {
		return l.tools, nil
	}
	asked := s.servers.now()
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	to, err := s.connect(ctx, server)
	if err != nil {
		return nil, err
	}
	found, ttl, err := pages(ctx, to)
	if err != nil {
		if ctx.Err() == nil {
			s.drop(server, to)
		}
		return nil, err
	}
	l := list{until: asked.Add(ttl)}
	for _, t := range found {
		if tool, err := toolOf(server, t); err != nil {
			slog.WarnContext(ctx, "a tool is left out", "server", server, "tool", clean(t.Name, chat.MaxToolName), "why", err.Error())
		} else if !slices.ContainsFunc(l.tools, func(earlier Tool) bool { return earlier.Tool == tool.Tool }) {
			l.tools = append(l.tools, tool)
		}
	}
	slices.SortFunc(l.tools, func(a, b Tool) int { return cmp.Compare(a.Tool, b.Tool) })
	s.servers.remember(server, l, ttl)
	return l.tools, nil
}

func (s *Servers) remembered(server string) (list, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.lists[server]
	return l, ok && s.now().Before(l.until)
}

func (s *Servers) remember(server string, l list, ttl time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.lists, server)
	if ttl > 0 {
		s.lists[server] = l
	}
}

// pages reads a list to its end, and how long it holds: as long as the page that
// holds the shortest.
func pages(ctx context.Context, to *mcp.ClientSession) (all []*mcp.Tool, ttl time.Duration, err error) {
	ttl = maxTTL
	cursor := ""
	for range maxPages {
		page, err := to.ListTools(ctx, &mcp.ListToolsParams{Cursor: cursor})
		if err != nil {
			return nil, 0, err
		}
		all = append(all, page.Tools...)
		ttl = min(ttl, time.Duration(min(max(page.TTLMs, 0), int(maxTTL.Milliseconds())))*time.Millisecond)
		if len(all) > maxListed {
			return nil, 0, fault(fmt.Sprintf("it lists more than %d tools", maxListed))
		}
		if page.NextCursor == "" {
			return all, ttl, nil
		}
		if page.NextCursor == cursor {
			return nil, 0, fault("its list goes in a circle")
		}
		cursor = page.NextCursor
	}
	return nil, 0, fault(fmt.Sprintf("its list has more than %d pages", maxPages))
}

// toolOf returns a server's tool as a model is told of it.
func toolOf(server string, t *mcp.Tool) (Tool, error) {
	if !chat.ValidToolName(t.Name) {
		return Tool{}, fmt.Errorf("its name is not one of a tool")
	}
	schema, err := schemaOf(t.InputSchema)
	if err != nil {
		return Tool{}, err
	}
	tool := Tool{
		Name:        nameFor(server, t.Name),
		Server:      server,
		Tool:        t.Name,
		Description: clean(cmp.Or(t.Description, t.Title), maxDescription),
		Schema:      schema,
		inHeaders:   bytes.Contains(schema, []byte(`"x-mcp-header"`)),
	}
	if a := t.Annotations; a != nil {
		// What only reads is idempotent, and need not say so.
		tool.Idempotent = a.IdempotentHint || a.ReadOnlyHint
		tool.Description = cmp.Or(tool.Description, clean(a.Title, maxDescription))
	}
	return tool, nil
}

// schemaOf returns a schema as models take it: of an object, with its properties.
func schemaOf(from any) (json.RawMessage, error) {
	given, ok := from.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("its schema is no JSON object")
	}
	schema := map[string]any{"type": "object", "properties": map[string]any{}}
	for name, value := range given {
		schema[name] = value
	}
	if schema["type"] != "object" {
		return nil, fmt.Errorf("its schema is not one of an object")
	}
	if _, ok := schema["properties"].(map[string]any); !ok {
		return nil, fmt.Errorf("the properties of its schema are no JSON object")
	}
	text, err := json.Marshal(schema)
	if err != nil {
		return nil, fmt.Errorf("its schema cannot be written: %w", err)
	}
	if len(text) > maxSchema {
		return nil, fmt.Errorf("its schema is longer than %d bytes", maxSchema)
	}
	return text, nil
}

// clean makes a text valid and at most limit bytes long.
func clean(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") // a character that was cut
}
