// Package handler serves the REST interface of uploads: it gives out links by which clients put
// bytes where they are kept, and get them. See shared/mongostore/uploads.go.
package handler

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

type store interface {
	Conversation(ctx context.Context, p chat.Principal, id chat.ConversationID) (chat.Conversation, error)
	CreateUpload(ctx context.Context, u chat.Upload, quota int64) error
	Upload(ctx context.Context, org chat.OrgID, id chat.UploadID) (chat.Upload, error)
	Message(ctx context.Context, org chat.OrgID, id chat.MessageID) (chat.Message, error)
}

type objects interface {
	PutLink(ctx context.Context, u chat.Upload, patience time.Duration) (chat.Link, error)
	GetLink(ctx context.Context, u chat.Upload, good time.Duration) (string, error)
}

// Options are the operator's.
type Options struct {
	Off   bool  // nothing new may be uploaded
	Quota int64 // bytes of one principal and day; 0: no limit
}

// Handler handles the routes of uploads.
type Handler struct {
	store   store
	objects objects
	options Options
}

// New returns a Handler.
func New(s store, b objects, o Options) *Handler { return &Handler{s, b, o} }

// Routes returns the handler of each route key. To begin an upload takes three round trips to
// MongoDB, to read one two, and three where it is attached; links are signed here, without any.
func (h *Handler) Routes() map[string]gateway.HTTPRoute {
	return map[string]gateway.HTTPRoute{
		"POST /uploads":       h.create,
		"GET /documents/{id}": h.get,
	}
}

// create answers 201 with the link to put the bytes. Dying before the answer it leaves an
// upload that nobody knows, which counts for the day's quota and is forgotten in some days.
func (h *Handler) create(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	in, err := gateway.Body[protocol.CreateUpload](r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	if h.options.Off {
		return gateway.HTTPResponse{}, chat.ErrNoUploads
	}
	if err := r.Allow(ctx, chat.UseUpload); err != nil {
		return gateway.HTTPResponse{}, err
	}
	c, err := h.store.Conversation(ctx, r.Principal, in.ConversationID)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	if c.Status != chat.Active {
		return gateway.HTTPResponse{}, chat.ErrConversationClosed
	}
	u, err := in.Of(chat.NewUploadID(uuid.New()), r.Principal, time.Now())
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	link, err := h.objects.PutLink(ctx, u, chat.UploadPatience) // first: where there is no bucket nothing is stored
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	if err := h.store.CreateUpload(ctx, u, h.options.Quota); err != nil {
		return gateway.HTTPResponse{}, err
	}
	return gateway.HTTPResponse{Status: http.StatusCreated, Body: protocol.UploadOf(u, link), Location: "/documents/" + string(u.ID)}, nil
}

// nowhere is the conversation of an upload that is not there. It is looked for like that of
// another one: how long a refusal takes does not tell them apart.
const nowhere chat.ConversationID = "nowhere"

// get answers with a link to the bytes.
func (h *Handler) get(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	none := chat.Errorf(chat.NotFound, "there is no such document")
	id := chat.UploadID(r.Path("id"))
	if !chat.ValidID(id) {
		return gateway.HTTPResponse{}, chat.Invalid("id", "is not a valid id")
	}
	if !id.Valid() { // a document of another service
		return gateway.HTTPResponse{}, none
	}
	u, err := h.store.Upload(ctx, r.Principal.OrgID, id)
	missing := err != nil && chat.CodeOf(err) == chat.NotFound
	if missing {
		u.ConversationID = nowhere
	} else if err != nil {
		return gateway.HTTPResponse{}, err
	}
	_, err = h.store.Conversation(ctx, r.Principal, u.ConversationID)
	if err != nil && chat.CodeOf(err) != chat.NotFound {
		return gateway.HTTPResponse{}, err
	}
	if missing || err != nil || !u.ReadableBy(r.Principal) {
		return gateway.HTTPResponse{}, none
	}
	if shown, err := h.shown(ctx, r.Principal.OrgID, u); err != nil {
		return gateway.HTTPResponse{}, err
	} else if !shown {
		return gateway.HTTPResponse{}, none
	}
	until := time.Now().Add(chat.DownloadWithin)
	url, err := h.objects.GetLink(ctx, u, chat.DownloadWithin)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	return gateway.HTTPResponse{Status: http.StatusOK, Body: protocol.DocumentLinkOf(u, url, until)}, nil
}

// shown reports whether the message that u is attached to, if there is one, has it now. That u is
// erased follows from a change of the message, and may come late.
func (h *Handler) shown(ctx context.Context, org chat.OrgID, u chat.Upload) (bool, error) {
	if u.MessageID == "" {
		return true, nil
	}
	m, err := h.store.Message(ctx, org, u.MessageID)
	if err != nil && chat.CodeOf(err) == chat.NotFound {
		return false, nil
	}
	return u.IsOf(m), err
}
