package mongostore

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/shared/chat"
)

// An upload goes through three states, each by one update whose filter wants the one before:
// pending, attached to one message, erased; or from pending to erased. What is to happen
// follows from the message as it is stored: of the uploads that it ever had, those among its
// attachments are attached, the others are erased.
//
//	A1 read the uploads       D1 change the message, with due {erase}
//	A2 append the message,    D2 mark the uploads as erased
//	   with due {attach}      D3 delete the bytes
//	A3 attach the uploads     D4 take out what is due
//	A4 take the tag away
//	A5 take out what is due
//
//   - The function dies after A2, A3 or A4: what is due is there, and sweep does A3 to A5.
//     Until A3 its uploader alone may read it. What stays pending for 7 days goes by its tag.
//   - The function dies after D1 or D2: likewise. From D1 on nobody is given a link: who asks for
//     one is answered by the message, from D2 on by the upload too.
//   - A3 comes late, after D2: what is erased is not attached any more.
//   - D1 before A3, by who does not see what A2 has attached: the message keeps the ids of all
//     that it ever had, so D2 finds them, attached or not.
//   - D1 takes one out, and before D2 an edit wants it back: the edit is refused, because D2 may
//     come at any time.
//   - Two messages have the same upload, because both looked before either was there: A3 of
//     one finds it attached to the other. So D2 of the one does not erase it, and that of the
//     other does: what the one shows is gone then. That is its uploader's own doing.
//   - A4 after D3 finds no bytes, and neither does D3 done twice.
//   - The bytes come after D3: for as long as the link to put them is good they may, with their
//     tag, and nobody is given a link to them.

// uploadDoc is a document of uploads.
type uploadDoc struct {
	ID             chat.UploadID       `bson:"_id"`
	OrgID          chat.OrgID          `bson:"orgId"`
	ConversationID chat.ConversationID `bson:"conversationId"`
	By             principalDoc        `bson:"by"`
	Name           string              `bson:"name,omitempty"`
	Type           string              `bson:"type"`
	Size           int64               `bson:"size"`
	Day            chat.Day            `bson:"day"` // whose quota it is of
	CreatedAt      time.Time           `bson:"createdAt"`
	MessageID      chat.MessageID      `bson:"messageId,omitempty"`
	IsErased       bool                `bson:"isErased,omitempty"`
	ForgetAt       *time.Time          `bson:"forgetAt,omitempty"` // when MongoDB deletes the document: never where it is attached
}

func (d *uploadDoc) upload() chat.Upload {
	return chat.Upload{
		ID: d.ID, ConversationID: d.ConversationID, By: chat.Principal{Type: d.By.Type, ID: d.By.ID, OrgID: d.OrgID},
		Name: d.Name, Type: d.Type, Size: d.Size, CreatedAt: d.CreatedAt, MessageID: d.MessageID, Erased: d.IsErased,
	}
}

// uploadIndexes are what somebody uploaded on a day, for their quota, and what is to be
// forgotten.
func uploadIndexes() []mongo.IndexModel {
	forget := partial("forgetAt", by("forgetAt"))
	forget.Options.SetExpireAfterSeconds(0)
	return []mongo.IndexModel{{Keys: by("orgId", "by.id", "by.type", "day")}, forget}
}

// CreateUpload stores an upload that is about to come, if its uploader has not uploaded more
// than quota bytes that day with it; 0 is no limit. Over it the error is chat.RateLimited, and
// nothing is stored. It is stored before it is counted: of two that come at once, and do not
// both fit, none passes unseen. It takes two round trips, three where it is refused.
func (s *Store) CreateUpload(ctx context.Context, u chat.Upload, quota int64) error {
	forget := millis(u.CreatedAt.Add(chat.UploadForgotten))
	d := uploadDoc{
		ID: u.ID, OrgID: u.By.OrgID, ConversationID: u.ConversationID, By: principalDoc{u.By.Type, u.By.ID},
		Name: u.Name, Type: u.Type, Size: u.Size, Day: chat.DayOf(u.CreatedAt), CreatedAt: millis(u.CreatedAt), ForgetAt: &forget,
	}
	err := s.attempt(ctx, func(ctx context.Context) error {
		_, err := s.uploads.now().InsertOne(ctx, d)
		if mongo.IsDuplicateKeyError(err) { // the id is random: our own insert, whose reply was lost
			return nil
		}
		return failed("create an upload", err)
	})
	if err != nil || quota == 0 {
		return err
	}
	used, err := s.uploadedOn(ctx, u.By, d.Day)
	if err != nil || used <= quota {
		return err // who gets no answer may try again: what was stored counts until midnight
	}
	err = s.attempt(ctx, func(ctx context.Context) error {
		_, err := s.uploads.now().DeleteOne(ctx, bson.M{"_id": u.ID})
		return failed("take an upload back", err)
	})
	if err != nil {
		return err
	}
	return chat.LimitedFor(chat.DayEnd(u.CreatedAt).Sub(u.CreatedAt))
}

// uploadedOn is how many bytes somebody has uploaded on a day, or was about to.
func (s *Store) uploadedOn(ctx context.Context, p chat.Principal, day chat.Day) (total int64, err error) {
	const step = "add uploads up"
	pipeline := []bson.M{
		{"$match": bson.M{"orgId": p.OrgID, "by.id": p.ID, "by.type": p.Type, "day": day}},
		{"$group": bson.M{"_id": "$day", "size": bson.M{"$sum": "$size"}}},
	}
	err = s.attempt(ctx, func(ctx context.Context) error {
		cursor, err := s.uploads.now().Aggregate(ctx, pipeline)
		if err != nil {
			return failed(step, err)
		}
		return decodeAll(ctx, cursor, step, func(d struct {
			Size int64 `bson:"size"`
		}, _ int) bool {
			total = d.Size
			return true
		})
	})
	return total, err
}

// Upload returns an upload of an organisation. Whose it is to read is the caller's to check.
// It takes one round trip.
func (s *Store) Upload(ctx context.Context, org chat.OrgID, id chat.UploadID) (chat.Upload, error) {
	var d uploadDoc
	none := chat.Errorf(chat.NotFound, "there is no such document")
	if err := findOne(ctx, s.uploads, bson.M{"_id": id, "orgId": org}, &d, "read an upload", none); err != nil {
		return chat.Upload{}, err
	}
	return d.upload(), nil
}

// Attachable returns uploads that p may attach to a message of a conversation, which is "" where
// it is not there yet: all of those that are named, or chat.ErrAttachments. It takes one round
// trip.
func (s *Store) Attachable(ctx context.Context, p chat.Principal, in chat.ConversationID, to chat.MessageID, ids []chat.UploadID, now time.Time) ([]chat.Upload, error) {
	docs, err := find[uploadDoc](ctx, s.uploads, bson.M{"_id": bson.M{"$in": ids}, "orgId": p.OrgID}, "read uploads", options.Find().SetLimit(int64(len(ids))))
	if err != nil {
		return nil, err
	}
	all := make([]chat.Upload, len(docs))
	for i := range docs {
		if all[i] = docs[i].upload(); !all[i].Attachable(p, in, to, now) {
			return nil, chat.ErrAttachments
		}
	}
	if len(all) != len(ids) {
		return nil, chat.ErrAttachments
	}
	return all, nil
}

// AttachUploads makes what m attaches m's: from then on everybody in the conversation may read
// it. What is another message's, or erased, stays so; and nobody's but the sender's is taken.
// It takes one round trip.
func (s *Store) AttachUploads(ctx context.Context, m chat.Message) error {
	ids := chat.UploadsOf(m.Attachments)
	if len(ids) == 0 {
		return nil
	}
	filter := uploadsOf(m, ids)
	filter["messageId"], filter["isErased"] = missing, missing
	filter["by.type"], filter["by.id"] = m.Sender.Type, m.Sender.ID
	return s.updateUploads(ctx, "attach uploads", filter, bson.M{"$set": bson.M{"messageId": m.ID}, "$unset": bson.M{"forgetAt": ""}})
}

// EraseUploads makes what m attached, and does not any more, nobody's, and forgets its name.
// What is another message's stays. It returns what is to be deleted where the bytes
// are: also what was erased before, of which that may have failed. It takes two round trips.
func (s *Store) EraseUploads(ctx context.Context, m chat.Message, now time.Time) ([]chat.UploadID, error) {
	gone := m.DetachedUploads()
	if len(gone) == 0 {
		return nil, nil
	}
	filter := uploadsOf(m, gone)
	filter["by.type"], filter["by.id"] = m.Sender.Type, m.Sender.ID
	filter["$or"] = bson.A{bson.M{"messageId": m.ID}, bson.M{"messageId": missing}}
	err := s.updateUploads(ctx, "erase uploads", filter, bson.M{
		"$set": bson.M{"isErased": true, "forgetAt": millis(now.Add(chat.UploadForgotten))}, "$unset": bson.M{"name": ""},
	})
	if err != nil {
		return nil, err
	}
	filter["isErased"] = true
	docs, err := find[uploadDoc](ctx, s.uploads, filter, "read what is erased", options.Find().SetProjection(bson.M{"_id": 1}))
	if err != nil {
		return nil, err
	}
	ids := make([]chat.UploadID, len(docs))
	for i, d := range docs {
		ids[i] = d.ID
	}
	return ids, nil
}

func uploadsOf(m chat.Message, ids []chat.UploadID) bson.M {
	return bson.M{"_id": bson.M{"$in": ids}, "orgId": m.Sender.OrgID, "conversationId": m.ConversationID}
}

func (s *Store) updateUploads(ctx context.Context, step string, filter, update bson.M) error {
	return s.attempt(ctx, func(ctx context.Context) error {
		_, err := s.uploads.now().UpdateMany(ctx, filter, update)
		return failed(step, err)
	})
}
