package handler

import (
	"context"
	"errors"
	"time"

	"aiwm-chat/shared/chat"
)

// objects are the bytes of uploads. Only sweep is given them: elsewhere what is to happen there
// stays due until it runs.
type objects interface {
	Keep(ctx context.Context, u chat.UploadID) error
	Erase(ctx context.Context, u chat.UploadID) error
}

// WithObjects returns h with the bytes of uploads.
func (h *Handler) WithObjects(o objects) *Handler {
	out := *h
	out.objects = o
	return &out
}

// checkUploads refuses a message that attaches what was uploaded here and is not its sender's
// to attach. Of a repeat that is decided already: the message has it. One round trip, one more
// where it is refused.
func (h *Handler) checkUploads(ctx context.Context, m chat.Message) error {
	uploads, err := h.store.Attachable(ctx, m.Sender, m.ConversationID, "", chat.UploadsOf(m.Attachments), time.Now())
	if err == nil && m.Voice != nil && !uploads[0].Audio() {
		err = chat.ErrVoice
	}
	if chat.CodeOf(err) != chat.ValidationFailed {
		return err
	}
	_, found, unread := h.store.Sent(ctx, m.ConversationID, m.Sender, m.ClientMessageID)
	if unread != nil || found {
		return unread
	}
	return err
}

// attach makes what a message attaches its own. It is done before anybody is told: whoever
// hears of the message may read what is attached. One round trip where something is, none else.
func (h *Handler) attach(ctx context.Context, m chat.Message) error {
	return h.store.AttachUploads(ctx, m)
}

// keep has the bytes of what is attached stay, where h has them: errLater elsewhere.
func (h *Handler) keep(ctx context.Context, m chat.Message) error {
	return h.eachObject(chat.UploadsOf(m.Attachments), func(id chat.UploadID) error {
		err := h.objects.Keep(ctx, id)
		if chat.CodeOf(err) == chat.NotFound && time.Since(m.LastChange()) > chat.UploadPatience {
			return nil // they never came, and cannot any more
		}
		return err
	})
}

// erase deletes what a message attached and does not any more. Two round trips, and one for
// each where h has the bytes: errLater elsewhere.
func (h *Handler) erase(ctx context.Context, m chat.Message) error {
	gone, err := h.store.EraseUploads(ctx, m, time.Now())
	if err != nil {
		return err
	}
	return h.eachObject(gone, func(id chat.UploadID) error { return h.objects.Erase(ctx, id) })
}

// errLater says that sweep does the rest.
var errLater = errors.New("left to sweep")

func (h *Handler) eachObject(ids []chat.UploadID, do func(chat.UploadID) error) error {
	if h.objects == nil && len(ids) > 0 {
		return errLater
	}
	var errs []error
	for _, id := range ids {
		errs = append(errs, do(id))
	}
	return errors.Join(errs...)
}
