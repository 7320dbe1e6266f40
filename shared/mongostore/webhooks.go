package mongostore

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/shared/chat"
)

// The webhooks of an organisation have places, of which there are as many as it may have: two
// that are made at once do not both get the last one. Who may write them is the caller's to
// check.

// webhookDoc is a document of webhooks.
type webhookDoc struct {
	ID        chat.WebhookID      `bson:"_id"`
	OrgID     chat.OrgID          `bson:"orgId"`
	Place     int                 `bson:"place"`
	URL       string              `bson:"url"`
	Events    []chat.WebhookEvent `bson:"events"`
	AgentID   chat.PrincipalID    `bson:"agentId,omitempty"`
	Secret    []byte              `bson:"secret"`
	CreatedBy chat.PrincipalID    `bson:"createdBy"`
	CreatedAt time.Time           `bson:"createdAt"`
	Failing   *failingDoc         `bson:"failing,omitempty"`
	Disabled  *disabledDoc        `bson:"disabled,omitempty"`
}

type failingDoc struct {
	Since time.Time `bson:"since"`
	Last  time.Time `bson:"last"`
	Count int       `bson:"count"`
	Why   string    `bson:"why"`
	Retry time.Time `bson:"retry"`
}

type disabledDoc struct {
	At  time.Time `bson:"at"`
	Why string    `bson:"why"`
}

func (d *webhookDoc) webhook() chat.Webhook {
	w := chat.Webhook{
		ID: d.ID, OrgID: d.OrgID, URL: d.URL, Events: d.Events, AgentID: d.AgentID, Secret: d.Secret, CreatedBy: d.CreatedBy, CreatedAt: d.CreatedAt,
	}
	if d.Failing != nil {
		w.Failing = new(chat.WebhookFailure(*d.Failing))
	}
	if d.Disabled != nil {
		w.Disabled = new(chat.WebhookEnd(*d.Disabled))
	}
	return w
}

// webhookKey is the index of the places of an organisation.
var webhookKey = by("orgId", "place")

func webhookIndexes() []mongo.IndexModel {
	return []mongo.IndexModel{{Keys: by("orgId", "place"), Options: options.Index().SetUnique(true)}}
}

// CreateWebhook keeps a webhook in a place of its organisation that is free, and returns it with
// its id. It is Conflict where there is none. It takes two round trips; one more for each place
// that another one takes meanwhile.
func (s *Store) CreateWebhook(ctx context.Context, w chat.Webhook) (chat.Webhook, error) {
	docs, err := s.webhooksOf(ctx, w.OrgID)
	if err != nil {
		return chat.Webhook{}, err
	}
	taken := map[int]bool{}
	for _, d := range docs {
		taken[d.Place] = true
	}
	d := webhookDoc{
		ID: chat.WebhookID(bson.NewObjectID().Hex()), OrgID: w.OrgID, URL: w.URL, Events: w.Events, AgentID: w.AgentID, Secret: w.Secret,
		CreatedBy: w.CreatedBy, CreatedAt: millis(w.CreatedAt),
	}
	for d.Place = range chat.MaxWebhooks {
		if taken[d.Place] {
			continue
		}
		tries := 0
		err := s.attempt(ctx, func(ctx context.Context) error {
			tries++
			_, err := s.webhooks.now().InsertOne(ctx, d)
			return failed("create a webhook", err)
		})
		if err == nil {
			return d.webhook(), nil
		}
		if !mongo.IsDuplicateKeyError(err) {
			return chat.Webhook{}, err
		}
		if tries > 1 { // it may be our own, whose answer was lost
			if own, err := s.Webhook(ctx, d.OrgID, d.ID); err == nil {
				return own, nil
			}
		}
	}
	return chat.Webhook{}, chat.Errorf(chat.Conflict, "an organisation has at most %d webhooks", chat.MaxWebhooks)
}

func (s *Store) webhooksOf(ctx context.Context, org chat.OrgID) ([]webhookDoc, error) {
	docs, _, err := findWithin[webhookDoc](ctx, s.webhooks, bson.M{"orgId": org}, "read the webhooks",
		options.Find().SetSort(by("place")).SetLimit(chat.MaxWebhooks), maxMessageBytes)
	return docs, err
}

// Webhooks returns those of an organisation, also those that are switched off. It takes one
// round trip.
func (s *Store) Webhooks(ctx context.Context, org chat.OrgID) (all []chat.Webhook, err error) {
	docs, err := s.webhooksOf(ctx, org)
	for i := range docs {
		all = append(all, docs[i].webhook())
	}
	return all, err
}

// Webhook returns one of an organisation. It takes one round trip.
func (s *Store) Webhook(ctx context.Context, org chat.OrgID, id chat.WebhookID) (chat.Webhook, error) {
	var d webhookDoc
	if err := findOne(ctx, s.webhooks, bson.M{"_id": id, "orgId": org}, &d, "read a webhook", noWebhook()); err != nil {
		return chat.Webhook{}, err
	}
	return d.webhook(), nil
}

// DeleteWebhook forgets a webhook. It takes one round trip.
func (s *Store) DeleteWebhook(ctx context.Context, org chat.OrgID, id chat.WebhookID) error {
	var n int64
	tries := 0
	err := s.attempt(ctx, func(ctx context.Context) error {
		tries++
		r, err := s.webhooks.now().DeleteOne(ctx, bson.M{"_id": id, "orgId": org})
		if err == nil {
			n = r.DeletedCount
		}
		return failed("delete a webhook", err)
	})
	if err == nil && n == 0 && tries == 1 { // else it may have been the attempt whose answer was lost
		return noWebhook()
	}
	return err
}

// TryWebhook reserves a webhook whose calls fail for one call, until a time, and reports
// whether it did: not where somebody else did. It takes one round trip.
func (s *Store) TryWebhook(ctx context.Context, w chat.Webhook, until time.Time) (bool, error) {
	filter := bson.M{"_id": w.ID, "orgId": w.OrgID, "failing.retry": millis(w.Failing.Retry)}
	err := s.changeWebhook(ctx, "try a webhook", filter, bson.M{"$set": bson.M{"failing.retry": millis(until)}}, nil)
	if errors.Is(err, errNotMine) {
		return false, nil
	}
	return err == nil, err
}

// WebhookTook notes that a webhook has taken a call after others that it did not take. It takes
// one round trip.
func (s *Store) WebhookTook(ctx context.Context, w chat.Webhook) error {
	err := s.changeWebhook(ctx, "note that a webhook takes calls", bson.M{"_id": w.ID, "orgId": w.OrgID}, bson.M{"$unset": bson.M{"failing": ""}}, nil)
	if errors.Is(err, errNotMine) {
		return nil // it was deleted
	}
	return err
}

// WebhookFailed notes that a webhook has not taken a call, and returns it as it is then. It takes
// one round trip, two for the first failure.
func (s *Store) WebhookFailed(ctx context.Context, w chat.Webhook, why string, now time.Time) (chat.Webhook, error) {
	const step = "note that a webhook fails"
	own := bson.M{"_id": w.ID, "orgId": w.OrgID}
	count := 1
	if w.Failing != nil {
		count = w.Failing.Count + 1
	}
	retry := now.Add(chat.WebhookWait(count))
	var d webhookDoc
	for _, first := range []bool{false, true, false} { // somebody else may note the first one
		filter := bson.M{"_id": w.ID, "orgId": w.OrgID, "failing": bson.M{"$exists": !first}}
		update := bson.M{"$set": bson.M{"failing.last": millis(now), "failing.why": why, "failing.retry": millis(retry)}, "$inc": bson.M{"failing.count": 1}}
		if first {
			update = bson.M{"$set": bson.M{"failing": failingDoc{Since: millis(now), Last: millis(now), Count: 1, Why: why, Retry: millis(retry)}}}
		}
		err := s.changeWebhook(ctx, step, filter, update, &d)
		if !errors.Is(err, errNotMine) {
			return d.webhook(), err
		}
	}
	return chat.Webhook{}, findOne(ctx, s.webhooks, own, &d, step, noWebhook())
}

// DisableWebhook switches a webhook off, unless it is already. It takes one round trip.
func (s *Store) DisableWebhook(ctx context.Context, w chat.Webhook, why string, now time.Time) error {
	filter := bson.M{"_id": w.ID, "orgId": w.OrgID, "disabled": missing}
	err := s.changeWebhook(ctx, "switch a webhook off", filter, bson.M{"$set": bson.M{"disabled": disabledDoc{millis(now), why}}}, nil)
	if errors.Is(err, errNotMine) {
		return nil
	}
	return err
}

// changeWebhook makes a change; where nothing matches the error is errNotMine.
func (s *Store) changeWebhook(ctx context.Context, step string, filter, update bson.M, now *webhookDoc) error {
	var d webhookDoc
	err := s.attempt(ctx, func(ctx context.Context) error {
		after := options.FindOneAndUpdate().SetReturnDocument(options.After)
		return decode(s.webhooks.now().FindOneAndUpdate(ctx, filter, update, after), &d, step, errNotMine)
	})
	if err == nil && now != nil {
		*now = d
	}
	return err
}

func noWebhook() error { return chat.Errorf(chat.NotFound, "there is no such webhook") }
