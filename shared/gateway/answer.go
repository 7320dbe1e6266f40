package gateway

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// answer encodes what a route answers. What a GET returns may be kept by its
// reader alone, who asks each time whether it is still so: if it is, nothing is
// sent.
func (r *HTTPRequest) answer(response HTTPResponse) (events.APIGatewayV2HTTPResponse, error) {
	if response.File != nil {
		return fileResponse(response.Status, response.File), nil
	}
	out, err := jsonResponse(response.Status, "application/json", response.Body)
	if err == nil && response.Location != "" {
		out.Headers["location"] = response.Location
	}
	if err != nil || !r.isGet() || response.Status != http.StatusOK {
		return out, err
	}
	version := response.Version
	if version == "" {
		version = out.Body
	}
	out.Headers["etag"] = etagOf(version)
	out.Headers["cache-control"] = "private, no-cache"
	out.Headers["vary"] = "authorization"
	if r.Knows(version) {
		delete(out.Headers, "content-type")
		out.StatusCode, out.Body = http.StatusNotModified, ""
	}
	return out, nil
}

// Knows reports whether the caller of a GET has the state that a version names.
// What is answered then needs the version only, and no body.
func (r *HTTPRequest) Knows(version string) bool {
	known := r.Header("if-none-match")
	if known == "" || !r.isGet() {
		return false
	}
	tag := etagOf(version)
	for one := range strings.SplitSeq(known, ",") {
		one = strings.TrimSpace(one)
		if one == "*" || strings.TrimPrefix(one, "W/") == tag {
			return true
		}
	}
	return false
}

func (r *HTTPRequest) isGet() bool { return r.event.RequestContext.HTTP.Method == http.MethodGet }

// etagForm begins what an ETag is made of. It changes when the same state comes
// in another form.
const etagForm = "1 "

func etagOf(version string) string {
	sum := sha256.Sum256([]byte(etagForm + version))
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
}

// problem answers with what a client may see of err.
func problem(err error) (events.APIGatewayV2HTTPResponse, error) {
	p := protocol.ProblemOf(err)
	response, failed := jsonResponse(p.Status, "application/problem+json", p)
	switch {
	case failed != nil:
	case p.Status == http.StatusUnauthorized:
		response.Headers["www-authenticate"] = "Bearer"
	case p.Code.Retryable():
		response.Headers["retry-after"] = strconv.Itoa(wholeSeconds(chat.Public(err).RetryAfter()))
	}
	return response, failed
}

// tellQuotas says what the limits of a call are and what is left of them, as
// draft-ietf-httpapi-ratelimit-headers-11 has it. Where the call is to be made again
// after a time, that of the limit is not shorter.
func tellQuotas(header map[string]string, quotas []chat.Quota, retryAfter string) {
	var policies, left []string
	for _, q := range quotas {
		policy := fmt.Sprintf(`"%s";q=%d;w=%d`, q.Use, q.Count, int(q.Window.Seconds()))
		if q.Burst != q.Count {
			policy += fmt.Sprintf(";aiwm-burst=%d", q.Burst)
		}
		reset := wholeSeconds(q.Reset)
		if wait, err := strconv.Atoi(retryAfter); err == nil && q.Remaining == 0 {
			reset = max(reset, wait)
		}
		policies = append(policies, policy)
		left = append(left, fmt.Sprintf(`"%s";r=%d;t=%d`, q.Use, q.Remaining, reset))
	}
	if len(quotas) > 0 {
		header["ratelimit-policy"], header["ratelimit"] = strings.Join(policies, ", "), strings.Join(left, ", ")
	}
}

// wholeSeconds rounds up, as HTTP wants it.
func wholeSeconds(d time.Duration) int { return max(int((d+time.Second-1)/time.Second), 1) }

// fileResponse is in base64 whatever is in the file, so that its size says how large the
// answer is: in a JSON string a character may take six bytes.
func fileResponse(status int, f *File) events.APIGatewayV2HTTPResponse {
	response := events.APIGatewayV2HTTPResponse{
		StatusCode: status, Body: base64.StdEncoding.EncodeToString(f.Bytes), IsBase64Encoded: true,
		Headers: map[string]string{
			"cache-control": "no-store", "x-content-type-options": "nosniff", "content-type": f.Media,
			"content-disposition": mime.FormatMediaType("attachment", map[string]string{"filename": f.Name}),
		},
	}
	if f.Next != "" { // relative to where it was asked for, whatever stage or domain that has
		response.Headers["link"] = "<?" + f.Next + `>; rel="next"`
		response.Headers["next-cursor"] = f.Cursor
	}
	return response
}

func jsonResponse(status int, media string, body any) (events.APIGatewayV2HTTPResponse, error) {
	response := events.APIGatewayV2HTTPResponse{StatusCode: status, Headers: map[string]string{
		"cache-control": "no-store", "x-content-type-options": "nosniff",
	}}
	if body == nil {
		return response, nil
	}
	b, err := protocol.Marshal(body)
	if err != nil {
		return events.APIGatewayV2HTTPResponse{}, err
	}
	response.Headers["content-type"] = media
	response.Body = string(b)
	return response, nil
}
