package template

import (
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// A Bucket is an AWS::S3::Bucket, as far as a client could tell: who may read it is its policy's.
type Bucket struct {
	LogicalID string
	Name      string // its logical id in lower case where the template names none
	CORS      []BucketCORS
	Expiry    []BucketExpiry
}

// A BucketCORS is a rule of a bucket's CorsConfiguration.
type BucketCORS struct {
	AllowOrigins, AllowMethods, AllowHeaders, ExposeHeaders []string
	MaxAge                                                  time.Duration
}

// A BucketExpiry is a rule of its LifecycleConfiguration that deletes objects with a tag.
type BucketExpiry struct {
	Tag, Value string
	After      time.Duration
}

const day = 24 * 60 * 60

// bucket reads an AWS::S3::Bucket.
func (p *parser) bucket(r resource) {
	b := Bucket{LogicalID: r.id, Name: p.text(r.properties, "BucketName", strings.ToLower(r.id))}
	for _, rule := range p.rules(r.properties, "CorsConfiguration", "CorsRules") {
		b.CORS = append(b.CORS, BucketCORS{
			AllowOrigins: p.texts(rule, "AllowedOrigins"), AllowMethods: p.texts(rule, "AllowedMethods"),
			AllowHeaders: p.texts(rule, "AllowedHeaders"), ExposeHeaders: p.texts(rule, "ExposedHeaders"),
			MaxAge: p.seconds(rule, "MaxAge", 0, 0, day),
		})
	}
	for _, rule := range p.rules(r.properties, "LifecycleConfiguration", "Rules") {
		after := p.number(rule, "ExpirationInDays", 0, 1, 36500)
		if p.text(rule, "Status", "") != "Enabled" || after == 0 {
			continue
		}
		filters := p.property(rule, "TagFilters")
		if filters == nil || len(filters.Content) != 1 {
			p.fail(rule, "a lifecycle rule that expires objects other than by one tag is not emulated")
			continue
		}
		tag := filters.Content[0]
		b.Expiry = append(b.Expiry, BucketExpiry{p.text(tag, "Key", ""), p.text(tag, "Value", ""), time.Duration(after) * day * time.Second})
	}
	p.t.Buckets = append(p.t.Buckets, b)
}

// rules are the mappings of a list within a property.
func (p *parser) rules(properties *yaml.Node, key, list string) []*yaml.Node {
	n := p.property(p.mapping(properties, key), list)
	if n == nil {
		return nil
	}
	return n.Content
}
