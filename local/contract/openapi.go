package contract

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// Version is that of both documents: the second number grows with what is added, the
// first with what breaks.
const Version = "1.0.0"

type info struct {
	Title       string            `json:"title"`
	Version     string            `json:"version"`
	Description string            `json:"description"`
	License     map[string]string `json:"license"`
	Tags        []tag             `json:"tags,omitempty"` // AsyncAPI has them here
}

type tag struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

var mit = map[string]string{"name": "MIT", "url": "https://spdx.org/licenses/MIT.html"}

type openAPI struct {
	OpenAPI    string                          `json:"openapi"`
	Info       info                            `json:"info"`
	Servers    []map[string]string             `json:"servers"`
	Security   []map[string][]string           `json:"security"`
	Tags       []tag                           `json:"tags"`
	Paths      map[string]map[string]operation `json:"paths"`
	Components map[string]any                  `json:"components"`
}

type operation struct {
	OperationID string                 `json:"operationId"`
	Tags        []string               `json:"tags"`
	Summary     string                 `json:"summary"`
	Description string                 `json:"description"`
	Security    *[]map[string][]string `json:"security,omitempty"`
	Parameters  []parameter            `json:"parameters,omitempty"`
	RequestBody map[string]any         `json:"requestBody,omitempty"`
	Responses   map[string]any         `json:"responses"`
	ErrorCodes  []errorCode            `json:"x-error-codes,omitempty"`
}

const restText = "Conversations between people and AI agents. All but `/health` asks for a bearer token. Errors are problem documents (RFC 9457) whose `code` programs go by; " +
	"API Gateway's own refusals are `{\"message\"}`. Answers grow: ignore members, and codes, that you do not know. What is sent may have no others than are named here."

func (b *builder) openAPI(url string) openAPI {
	r := &restBuilder{builder: b, responses: map[string]any{}}
	paths := map[string]map[string]operation{}
	for _, one := range routes() {
		if paths[one.path] == nil {
			paths[one.path] = map[string]operation{}
		}
		paths[one.path][strings.ToLower(one.method)] = r.operation(one)
	}
	return openAPI{
		OpenAPI: "3.1.0",
		Info: info{
			Title: "aiwm-chat REST", Version: Version, Description: restText,
			License: mit,
		},
		Servers:  []map[string]string{{"url": url, "description": "This installation."}},
		Security: []map[string][]string{{"bearer": {}}},
		Tags: []tag{
			{"Conversations", "Their life, and who takes part."}, {"Messages", "What was said."}, {ofUploads, "Files that messages have."}, {"Streams", "What is being written."}, {"Agents", "Who answers, and what waits for them."}, {"Runs", "What agents do that the backend runs, and what it costs."},
			{"Presence", "Who is online."}, {"Calls", "What talking to one another needs."}, {"Health", "Whether it runs."},
		},
		Paths: paths,
		Components: map[string]any{
			"schemas": b.schemas, "responses": r.responses, "headers": headers,
			"securitySchemes": map[string]any{"bearer": map[string]string{
				"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A token of the issuer that the installation trusts.",
			}},
		},
	}
}

// A restBuilder also collects the answers that several routes have in common.
type restBuilder struct {
	*builder
	responses map[string]any
}

func (r *restBuilder) operation(one route) operation {
	o := operation{
		OperationID: one.id, Tags: []string{one.tag}, Summary: one.summary, Description: one.description,
		Responses: map[string]any{},
	}
	for _, p := range one.parameters {
		p.Schema = p.schema(r.builder)
		o.Parameters = append(o.Parameters, p)
	}
	if one.body != nil {
		o.RequestBody = map[string]any{"required": true, "content": content("application/json", r.ref(one.body, input), one.bodies)}
	}
	for _, a := range one.answers {
		o.Responses[strconv.Itoa(a.status)] = r.answer(one, a)
	}
	codes := slices.Concat(alwaysREST, one.codes)
	switch {
	case one.public && len(one.codes) == 0:
		o.Security = &[]map[string][]string{}
		return o
	case one.public: // a token is for more
		o.Security, codes = &[]map[string][]string{{}, {"bearer": {}}}, one.codes
	case one.body != nil:
		codes = slices.Concat(codes, ofBodies)
	}
	for status, some := range byStatus(codes) {
		o.Responses[strconv.Itoa(status)] = r.problem(status, some)
	}
	o.Responses["default"] = r.gatewayResponse()
	o.ErrorCodes = r.errorCodes(codes)
	return o
}

func (r *restBuilder) answer(one route, a answerOf) map[string]any {
	response := map[string]any{"description": a.description}
	if a.body != nil {
		response["content"] = content("application/json", r.ref(a.body, output), map[string]any{"example": a.example})
	}
	if len(a.files) > 0 {
		response["content"] = r.files(a.files)
	}
	if names := headersOf(one, a); len(names) > 0 {
		refs := map[string]any{}
		for _, name := range names {
			refs[name] = map[string]string{"$ref": "#/components/headers/" + name}
		}
		response["headers"] = refs
	}
	return response
}

// files are answers that are no JSON. OpenAPI 3.1 has no word for what a line of one is; 3.2
// calls it itemSchema.
func (r *restBuilder) files(all []fileOf) map[string]any {
	media := map[string]any{}
	for _, f := range all {
		of := map[string]any{
			"schema":   &jsonschema.Schema{Type: "string", Description: f.description},
			"examples": map[string]any{"example": map[string]any{"value": f.example}},
		}
		var lines []*jsonschema.Schema
		for _, t := range f.lines {
			lines = append(lines, r.ref(t, output))
		}
		if len(lines) > 0 {
			of["x-itemSchema"] = &jsonschema.Schema{OneOf: lines}
		}
		media[f.media] = of
	}
	return media
}

func content(media string, schema *jsonschema.Schema, examples map[string]any) map[string]any {
	values := map[string]any{}
	for name, v := range examples {
		values[strings.ReplaceAll(name, " ", "-")] = map[string]any{"summary": name, "value": encode(v)}
	}
	return map[string]any{media: map[string]any{"schema": schema, "examples": values}}
}

// problem is the answer of a status with one of some codes. Where API Gateway itself
// answers with that status, its form is there as well.
func (r *restBuilder) problem(status int, codes []chat.Code) map[string]string {
	var names []string
	var values []any
	examples := map[string]any{}
	for _, c := range codes {
		names, values = append(names, codeName(c)), append(values, c)
		examples[string(c)] = protocol.ProblemOf(codeExamples[c])
	}
	name := strings.Join(names, "Or")
	if _, made := r.responses[name]; !made {
		schema := r.ref(reflect.TypeFor[protocol.Problem](), output)
		schema.Properties = map[string]*jsonschema.Schema{"status": constant(status), "code": {Enum: values}}
		body := content("application/problem+json", schema, examples)
		response := map[string]any{"description": http.StatusText(status) + ". " + codeList(r.errorCodes(codes)), "content": body}
		if message := gatewaySays[status]; message != "" {
			maps.Copy(body, r.gateway(message))
		}
		response["headers"] = problemHeaders(status)
		r.responses[name] = response
	}
	return map[string]string{"$ref": "#/components/responses/" + name}
}

// gatewaySays is what API Gateway itself answers with a status that functions use too.
var gatewaySays = map[int]string{
	http.StatusRequestEntityTooLarge: "Request Entity Too Large", http.StatusTooManyRequests: "Too Many Requests",
	http.StatusInternalServerError: "Internal Server Error", http.StatusServiceUnavailable: "Service Unavailable",
}

func (r *restBuilder) gateway(message string) map[string]any {
	return content("application/json", r.gatewayMessage(), map[string]any{"API Gateway": map[string]string{"message": message}})
}

const gatewayMessageName = "GatewayMessage"

func (b *builder) gatewayMessage() *jsonschema.Schema {
	b.schemas[gatewayMessageName] = &jsonschema.Schema{
		Type: "object", Required: []string{"message"}, Properties: map[string]*jsonschema.Schema{"message": {Type: "string", Description: "What API Gateway says."}},
		Description: "API Gateway itself refuses: there is no such route, the request is too large, or a function failed or was throttled.",
	}
	return &jsonschema.Schema{Ref: inComponents + gatewayMessageName}
}

func (r *restBuilder) gatewayResponse() map[string]string {
	r.responses["Gateway"] = map[string]any{"description": "API Gateway itself refuses.", "content": r.gateway("Not Found")}
	return map[string]string{"$ref": "#/components/responses/Gateway"}
}

// headers are those of answers, by name.
var headers = map[string]any{
	"Content-Disposition": header("What a file of it is called.", `attachment; filename=conversation-`+string(conversation.ID)+".ndjson", true),
	"Link":                header("Where what follows is, with `rel=\"next\"`; not after the last page.", `<?cursor=ndjson-4000-9000&format=ndjson>; rel="next"`, false),
	"Next-Cursor":         header("The `cursor` of what follows; not after the last page.", "ndjson-4000-9000", false),
	"Location":            header("The path of what was created.", "/conversations/"+string(conversation.ID), true),
	"ETag":                header("The state of what is answered, for `If-None-Match`.", `"1rC8_OHq2mF0pXwJmN3tVg"`, true),
	"RateLimit":           header("What is left of each limit that the call counted for, as draft-ietf-httpapi-ratelimit-headers-11 has it.", `"read";r=599;t=1`, false),
	"RateLimit-Policy":    header("The limits that the call counted for.", `"read";q=600;w=60`, false),
	"Retry-After":         header("Seconds to wait before the same may be sent again.", "2", false),
	"WWW-Authenticate":    header("A bearer token is asked for.", "Bearer", false),
}

func header(description, example string, required bool) map[string]any {
	h := map[string]any{"description": description, "example": example, "schema": map[string]string{"type": "string"}}
	if required {
		h["required"] = true
	}
	return h
}

func headersOf(one route, a answerOf) (names []string) {
	if one.public {
		return nil
	}
	if a.created {
		names = append(names, "Location")
	}
	switch {
	case len(a.files) > 0:
		names = append(names, "Content-Disposition", "Link", "Next-Cursor")
	case one.method == http.MethodGet:
		names = append(names, "ETag")
	}
	return append(names, "RateLimit", "RateLimit-Policy")
}

func problemHeaders(status int) map[string]any {
	names := []string{"RateLimit", "RateLimit-Policy"}
	switch status {
	case http.StatusUnauthorized:
		names = []string{"WWW-Authenticate"}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		names = append(names, "Retry-After")
	}
	refs := map[string]any{}
	for _, name := range names {
		refs[name] = map[string]string{"$ref": "#/components/headers/" + name}
	}
	return refs
}

// document is the text of a document.
func document(v any) ([]byte, error) {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode the contract: %w", err)
	}
	return append(text, '\n'), nil
}
