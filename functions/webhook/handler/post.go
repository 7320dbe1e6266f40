package handler

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/outside"
	"aiwm-chat/shared/protocol"
)

const (
	// posting is how long a call may take, its answer included.
	posting = 10 * time.Second
	// maxAnswer is how much of an answer is read, of which nothing is wanted: a connection whose
	// answer was read is used again.
	maxAnswer = 64 << 10
)

// newClient follows no redirect: where it leads nobody has checked.
func newClient(t http.RoundTripper) *http.Client {
	return &http.Client{
		Transport: t, Timeout: posting,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// callID is the same for each try of a call, so that its receiver knows it again.
func callID(job protocol.WebhookJob) string {
	id := "msg_" + string(job.MessageID)
	switch job.Event {
	case chat.MessageUpdated:
		id += "_updated_" + strconv.FormatInt(job.Version, 10)
	case chat.MessageDeleted:
		id += "_deleted"
	}
	return id
}

// sign is the signature of Standard Webhooks.
func sign(secret []byte, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// post makes a call, and returns why it was not taken. What the receiver writes is nobody's to
// read: neither a log nor who asks for the webhook sees more than the status.
func (h *Handler) post(ctx context.Context, w chat.Webhook, id string, body []byte) *refused {
	ctx, cancel := context.WithTimeout(ctx, posting)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return &refused{why: "the URL is not valid"}
	}
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	for name, value := range map[string]string{
		"content-type": "application/json", "user-agent": "aiwm-chat",
		"webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": sign(w.Secret, id, timestamp, body),
	} {
		r.Header.Set(name, value)
	}
	response, err := h.client.Do(r)
	if err != nil {
		return &refused{why: outside.Class(err)}
	}
	defer response.Body.Close()
	io.Copy(io.Discard, io.LimitReader(response.Body, maxAnswer)) //nolint:errcheck // the status has said what counts
	if response.StatusCode/100 == 2 {
		return nil
	}
	return &refused{why: fmt.Sprint("status ", response.StatusCode), gone: response.StatusCode == http.StatusGone}
}
