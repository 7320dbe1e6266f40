package chat

import (
	"fmt"
	"mime"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// An UploadID names a file that somebody has uploaded here. As an attachment it is
// "document:<id>". What looks like one is never somebody else's document.
type UploadID string

// UploadIDPattern is what an UploadID looks like, as a regular expression.
const UploadIDPattern = `^upl_[0-9a-f]{32}$`

const (
	uploadPrefix = "upl_"
	uploadDigits = 32
)

// NewUploadID makes an id of 16 random bytes.
func NewUploadID(random [16]byte) UploadID {
	return UploadID(fmt.Sprintf("%s%x", uploadPrefix, random))
}

// Valid reports whether id looks like an id of an upload.
func (id UploadID) Valid() bool {
	digits, ok := strings.CutPrefix(string(id), uploadPrefix)
	return ok && len(digits) == uploadDigits && strings.Trim(digits, "0123456789abcdef") == ""
}

// Attachment is what a message attaches it by.
func (id UploadID) Attachment() Attachment { return Attachment(documentPrefix + string(id)) }

// UploadsOf returns the uploads among attachments, each once. Other documents are of
// services that this one does not know.
func UploadsOf(all []Attachment) (ids []UploadID) {
	for _, a := range all {
		if id := UploadID(a.DocumentID()); id.Valid() && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// Limits of an upload.
const (
	MaxUpload       = 25 << 20         // bytes
	MaxUploadName   = 255              // bytes
	UploadPatience  = 15 * time.Minute // how long its bytes may take to come
	AttachWithin    = 24 * time.Hour   // how long after its creation it may be attached
	DownloadWithin  = 5 * time.Minute  // how long a link to it is good
	UploadForgotten = 8 * 24 * time.Hour
)

// uploadTypes are the media types that are taken: nothing that a browser would run.
var uploadTypes = []string{
	"application/json", "application/msword", "application/pdf", "application/rtf", "application/vnd.ms-excel", "application/vnd.ms-powerpoint",
	"application/vnd.oasis.opendocument.presentation", "application/vnd.oasis.opendocument.spreadsheet", "application/vnd.oasis.opendocument.text",
	"application/vnd.openxmlformats-officedocument.presentationml.presentation", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	"application/vnd.openxmlformats-officedocument.wordprocessingml.document", "application/zip",
	"audio/aac", "audio/flac", "audio/mp4", "audio/mpeg", "audio/ogg", "audio/wav", "audio/webm",
	"image/avif", "image/gif", "image/heic", "image/jpeg", "image/png", "image/webp",
	"text/csv", "text/markdown", "text/plain",
	"video/mp4", "video/quicktime", "video/webm",
}

// UploadTypes returns the media types that are taken.
func UploadTypes() []string { return slices.Clone(uploadTypes) }

// An Upload is a file that somebody uploads to a conversation, to attach it to one message
// there. Its bytes are elsewhere: who uploads them, and who reads them, is given a link.
type Upload struct {
	ID             UploadID
	ConversationID ConversationID
	By             Principal
	Name           string
	Type           string // one of UploadTypes
	Size           int64  // bytes
	CreatedAt      time.Time
	MessageID      MessageID // that it is attached to; "": none yet
	Erased         bool      // its message, or its place there, is gone
}

// A Link is where the bytes of an upload are put, or read.
type Link struct {
	URL     string
	Headers map[string]string // to be sent with it, exactly so
}

// NewUpload returns what somebody is about to upload, or what is wrong with it. The type may
// have parameters, as browsers give them, which are left out.
func NewUpload(id UploadID, in ConversationID, by Principal, name, mediaType string, size int64, now time.Time) (Upload, error) {
	var f Faults
	CheckID(&f, "conversationId", in)
	checkFileName(&f, name)
	media, _, err := mime.ParseMediaType(mediaType)
	switch {
	case mediaType == "":
		f.Add("type", "is required")
	case err != nil || !slices.Contains(uploadTypes, media):
		f.Add("type", "must be one of %s", strings.Join(uploadTypes, ", "))
	}
	if size < 1 || size > MaxUpload {
		f.Add("size", "must be 1 to %d bytes", MaxUpload)
	}
	if err := f.Err(); err != nil {
		return Upload{}, err
	}
	return Upload{ID: id, ConversationID: in, By: by, Name: name, Type: media, Size: size, CreatedAt: now}, nil
}

// checkFileName takes the name of a file, and nothing that could be more than that to who
// stores it, or look like another one to who reads it.
func checkFileName(f *Faults, name string) {
	switch {
	case name == "":
		f.Add("name", "is required")
	case len(name) > MaxUploadName:
		f.Add("name", "must be at most %d bytes", MaxUploadName)
	case strings.ContainsAny(name, `/\`), strings.Trim(name, ".") == "":
		f.Add("name", "must be the name of a file, without a path")
	case !utf8.ValidString(name) || strings.ContainsFunc(name, disguises) || strings.TrimSpace(name) != name:
		f.Add("name", "must not contain control characters or what changes the direction of text, nor begin or end with white space")
	}
}

// disguises reports whether a character makes a name look like another one. Joiners are
// wanted: names in Persian and Indian scripts, and emoji, need them.
func disguises(r rune) bool {
	const joiner, nonJoiner = '\u200d', '\u200c'
	return r != ' ' && r != joiner && r != nonJoiner && !unicode.Is(unicode.Variation_Selector, r) && unseen(r)
}

// Attachable reports whether p may attach u to a message of a conversation, which is the one
// that is given if it has that already.
func (u *Upload) Attachable(p Principal, in ConversationID, to MessageID, now time.Time) bool {
	switch {
	case u.By != p || u.ConversationID != in || u.Erased:
		return false
	case u.MessageID != "":
		return u.MessageID == to
	}
	return now.Sub(u.CreatedAt) < AttachWithin
}

// ReadableBy reports whether p, who takes part in its conversation, may read u: its uploader
// alone before it is attached, and nobody once it is erased.
func (u *Upload) ReadableBy(p Principal) bool { return !u.Erased && (u.MessageID != "" || u.By == p) }

// IsOf reports whether m has u now.
func (u *Upload) IsOf(m Message) bool {
	return u.MessageID == m.ID && !m.Deleted && slices.Contains(UploadsOf(m.Attachments), u.ID)
}

// Audio reports whether it may be a voice message.
func (u *Upload) Audio() bool { return strings.HasPrefix(u.Type, "audio/") }

// ErrAttachments is why uploads cannot be attached, whichever it is of these: nobody is to
// learn of an upload that is not theirs.
var ErrAttachments = Invalid("attachments", "each document that was uploaded here must be an upload of the caller to this conversation, of the last 24 hours, that is attached to no other message")

// ErrNoUploads is what is answered where the operator takes none, or has no bucket for them.
var ErrNoUploads = Errorf(Forbidden, "uploads are switched off here")

// DayEnd is when the quota of a day begins anew: at midnight UTC.
func DayEnd(now time.Time) time.Time { return now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour) }

// DetachedUploads are those that m had and has not any more.
func (m *Message) DetachedUploads() []UploadID {
	if m.Deleted {
		return m.Uploads
	}
	now := UploadsOf(m.Attachments)
	return slices.DeleteFunc(slices.Clone(m.Uploads), func(id UploadID) bool { return slices.Contains(now, id) })
}
