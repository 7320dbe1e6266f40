package server

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	"aiwm-chat/local/aws/s3"
)

// openBuckets opens the template's buckets. They are served where the APIs are, below their
// names, so that pages of this server may use them as their own.
func (s *Server) openBuckets() error {
	for _, t := range s.template.Buckets {
		o := s3.Options{Name: t.Name, Keys: []s3.Key{{ID: accessKey, Secret: secretKey, Token: sessionToken}}, Logger: s.options.Logger}
		if s.options.Dir != "" {
			o.Dir = filepath.Join(s.options.Dir, "s3", t.Name)
		}
		for _, c := range t.CORS {
			origins := c.AllowOrigins
			if own := s.options.Getenv("ALLOWED_ORIGINS"); own != "" { // all APIs obey it
				origins = strings.FieldsFunc(own, func(r rune) bool { return r == ',' || r == ' ' })
			}
			o.CORS = append(o.CORS, s3.CORSRule{Origins: origins, Methods: c.AllowMethods, Headers: c.AllowHeaders, Expose: c.ExposeHeaders, MaxAge: c.MaxAge})
		}
		for _, e := range t.Expiry {
			o.Lifecycle = append(o.Lifecycle, s3.Expiry{Tag: e.Tag, Value: e.Value, After: e.After})
		}
		bucket, err := s3.Open(o)
		if err != nil {
			return fmt.Errorf("%s: %w", t.LogicalID, err)
		}
		s.buckets = append(s.buckets, bucket)
	}
	return nil
}

// bucket is the one that a request is of, nil where it is of none.
func (s *Server) bucket(r *http.Request) http.Handler {
	if i := slices.IndexFunc(s.buckets, func(b *s3.Bucket) bool { return b.Has(r) }); i >= 0 {
		return s.buckets[i]
	}
	return nil
}
