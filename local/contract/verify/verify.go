// Package verify holds answers and frames against the contract, as a client would: it
// knows the documents and nothing of how they are made. It is for tests.
package verify

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// A Contract is both documents, ready to be held against what is seen.
type Contract struct {
	rest   *document
	socket *document
	paths  []path
	frames map[string][]frame // by event, or action
	codes  map[string][]string
}

type path struct {
	method   string
	template string
	segments []string
	body     map[string]any // of the operation
}

type frame struct {
	key      string
	payload  any
	dialects []string
}

// New reads the documents. What clients get is open for additions; here it is closed,
// so that what is not documented shows.
func New(openAPI, asyncAPI []byte) (*Contract, error) {
	c := &Contract{frames: map[string][]frame{}, codes: map[string][]string{}}
	var err error
	if c.rest, err = read(openAPI); err != nil {
		return nil, fmt.Errorf("the OpenAPI document: %w", err)
	}
	if c.socket, err = read(asyncAPI); err != nil {
		return nil, fmt.Errorf("the AsyncAPI document: %w", err)
	}
	for template, item := range at(c.rest.root, "paths").(map[string]any) {
		for method, o := range item.(map[string]any) {
			c.paths = append(c.paths, path{strings.ToUpper(method), template, strings.Split(template, "/"), o.(map[string]any)})
		}
	}
	for key, m := range at(c.socket.root, "components", "messages").(map[string]any) {
		name := at(m, "name").(string)
		c.frames[name] = append(c.frames[name], frame{key, at(m, "payload"), texts(at(m, "x-dialects"))})
	}
	for name, o := range at(c.socket.root, "operations").(map[string]any) {
		c.codes[name] = codesOf(o)
	}
	return c, nil
}

// codesOf are those that an operation may be refused with.
func codesOf(operation any) (codes []string) {
	list, _ := at(operation, "x-error-codes").([]any)
	for _, one := range list {
		codes = append(codes, at(one, "code").(string))
	}
	return codes
}

// Routes are those that are documented, as "GET /health".
func (c *Contract) Routes() (keys []string) {
	for _, p := range c.paths {
		keys = append(keys, p.method+" "+p.template)
	}
	slices.Sort(keys)
	return keys
}

// Actions and Events are those that are documented.
func (c *Contract) Actions() []string { return c.named("action") }

// Events are the events that are documented.
func (c *Contract) Events() []string { return c.named("event") }

// AIWMNames are the names of the AIWM clients that are documented.
func (c *Contract) AIWMNames() []string { return c.named("aiwm name") }

func (c *Contract) named(tag string) (names []string) {
	for _, m := range at(c.socket.root, "components", "messages").(map[string]any) {
		tags, _ := at(m, "tags").([]any)
		if len(tags) > 0 && at(tags[0], "name") == tag {
			names = append(names, at(m, "name").(string))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Code reports whether an action may be refused with a code.
func (c *Contract) Code(action, code string) error {
	codes, known := c.codes[action]
	if known && !slices.Contains(codes, code) {
		return fmt.Errorf("the contract does not say that %s may be refused with %s", action, code)
	}
	return nil
}

// Frame holds a frame that a client got in a dialect, "" where that is not known,
// against the contract.
func (c *Contract) Frame(dialect string, text []byte) error {
	v, err := parse(text)
	if err != nil {
		return fmt.Errorf("no JSON: %w", err)
	}
	name, _ := at(v, "event").(string)
	if name == "" {
		name = "gateway"
	}
	candidates := c.frames[name]
	if len(candidates) == 0 {
		return fmt.Errorf("the contract has no event %q", name)
	}
	var errs []error
	for _, f := range candidates {
		if dialect != "" && len(f.dialects) > 0 && !slices.Contains(f.dialects, dialect) {
			continue
		}
		err := c.socket.validate("message "+f.key, f.payload, v)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return fmt.Errorf("the event %s is not as the contract has it: %w\n%s", name, errors.Join(errs...), text)
}

// Request holds the body of a call, or a frame that a client sends, against the contract.
func (c *Contract) Request(method, url string, body []byte) error {
	p := c.find(method, url)
	if p == nil {
		return fmt.Errorf("the contract has no route %s %s", method, url)
	}
	v, err := parse(body)
	if err != nil {
		return err
	}
	return c.rest.validate(p.method+p.template+" body", at(p.body, "requestBody", "content", "application/json", "schema"), v)
}

// Ask holds a frame of a client against the contract. key is that of the message.
func (c *Contract) Ask(key string, text []byte) error {
	v, err := parse(text)
	if err != nil {
		return err
	}
	return c.socket.validate("ask "+key, at(c.socket.root, "components", "messages", key, "payload"), v)
}

// Answer holds an answer of the REST interface against the contract. Of a path that no
// route has there is nothing to say.
func (c *Contract) Answer(method, url string, status int, header http.Header, body []byte) error {
	p := c.find(method, url)
	if p == nil {
		return nil
	}
	name := method + " " + p.template + " " + strconv.Itoa(status)
	response, err := c.response(p, status, len(body) > 0 && at(p.body, "responses", strconv.Itoa(status)) == nil)
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, body)
	}
	headers, _ := at(response, "headers").(map[string]any)
	isGateway := status >= 400 && !strings.HasPrefix(header.Get("Content-Type"), "application/problem+json")
	for h := range headers {
		if at(c.rest.resolve(at(response, "headers", h)), "required") == true && header.Get(h) == "" && !isGateway {
			return fmt.Errorf("%s: there is no %s", name, h)
		}
	}
	contents, _ := at(response, "content").(map[string]any)
	if len(body) == 0 {
		if len(contents) > 0 {
			return fmt.Errorf("%s: there is no body", name)
		}
		return nil
	}
	media, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil || contents[media] == nil {
		return fmt.Errorf("%s: the contract has no body of type %q there, but of %v\n%s", name, media, slices.Sorted(maps.Keys(contents)), body)
	}
	if lines := at(contents[media], "x-itemSchema"); lines != nil {
		for line := range bytes.Lines(body) {
			v, err := parse(line)
			if err == nil {
				err = c.rest.validate(name+media, lines, v)
			}
			if err != nil {
				return fmt.Errorf("%s has a line that is not as the contract has it: %w\n%s", name, err, line)
			}
		}
		return nil
	}
	if !strings.HasSuffix(media, "json") {
		return nil
	}
	v, err := parse(body)
	if err != nil {
		return fmt.Errorf("%s: no JSON: %w", name, err)
	}
	if err := c.rest.validate(name+media, at(contents[media], "schema"), v); err != nil {
		return fmt.Errorf("%s is not as the contract has it: %w\n%s", name, err, body)
	}
	return nil
}

// response is what is documented of a status: by itself, or for API Gateway's own.
func (c *Contract) response(p *path, status int, orDefault bool) (any, error) {
	response := at(p.body, "responses", strconv.Itoa(status))
	if response == nil && orDefault {
		response = at(p.body, "responses", "default")
	}
	if response == nil {
		return nil, fmt.Errorf("the contract has no such answer")
	}
	return c.rest.resolve(response), nil
}

// find is the operation of a call; literal segments go before variables.
func (c *Contract) find(method, url string) (found *path) {
	plain, _, _ := strings.Cut(url, "?")
	segments, best := strings.Split(plain, "/"), -1
	for i := range c.paths {
		p := &c.paths[i]
		if p.method != method || len(p.segments) != len(segments) {
			continue
		}
		literals := 0
		for j, s := range p.segments {
			if s == segments[j] {
				literals++
			} else if !strings.HasPrefix(s, "{") || segments[j] == "" {
				literals = -1
				break
			}
		}
		if literals > best {
			best, found = literals, p
		}
	}
	return found
}
