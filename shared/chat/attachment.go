package chat

import (
	"fmt"
	"net/url"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// An AttachmentType says where an attachment is.
type AttachmentType string

// The types of attachment.
const (
	AttachmentURL      AttachmentType = "url"      // an http or https URL
	AttachmentDocument AttachmentType = "document" // "document:<id>", kept by the document service
)

const documentPrefix = "document:"

// MaxAttachment is the longest attachment, in bytes: signed URLs are long.
const MaxAttachment = 8 << 10

// An Attachment is an http(s) URL or "document:<id>", as text. It is stored
// and shown, never fetched.
type Attachment string

// ParseAttachment returns s as an Attachment. Other schemes (javascript:,
// data:, file: …), an empty document id, a URL without host or with credentials,
// and characters that are not seen, or turn the text around, are refused.
func ParseAttachment(s string) (Attachment, error) {
	if len(s) > MaxAttachment {
		return "", fmt.Errorf("must be at most %d bytes", MaxAttachment)
	}
	if id, ok := strings.CutPrefix(s, documentPrefix); ok {
		return DocumentAttachment(id)
	}
	return urlAttachment(s)
}

// DocumentAttachment makes the attachment of a document id.
func DocumentAttachment(id string) (Attachment, error) {
	if !ValidID(id) {
		return "", fmt.Errorf("must name a document as document:<id>")
	}
	return Attachment(documentPrefix + id), nil
}

func urlAttachment(s string) (Attachment, error) {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unseen) || strings.Contains(s, `\`) {
		return "", fmt.Errorf("must not contain white space, control characters or backslashes")
	}
	u, err := url.Parse(s)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https":
		return "", fmt.Errorf("must be an http or https URL or document:<id>")
	case u.Hostname() == "":
		return "", fmt.Errorf("must be a URL with a host")
	case u.User != nil:
		return "", fmt.Errorf("must not contain credentials")
	}
	return Attachment(s), nil
}

// unseen reports whether a character is not shown as itself: white space, controls,
// and what only forms the text around it, as the overrides of direction, which make
// a URL look like another one.
func unseen(r rune) bool {
	return unicode.In(r, unicode.White_Space, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Zs) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// Type returns where the attachment is.
func (a Attachment) Type() AttachmentType {
	if strings.HasPrefix(string(a), documentPrefix) {
		return AttachmentDocument
	}
	return AttachmentURL
}

// DocumentID returns the id of a document, "" for a URL.
func (a Attachment) DocumentID() string {
	id, ok := strings.CutPrefix(string(a), documentPrefix)
	if !ok {
		return ""
	}
	return id
}

// FileName returns the last element of a URL's path, decoded, or "" where
// there is none, or it has characters that are not seen but a space. It is for
// showing: never use it as a path.
func (a Attachment) FileName() string {
	if a.Type() != AttachmentURL {
		return ""
	}
	u, err := url.Parse(string(a))
	if err != nil || strings.HasSuffix(u.Path, "/") {
		return ""
	}
	name := path.Base(u.Path)
	hidden := func(r rune) bool { return r != ' ' && unseen(r) }
	if name == "." || name == "/" || name == ".." || !utf8.ValidString(name) || strings.ContainsFunc(name, hidden) {
		return ""
	}
	return name
}

func checkAttachments(f *Faults, all []Attachment) {
	if len(all) > MaxAttachments {
		f.Add("attachments", "must be at most %d", MaxAttachments)
	}
	for _, a := range all {
		if _, err := ParseAttachment(string(a)); err != nil {
			f.Add("attachments", "each %v", err)
		}
	}
}
