package chat_test

import (
	"strings"
	"testing"

	"aiwm-chat/shared/chat"
)

func TestAttachment(t *testing.T) {
	for _, tt := range []struct {
		text     string
		kind     chat.AttachmentType
		document string
		file     string
	}{
		{"https://example.com/a/report.pdf", chat.AttachmentURL, "", "report.pdf"},
		{"http://example.com/x.png?size=1#top", chat.AttachmentURL, "", "x.png"},
		{"https://example.com/a%20b%C3%A9.txt", chat.AttachmentURL, "", "a bé.txt"},
		{"https://example.com:8443/é.txt", chat.AttachmentURL, "", "é.txt"},
		{"HTTPS://EXAMPLE.COM/A.TXT", chat.AttachmentURL, "", "A.TXT"},
		{"https://[::1]/a", chat.AttachmentURL, "", "a"},
		{"https://example.com", chat.AttachmentURL, "", ""},
		{"https://example.com/", chat.AttachmentURL, "", ""},
		{"https://example.com/a/", chat.AttachmentURL, "", ""},
		{"https://example.com/a/..", chat.AttachmentURL, "", ""},
		{"https://example.com/.", chat.AttachmentURL, "", ""},
		{"https://example.com/?f=a.txt", chat.AttachmentURL, "", ""},
		{"https://example.com/document:1", chat.AttachmentURL, "", "document:1"},
		{"https://example.com/a%E2%80%AEfdp.exe", chat.AttachmentURL, "", ""}, // it reads aexe.pdf
		{"https://example.com/a%0Ab", chat.AttachmentURL, "", ""},
		{"https://bucket.s3.amazonaws.com/k?X-Amz-Security-Token=" + strings.Repeat("x", 8<<10-55), chat.AttachmentURL, "", "k"},
		{"document:d1", chat.AttachmentDocument, "d1", ""},
		{"document:507f1f77bcf86cd799439011", chat.AttachmentDocument, "507f1f77bcf86cd799439011", ""},
		{"document:a:b", chat.AttachmentDocument, "a:b", ""},
		{"https://e.com/" + strings.Repeat("x", chat.MaxAttachment-14), chat.AttachmentURL, "", strings.Repeat("x", chat.MaxAttachment-14)},
	} {
		a, err := chat.ParseAttachment(tt.text)
		if err != nil || string(a) != tt.text || a.Type() != tt.kind || a.DocumentID() != tt.document || a.FileName() != tt.file {
			t.Errorf("%.60q: %v %q %q, %v", tt.text, a.Type(), a.DocumentID(), a.FileName(), err)
		}
	}
}

func TestAttachmentRefused(t *testing.T) {
	for _, s := range []string{
		"", " ", "report.pdf", "/etc/passwd", "//example.com/a", "example.com/a",
		"javascript:alert(1)", "JavaScript:alert(1)", "java\nscript:alert(1)", "data:text/html,x", "file:///etc/passwd",
		"ftp://example.com/a", "ws://example.com", "mailto:a@example.com", "blob:https://example.com/1", "vbscript:x", "s3://b/k",
		"http:", "http://", "https:///a", "https://:443/a", "http:example.com", "https:/example.com",
		"https://user@example.com/", "https://user:pass@example.com/", "https://@example.com/",
		"https://example.com/a b", "https://example.com/\n", "https://example.com/\x00", "https://example.com/\x7f", "\thttps://example.com",
		`https:\\example.com\a`, `https://example.com\@evil.com`, "https://exa mple.com", "https://[::1", "https://example.com/%zz", "https://example.com:port/",
		"https://example.com/\u00a0", "https://example.com/\u2003a", "https://example.com/\u3000", "https://example.com/\u2028", "https://example.com/\u0085",
		"https://example.com/\u202efdp.exe", "https://example.com/\u2066a", "https://example.com/\u200fa", "https://example.com/\u061c",
		"https://exam\u200bple.com/", "https://example.com/\ufeff", "https://example.com/\u00ad", "https://example.com/\u034f", "https://example.com/\xff",
		"document:", "document:a b", "document:a/b", "document:{a}", "document:../a", "document:é", "document:" + strings.Repeat("x", 129),
		"Document:d1", "documents:d1", " document:d1",
		"https://e.com/" + strings.Repeat("x", chat.MaxAttachment-13),
	} {
		if a, err := chat.ParseAttachment(s); err == nil || a != "" {
			t.Errorf("%.60q was accepted", s)
		}
	}
}

func TestDocumentAttachment(t *testing.T) {
	if a, err := chat.DocumentAttachment("d1"); err != nil || a != "document:d1" {
		t.Errorf("%q, %v", a, err)
	}
	if a, err := chat.DocumentAttachment("a/b"); err == nil {
		t.Errorf("%q was accepted", a)
	}
}

// FuzzAttachment: what is accepted must be one of the two forms, and its
// parts must not panic.
func FuzzAttachment(f *testing.F) {
	for _, s := range []string{"https://example.com/a%2Fb", "document:d1", "javascript:x", "http://[::1%25en0]/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := chat.ParseAttachment(s)
		if err != nil {
			return
		}
		lower := strings.ToLower(s)
		switch a.Type() {
		case chat.AttachmentDocument:
			if !chat.ValidID(a.DocumentID()) || a.FileName() != "" {
				t.Errorf("%q", s)
			}
		default:
			if !strings.HasPrefix(lower, "http://") && !strings.HasPrefix(lower, "https://") || a.DocumentID() != "" {
				t.Errorf("%q", s)
			}
			_ = a.FileName()
		}
	})
}
