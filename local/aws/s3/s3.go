// Package s3 is a small S3 for development: one bucket whose objects are put, read, tagged and
// deleted by who signs with the right key, in a header or in a link. Clients find it by their
// endpoint URL, with the bucket in the path.
//
// It is there because what links bind has to be checked as S3 does: the emulators that we looked
// at (gofakes3 1.2) let any signature pass, also an expired one, and know no tags. Versions,
// multipart uploads, lists, permissions and encryption are not there.
package s3

import (
	"crypto/md5" //nolint:gosec // S3's ETag
	"encoding/hex"
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// A Key is what callers sign with.
type Key struct{ ID, Secret, Token string }

// Options say what a bucket is. Name is required.
type Options struct {
	Name      string
	Dir       string // where objects are kept; in memory if empty
	Keys      []Key
	CORS      []CORSRule
	Lifecycle []Expiry
	Logger    *slog.Logger // nil: slog.Default
}

// An Expiry deletes objects with a tag some days after they were put.
type Expiry struct {
	Tag, Value string
	After      time.Duration
}

// A Bucket serves its objects. It is safe for concurrent use.
type Bucket struct {
	options Options
	objects *shelf
	now     func() time.Time
}

// Open returns a bucket with the objects that its directory has.
func Open(o Options) (*Bucket, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	objects, err := open(o.Dir)
	if err != nil {
		return nil, err
	}
	return &Bucket{options: o, objects: objects, now: time.Now}, nil
}

// Has reports whether a request is of the bucket.
func (b *Bucket) Has(r *http.Request) bool {
	return r.URL.Path == "/"+b.options.Name || strings.HasPrefix(r.URL.Path, "/"+b.options.Name+"/")
}

// MaxObject is the largest object that is taken: nobody puts more than memory has room for.
const MaxObject = 64 << 20

// ServeHTTP answers as S3 does.
func (b *Bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Amz-Request-Id", "LOCAL")
	w.Header().Set("Server", "AmazonS3")
	// On AWS objects are served from a host of their own. Here it may be that of pages.
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; sandbox")
	if b.cors(w, r) {
		return
	}
	err := b.serve(w, r)
	if err == nil {
		return
	}
	var e *Error
	if !errors.As(err, &e) {
		b.options.Logger.ErrorContext(r.Context(), "s3", "err", err)
		e = &Error{http.StatusInternalServerError, "InternalError", "We encountered an internal error. Please try again."}
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(e.Status)
	if r.Method != http.MethodHead {
		_ = xml.NewEncoder(w).Encode(struct { // the client is gone
			XMLName       xml.Name `xml:"Error"`
			Code, Message string
		}{Code: e.Code, Message: e.Message})
	}
}

// An Error is one of S3's.
type Error struct {
	Status        int
	Code, Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

var (
	errNoKey    = &Error{http.StatusNotFound, "NoSuchKey", "The specified key does not exist."}
	errMethod   = &Error{http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource."}
	errExists   = &Error{http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"}
	errNoLength = &Error{http.StatusLengthRequired, "MissingContentLength", "You must provide the Content-Length HTTP header."}
	errTooLarge = &Error{http.StatusBadRequest, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size."}
	errBody     = &Error{http.StatusBadRequest, "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header."}
	errDigest   = &Error{http.StatusBadRequest, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed."}
	errTag      = &Error{http.StatusBadRequest, "InvalidTag", "The tag provided was not a valid tag."}
	errUnknown  = &Error{http.StatusNotImplemented, "NotImplemented", "A header or query you provided implies functionality that is not implemented."}
)

func (b *Bucket) serve(w http.ResponseWriter, r *http.Request) error {
	key := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/"+b.options.Name), "/")
	query := r.URL.Query()
	if key == "" {
		return errMethod
	}
	signed, err := b.verify(r, query)
	if err != nil {
		return err
	}
	_, tags := query["tagging"]
	switch {
	case tags && r.Method == http.MethodGet:
		return b.getTags(w, key)
	case tags && r.Method == http.MethodDelete:
		return b.deleteTags(w, key)
	case tags:
		return errUnknown
	case r.Method == http.MethodPut:
		return b.put(w, r, key, signed)
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		return b.get(w, r, key, query)
	case r.Method == http.MethodDelete:
		return b.delete(w, key)
	}
	return errMethod
}

// put takes an object of exactly as many bytes as it says.
func (b *Bucket) put(w http.ResponseWriter, r *http.Request, key string, signed signature) error {
	if r.ContentLength < 0 {
		return errNoLength
	}
	if r.ContentLength > MaxObject {
		return errTooLarge
	}
	if r.Header.Get("X-Amz-Copy-Source") != "" || strings.HasPrefix(signed.payload, "STREAMING-") {
		return errUnknown
	}
	condition := r.Header.Get("If-None-Match")
	if condition != "" && condition != "*" {
		return errUnknown
	}
	tags, err := url.ParseQuery(r.Header.Get("X-Amz-Tagging"))
	if err != nil {
		return errTag
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, r.ContentLength))
	if err != nil || int64(len(body)) != r.ContentLength {
		return errBody
	}
	if !signed.has(body) {
		return errDigest
	}
	sum := md5.Sum(body) //nolint:gosec // S3's ETag
	o := object{Key: key, Type: r.Header.Get("Content-Type"), ETag: `"` + hex.EncodeToString(sum[:]) + `"`, Tags: map[string]string{}, At: b.now().UTC(), Size: int64(len(body))}
	if o.Type == "" {
		o.Type = "binary/octet-stream"
	}
	for name := range tags {
		o.Tags[name] = tags.Get(name)
	}
	if err := b.objects.put(o, body, func(old *object) error {
		if condition == "*" && old != nil && !b.expired(old) {
			return errExists
		}
		return nil
	}); err != nil {
		return err
	}
	w.Header().Set("ETag", o.ETag)
	return nil
}

// overrides are the headers that a signed GET may set.
var overrides = map[string]string{
	"response-content-type": "Content-Type", "response-content-language": "Content-Language", "response-expires": "Expires",
	"response-cache-control": "Cache-Control", "response-content-disposition": "Content-Disposition", "response-content-encoding": "Content-Encoding",
}

func (b *Bucket) get(w http.ResponseWriter, r *http.Request, key string, query url.Values) error {
	o, err := b.find(key)
	if err != nil {
		return err
	}
	body, err := b.objects.body(o)
	if err != nil {
		return err
	}
	defer body.Close()
	w.Header().Set("Content-Type", o.Type)
	w.Header().Set("ETag", o.ETag)
	if n := len(o.Tags); n > 0 {
		w.Header().Set("X-Amz-Tagging-Count", strconv.Itoa(n))
	}
	for name, header := range overrides {
		if v := query.Get(name); v != "" {
			w.Header().Set(header, v)
		}
	}
	http.ServeContent(w, r, "", o.At, body) // ranges and conditions are in it
	return nil
}

func (b *Bucket) delete(w http.ResponseWriter, key string) error {
	if err := b.objects.delete(key); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

type tag struct{ Key, Value string }

func (b *Bucket) getTags(w http.ResponseWriter, key string) error {
	o, err := b.find(key)
	if err != nil {
		return err
	}
	var out struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ Tagging"`
		Tags    []tag    `xml:"TagSet>Tag"`
	}
	for name, value := range o.Tags {
		out.Tags = append(out.Tags, tag{name, value})
	}
	w.Header().Set("Content-Type", "application/xml")
	return xml.NewEncoder(w).Encode(out)
}

func (b *Bucket) deleteTags(w http.ResponseWriter, key string) error {
	if _, err := b.find(key); err != nil {
		return err
	}
	if err := b.objects.change(key, func(o *object) { o.Tags = map[string]string{} }); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// find returns an object that is there. What has expired is deleted: S3 does that once a day.
func (b *Bucket) find(key string) (*object, error) {
	o := b.objects.find(key)
	if o == nil {
		return nil, errNoKey
	}
	if b.expired(o) {
		return nil, errors.Join(errNoKey, b.objects.delete(key))
	}
	return o, nil
}

func (b *Bucket) expired(o *object) bool {
	for _, e := range b.options.Lifecycle {
		if value, tagged := o.Tags[e.Tag]; tagged && value == e.Value && b.now().Sub(o.At) > e.After {
			return true
		}
	}
	return false
}
