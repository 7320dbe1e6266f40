// Package objects keeps the bytes of uploads in S3. Functions never see them: clients put and
// get them by links that are signed here, for one object each and for a short time.
package objects

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/credentials"
	"aiwm-chat/shared/observe"
)

// requestTimeout bounds one attempt; the SDK makes three at most, and stops earlier when the
// caller's context ends.
const requestTimeout = 3 * time.Second

// pending is the tag of what is not attached to a message: the bucket's lifecycle deletes it.
const pending = "state=pending"

// Options says which bucket it is.
type Options struct {
	AWS      config.AWS
	Bucket   string // "": uploads are off
	Endpoint string // "": the region's own
}

// A Store is a bucket. It is safe for concurrent use.
type Store struct {
	client *s3.Client
	links  *s3.PresignClient
	bucket *string
}

// New returns the store of a bucket. It makes no call.
func New(o Options) (*Store, error) {
	if o.Bucket == "" {
		return &Store{}, nil
	}
	if o.AWS.Region == "" {
		return nil, errors.New("set up uploads: no region")
	}
	options := s3.Options{
		Region:      o.AWS.Region,
		Credentials: credentials.Of(o.AWS),
		HTTPClient:  awshttp.NewBuildableClient().WithTimeout(requestTimeout),
		// A checksum of the body cannot be signed before there is one.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
	}
	if o.Endpoint != "" {
		options.BaseEndpoint, options.UsePathStyle = aws.String(o.Endpoint), true
	}
	client := s3.New(options)
	return &Store{client: client, links: s3.NewPresignClient(client), bucket: aws.String(o.Bucket)}, nil
}

// PutLink is where the bytes of u are to be put: for a time, once, and only so many of that
// type. Whatever else is put there is refused by S3.
func (s *Store) PutLink(ctx context.Context, u chat.Upload, patience time.Duration) (chat.Link, error) {
	if s.bucket == nil {
		return chat.Link{}, chat.ErrNoUploads
	}
	r, err := s.links.PresignPutObject(ctx, &s3.PutObjectInput{
		Bucket: s.bucket, Key: key(u.ID), ContentType: &u.Type, ContentLength: &u.Size, IfNoneMatch: aws.String("*"), Tagging: aws.String(pending),
	}, s3.WithPresignExpires(patience))
	if err != nil {
		return chat.Link{}, fmt.Errorf("sign a link to put an upload: %w", err)
	}
	link := chat.Link{URL: r.URL, Headers: map[string]string{}}
	for name := range r.SignedHeader {
		switch name = strings.ToLower(name); name {
		case "host", "content-length": // every client sends these by itself
		default:
			link.Headers[name] = r.SignedHeader.Get(name)
		}
	}
	return link, nil
}

// GetLink is where the bytes of u are, for a time. Browsers save them under its name, and do
// not run them.
func (s *Store) GetLink(ctx context.Context, u chat.Upload, good time.Duration) (string, error) {
	if s.bucket == nil {
		return "", chat.ErrNoUploads
	}
	r, err := s.links.PresignGetObject(ctx, &s3.GetObjectInput{
		Bucket: s.bucket, Key: key(u.ID),
		ResponseContentType: &u.Type, ResponseContentDisposition: aws.String(disposition(u.Name)), ResponseCacheControl: aws.String("private, max-age=300"),
	}, s3.WithPresignExpires(good))
	if err != nil {
		return "", fmt.Errorf("sign a link to get an upload: %w", err)
	}
	return r.URL, nil
}

// Keep has the bytes of an upload stay, by taking its tag away. Where there are none it is
// chat.NotFound: what comes later has the tag, and goes with it.
func (s *Store) Keep(ctx context.Context, id chat.UploadID) error {
	return s.do(ctx, "keep an upload", func(ctx context.Context) error {
		_, err := s.client.DeleteObjectTagging(ctx, &s3.DeleteObjectTaggingInput{Bucket: s.bucket, Key: key(id)})
		return err
	})
}

// Erase deletes the bytes of an upload, if there are any.
func (s *Store) Erase(ctx context.Context, id chat.UploadID) error {
	return s.do(ctx, "erase an upload", func(ctx context.Context) error {
		_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: s.bucket, Key: key(id)})
		return err
	})
}

// do is one operation. Where there is no bucket there is nothing to do.
func (s *Store) do(ctx context.Context, step string, op func(context.Context) error) error {
	if s.bucket == nil {
		return nil
	}
	told := observe.Of(ctx).Call("S3")
	err := op(ctx)
	if response, ok := errors.AsType[*awshttp.ResponseError](err); ok && response.HTTPStatusCode() == http.StatusNotFound {
		told(nil)
		return chat.Errorf(chat.NotFound, "%s: there is none", step)
	}
	if told(err); err != nil {
		return fmt.Errorf("%s: %w", step, err)
	}
	return nil
}

// key is the id: what people call a file is in no key.
func key(id chat.UploadID) *string { return aws.String(string(id)) }

// disposition has a browser save what it gets, under a name as RFC 6266 has it: one for
// everybody, and the real one for those who know UTF-8.
func disposition(name string) string {
	ascii := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' || r == '%' {
			return '_'
		}
		return r
	}, name)
	return `attachment; filename="` + ascii + `"; filename*=UTF-8''` + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
}
