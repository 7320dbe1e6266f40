package httpapi

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A response is what the client gets.
type response struct {
	status      int
	header      http.Header // nil: none
	body        []byte
	fromGateway bool // an error of the gateway's own
}

// failure is one of the gateway's own errors, to the byte: no space after the
// colon and the status's name in capitals, unlike those of REST and WebSocket
// APIs.
func failure(status int) response {
	return response{
		status:      status,
		header:      http.Header{"Content-Type": {"application/json"}},
		body:        []byte(`{"message":"` + http.StatusText(status) + `"}`),
		fromGateway: true,
	}
}

// parseResponse reads what a function returned. Without a statusCode the whole
// payload is the body of a 200, whether it is valid JSON or not, and a JSON
// string is taken out of its quotes; with one it must have the right shape.
// (The documentation says "valid JSON"; AWS's Lambda Test Tool found
// otherwise.) multiValueHeaders, a member of format 1.0, are ignored.
func parseResponse(payload []byte) (response, error) {
	if len(payload) > maxResponse {
		return response{}, fmt.Errorf("it has %d bytes, more than %d", len(payload), maxResponse)
	}
	var members struct {
		StatusCode      jsontext.Value `json:"statusCode"`
		Headers         jsontext.Value `json:"headers"`
		Body            jsontext.Value `json:"body"`
		Cookies         jsontext.Value `json:"cookies"`
		IsBase64Encoded jsontext.Value `json:"isBase64Encoded"`
	}
	// A lenient reading: duplicate names and invalid UTF-8 are no reason to
	// take the payload for something else.
	err := json.Unmarshal(payload, &members, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if err != nil || members.StatusCode == nil {
		return plain(payload), nil
	}
	var (
		status  int
		headers map[string]string
		body    string
		cookies []string
		encoded bool
	)
	err = errors.Join(
		read("statusCode", members.StatusCode, &status),
		read("headers", members.Headers, &headers),
		read("body", members.Body, &body),
		read("cookies", members.Cookies, &cookies),
		read("isBase64Encoded", members.IsBase64Encoded, &encoded),
	)
	if err != nil {
		return response{}, err
	}
	if status < 200 || status > 599 {
		return response{}, fmt.Errorf("%d is no statusCode", status)
	}
	resp := response{status: status, header: make(http.Header, len(headers)+1), body: []byte(body)}
	if encoded {
		if resp.body, err = base64.StdEncoding.DecodeString(body); err != nil {
			return response{}, fmt.Errorf("decode body: %w", err)
		}
	}
	for name, value := range headers {
		name = http.CanonicalHeaderKey(name)
		switch name {
		case "Connection", "Content-Length", "Date", "Keep-Alive", "Trailer", "Transfer-Encoding", "Upgrade":
			continue // the connection is the gateway's business
		}
		resp.header[name] = []string{value}
	}
	if len(cookies) > 0 { // they come before a Set-Cookie among the headers
		resp.header["Set-Cookie"] = append(cookies, resp.header["Set-Cookie"]...)
	}
	if len(resp.body) > 0 && resp.header.Get("Content-Type") == "" {
		resp.header.Set("Content-Type", "text/plain; charset=utf-8")
	}
	return resp, nil
}

// read decodes one member if it is there.
func read(name string, value jsontext.Value, into any) error {
	if value == nil {
		return nil
	}
	if err := json.Unmarshal(value, into, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		return fmt.Errorf("decode %s: %w", name, err)
	}
	return nil
}

// plain is the response to a payload without statusCode.
func plain(payload []byte) response {
	body := payload
	var text string
	if json.Unmarshal(payload, &text) == nil && len(payload) > 0 && payload[0] == '"' {
		body = []byte(text)
	}
	return response{status: http.StatusOK, header: http.Header{"Content-Type": {"application/json"}}, body: body}
}

// write sends a response. On one to a cross-origin request the CORS headers are
// the configured ones.
func (h *Handler) write(w http.ResponseWriter, r *http.Request, id string, resp response) {
	header := w.Header()
	maps.Copy(header, resp.header)
	if h.options.CORS != nil && !(resp.fromGateway && h.options.Unproven.NoCORSOnErrors) {
		h.options.CORS.apply(header, r.Header.Get("Origin"))
	}
	header.Set("Apigw-Requestid", id)
	if resp.status != http.StatusNoContent && resp.status != http.StatusNotModified {
		header.Set("Content-Length", strconv.Itoa(len(resp.body)))
	}
	w.WriteHeader(resp.status)
	// An error means that the client is gone; nobody is left to tell.
	_, _ = w.Write(resp.body)
}
