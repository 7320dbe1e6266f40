package handler

import (
	"context"
	"crypto/rand"
	"net/http"
	"slices"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

type webhooks interface {
	CreateWebhook(ctx context.Context, w chat.Webhook) (chat.Webhook, error)
	Webhooks(ctx context.Context, org chat.OrgID) ([]chat.Webhook, error)
	DeleteWebhook(ctx context.Context, org chat.OrgID, id chat.WebhookID) error
}

// secretBytes are as many as Standard Webhooks wants at least.
const secretBytes = 24

// administers refuses who may not see and write the webhooks of an organisation: they are told
// of all its conversations.
func administers(r *gateway.HTTPRequest) error {
	if !slices.Contains(r.Roles, chat.RoleAdmin) {
		return chat.Errorf(chat.Forbidden, "only who has the role %s may see and write webhooks", chat.RoleAdmin)
	}
	return nil
}

// createWebhook answers 201 with the secret, which is told never again.
func (h *Handler) createWebhook(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	if err := administers(r); err != nil {
		return gateway.HTTPResponse{}, err
	}
	in, err := gateway.Body[protocol.CreateWebhook](r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	w := chat.Webhook{OrgID: r.Principal.OrgID, URL: in.URL, Events: in.Events, AgentID: in.AgentID, CreatedBy: r.Principal.ID, CreatedAt: time.Now()}
	var f chat.Faults
	if w.Check(&f, h.configured.LocalWebhooks); f.Err() != nil {
		return gateway.HTTPResponse{}, f.Err()
	}
	if err := r.Allow(ctx, chat.UseCreation); err != nil {
		return gateway.HTTPResponse{}, err
	}
	w.Secret = make([]byte, secretBytes)
	rand.Read(w.Secret) //nolint:errcheck // it never fails
	if w, err = h.store.CreateWebhook(ctx, w); err != nil {
		return gateway.HTTPResponse{}, err
	}
	out := protocol.WebhookOf(w)
	out.Secret = protocol.WebhookSecret(w.Secret)
	return gateway.HTTPResponse{Status: http.StatusCreated, Body: out, Location: "/webhooks/" + string(w.ID)}, nil
}

func (h *Handler) listWebhooks(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	if err := administers(r); err != nil {
		return gateway.HTTPResponse{}, err
	}
	all, err := h.store.Webhooks(ctx, r.Principal.OrgID)
	list := protocol.WebhookList{Data: []protocol.Webhook{}}
	for _, w := range all {
		list.Data = append(list.Data, protocol.WebhookOf(w))
	}
	return gateway.HTTPResponse{Status: http.StatusOK, Body: list}, err
}

func (h *Handler) deleteWebhook(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	if err := administers(r); err != nil {
		return gateway.HTTPResponse{}, err
	}
	id := chat.WebhookID(r.Path("id"))
	if !chat.ValidID(id) {
		return gateway.HTTPResponse{}, chat.Invalid("id", "is not a valid id")
	}
	return gateway.HTTPResponse{Status: http.StatusNoContent}, h.store.DeleteWebhook(ctx, r.Principal.OrgID, id)
}
