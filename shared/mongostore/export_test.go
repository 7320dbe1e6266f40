package mongostore

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/shared/chat"
)

// IndexVersion is another text for other indexes.
func IndexVersion() (string, error) {
	models := append([]mongo.IndexModel{dueIndex(), roleIndex(), changedIndex(), unreadIndex()}, conversationIndexes()...)
	models = append(append(append(models, agentIndexes()...), runIndexes()...), readIndexes()...)
	for _, key := range messageIndexes {
		models = append(models, mongo.IndexModel{Keys: key, Options: options.Index().SetUnique(true)})
	}
	all := bson.A{superseded}
	for _, m := range models {
		var o options.IndexOptions
		if m.Options != nil {
			for _, set := range m.Options.List() {
				if err := set(&o); err != nil {
					return "", err
				}
			}
		}
		all = append(all, bson.D{{Key: "key", Value: m.Keys}, {Key: "unique", Value: o.Unique}, {Key: "partial", Value: o.PartialFilterExpression}})
	}
	b, err := bson.Marshal(bson.D{{Key: "all", Value: slices.Clip(all)}})
	hash := sha256.Sum256(b)
	return hex.EncodeToString(hash[:4]), err
}

// ReadListCursor reads a cursor and writes it again.
func ReadListCursor(sort chat.ConversationSort, cursor string) (string, bool) {
	p, ok := parseListPlace(sort, cursor)
	if !ok {
		return "", false
	}
	return p.cursor(sort), true
}

// UnreadPipeline counts what is unread.
var UnreadPipeline = unreadPipeline

// UnreadKeys are the fields of its index.
func UnreadKeys() bson.D { return unreadIndex().Keys.(bson.D) }
