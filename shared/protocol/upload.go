package protocol

import (
	"time"

	"aiwm-chat/shared/chat"
)

// CreateUpload is the body of POST /uploads: what is about to be uploaded.
type CreateUpload struct {
	ConversationID chat.ConversationID `json:"conversationId"` // where it will be attached
	Name           string              `json:"name"`           // of the file, without a path
	Type           string              `json:"type"`           // its media type, one of those that are taken
	Size           int64               `json:"size"`           // bytes, exactly
}

// Upload answers CreateUpload: where its bytes are to be put, and what it is attached by then.
type Upload struct {
	ID         chat.UploadID     `json:"id"`
	Attachment chat.Attachment   `json:"attachment"` // for the attachments of a message in this conversation, within 24 hours
	Method     string            `json:"method"`     // PUT
	URL        string            `json:"url"`        // where to put the bytes, once; it is a secret
	Headers    map[string]string `json:"headers"`    // to be sent with them, exactly so, and no Authorization
	ExpiresAt  string            `json:"expiresAt"`  // until when they may come
}

// DocumentLink is the body of GET /documents/{id}: where the bytes of an upload are.
type DocumentLink struct {
	ID        chat.UploadID `json:"id"`
	Name      string        `json:"name"`      // of the file
	Type      string        `json:"type"`      // its media type
	Size      int64         `json:"size"`      // bytes
	URL       string        `json:"url"`       // where to get them, without Authorization; it is a secret
	ExpiresAt string        `json:"expiresAt"` // until when
}

// Of returns the upload that somebody is about to make, or what is wrong with it.
func (in CreateUpload) Of(id chat.UploadID, by chat.Principal, now time.Time) (chat.Upload, error) {
	return chat.NewUpload(id, in.ConversationID, by, in.Name, in.Type, in.Size, now)
}

// Check reports what is wrong with the fields.
func (in CreateUpload) Check() error {
	_, err := in.Of("", chat.Principal{}, time.Time{})
	return err
}

// UploadOf describes where the bytes of u are to be put.
func UploadOf(u chat.Upload, at chat.Link) Upload {
	return Upload{
		ID: u.ID, Attachment: u.ID.Attachment(), Method: "PUT", URL: at.URL, Headers: at.Headers,
		ExpiresAt: stamp(u.CreatedAt.Add(chat.UploadPatience)),
	}
}

// DocumentLinkOf describes where the bytes of u are, until a time.
func DocumentLinkOf(u chat.Upload, url string, until time.Time) DocumentLink {
	return DocumentLink{ID: u.ID, Name: u.Name, Type: u.Type, Size: u.Size, URL: url, ExpiresAt: stamp(until)}
}

// Voice says that the one attachment of a message is speech.
type Voice struct {
	DurationMs int64  `json:"durationMs"`        // at most 15 minutes
	Waveform   []byte `json:"waveform,omitzero"` // how loud it is, a byte for each piece, at most 256
}

func (v *Voice) voice() *chat.Voice {
	if v == nil {
		return nil
	}
	// What is too long is too long in milliseconds of another number too.
	return &chat.Voice{Duration: time.Duration(min(max(v.DurationMs, 0), maxMillis)) * time.Millisecond, Waveform: v.Waveform}
}

func voiceOf(v *chat.Voice) *Voice {
	if v == nil {
		return nil
	}
	return &Voice{DurationMs: v.Duration.Milliseconds(), Waveform: v.Waveform}
}
